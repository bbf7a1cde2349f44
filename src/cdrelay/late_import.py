"""Imports that wait until what they bring is used: a command that lists partners needs no HTTP server."""

import gc
from importlib import import_module
from types import ModuleType


def imported(module: str) -> ModuleType:
    """The module, imported if it is not yet. Raises what its import raises."""
    # Nothing that is imported is garbage; to look for some among ever more of it takes a fifth of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return import_module(module)
    finally:
        if collecting:
            gc.enable()
