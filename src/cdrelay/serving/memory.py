"""Memory of a process that runs for months: what one thread has given back must serve the others."""

import ctypes

import pyarrow as pa

_M_ARENA_MAX = -8
"""Of glibc's malloc.h."""
_HEAPS = 2


def share_heaps() -> None:
    """Have all threads take their memory from two heaps; to be called before there are many. Again changes nothing.

    glibc gives threads up to eight heaps a core, and Arrow's allocator one to each of them. A heap keeps what its
    threads once needed, so a server with eighty of them holds several times what it uses, and more every day.
    Where there is no glibc, only Arrow is told.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, _HEAPS)
