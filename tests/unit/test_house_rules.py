"""House rules that the code is held to by its syntax tree; each rule has examples, and escapes by name.

A rule is a function of a file's path under src/cdrelay and its tree, and returns what breaks the rule. An escape that
nothing needs any more fails, too.
"""

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "cdrelay"
Rule = Callable[[str, ast.Module], set[str]]


@cache
def _modules() -> dict[str, ast.Module]:
    return {
        path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text("utf-8")) for path in sorted(SOURCE.rglob("*.py"))
    }


def _room(path: str) -> str:
    return path.partition("/")[0].removesuffix(".py")


# --- The clock is asked in clock.py alone ----------------------------------------------------------------------------

_ASKING = re.compile(r"(?:datetime\.)?datetime\.(?:now|utcnow|today)|(?:datetime\.)?date\.today|time\.time(?:_ns)?")


def asks_the_time(path: str, tree: ast.Module) -> set[str]:
    """Places outside clock.py that ask the machine what time it is. Measuring a duration (perf_counter) is none."""
    if path == "clock.py":
        return set()
    found = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found |= {f"time.{name}" for module, name in _names(tree) if module == "time"}
    return {name for name in found if _ASKING.fullmatch(name)}


# --- Imports point one way -------------------------------------------------------------------------------------------

_PURE = {"errors"}
_STORES = {"errors", "clock", "records", "contract"}
_HALVES = _STORES | {"lake", "control", "provider_exchange", "provider_history", "callbacks", "notices"}
_MAY_IMPORT = {
    "errors": set(),
    "late_import": set(),
    "clock": set(),
    "records": _PURE,
    "contract": _PURE,
    "settings": {"errors", "contract"},
    "serving": _PURE,
    "provider_exchange": {"errors", "clock", "contract"},
    "provider_history": {"errors", "clock", "contract", "provider_exchange"},
    "lake": _STORES,
    "control": _STORES,
    "callbacks": {"errors", "contract"},
    "notices": {"errors", "clock", "contract", "control", "callbacks"},
    "traffic": _STORES,
    "publisher": _HALVES,
    "collector": _HALVES,
    "backup": _STORES | {"lake", "control"},
    "hub": _HALVES | {"publisher", "collector"},
    "wiring": _HALVES | {"publisher", "collector", "hub", "settings", "serving", "backup", "late_import"},
    "doctor": _HALVES | {"publisher", "collector", "settings", "serving", "backup", "wiring"},
    "conformance": _STORES | {"traffic"},
    "cli": _HALVES
    | {"publisher", "collector", "hub", "settings", "serving", "wiring", "traffic", "conformance"}
    | {"backup", "doctor", "late_import"},
    "__main__": {"cli"},
}


def _names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Every import: the module, and the name out of it or nothing."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


def imports_against_the_grain(path: str, tree: ast.Module) -> set[str]:
    """Rooms that a file imports and that stand beside or above its own. A room that no one has listed may nothing."""
    room = _room(path)
    found = set()
    for module, name in _names(tree):
        top, _, rest = module.partition(".")
        if top == "cdrelay":
            found.add(rest.partition(".")[0] or name)
    return found - _MAY_IMPORT.get(room, set()) - {room, "__version__"}


# --- Also between the rooms of the publisher -------------------------------------------------------------------------

_PUBLISHER_ROOMS = {
    "access": set(),
    "sources": set(),
    "directory": {"access"},
    "bulk": {"directory"},
    "api": {"directory"},
    "intake": {"sources", "directory", "api"},
    "directory_api": {"directory", "bulk", "access", "api"},
    "alerts": set(),
    "delivery": {"directory", "alerts"},
}
_SHARED = {"parties", "errors", "api_errors"}


def enters_another_room(path: str, tree: ast.Module) -> set[str]:
    """The rooms of the publisher that a file in one of them imports and may not (table in docs/architecture.md)."""
    half, _, rest = path.partition("/")
    room, inside, _ = rest.partition("/")
    if half != "publisher" or not inside:
        return set()
    entered = {module.split(".")[2] for module, _ in _names(tree) if module.startswith("cdrelay.publisher.")}
    return entered - _PUBLISHER_ROOMS.get(room, set()) - _SHARED - {room}


# --- The engine is the lake's ----------------------------------------------------------------------------------------


def uses_the_engine(path: str, tree: ast.Module) -> set[str]:
    """The parts of the storage engine that a file outside lake/ imports."""
    if _room(path) == "lake":
        return set()
    return {module.partition(".")[0] for module, _ in _names(tree)} & {"duckdb", "deltalake"}


# --- SQL of the lake lies in .sql files ------------------------------------------------------------------------------

_SQL = re.compile(r"\s*\(?(SELECT|INSERT|COPY|CREATE|UPDATE|DELETE|DROP|ALTER|SET|WITH|ATTACH|PRAGMA|LOAD)\s")


def holds_sql(path: str, tree: ast.Module) -> set[str]:
    """How the statements begin that stand in the Python of lake/."""
    if _room(path) != "lake":
        return set()
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    return {match[1] for text in texts if (match := _SQL.match(text))}


def unexplained(sql: str) -> list[str]:
    """The named statements of a .sql file that no comment line follows."""
    blocks = [block.splitlines() for block in sql.split("-- name: ")[1:]]
    return [lines[0] for lines in blocks if not (len(lines) > 1 and re.match(r"-- \w", lines[1]))]


ESCAPES: dict[Rule, dict[str, set[str]]] = {
    # The time of an entry of the table's log, which is the log's own bookkeeping and no record's.
    asks_the_time: {"lake/table.py": {"time.time_ns"}},
    # The loader hands its receipts to whoever keeps them; the one who does must know what they are.
    imports_against_the_grain: {"control/receipts.py": {"lake"}, "control/drift.py": {"lake"}},
    enters_another_room: {},
    # Its errors are named where the parts are put together.
    uses_the_engine: {"wiring/foundation.py": {"duckdb"}},
    holds_sql: {
        "lake/engine.py": {"SET"},  # how the engine is set up
        "lake/statements.py": {"SELECT"},  # what stands for the rows of no file
    },
}


@pytest.mark.parametrize("rule", ESCAPES, ids=lambda rule: rule.__name__)
def test_the_code_keeps_the_rule_but_for_the_escapes_by_name(rule: Rule) -> None:
    broken = {path: found for path, tree in _modules().items() if (found := rule(path, tree))}
    assert broken == ESCAPES[rule]


@pytest.mark.parametrize("file", sorted((SOURCE / "lake" / "sql").glob("*.sql")), ids=lambda file: file.name)
def test_every_named_statement_is_explained(file: Path) -> None:
    assert unexplained(file.read_text("utf-8")) == []


def test_every_room_is_in_the_table_of_imports() -> None:
    assert {_room(path) for path in _modules()} - {"__init__"} == set(_MAY_IMPORT)


@pytest.mark.parametrize(
    ("rule", "path", "code", "found"),
    [
        (asks_the_time, "lake/cut.py", "at = datetime.now(UTC)", {"datetime.now"}),
        (asks_the_time, "lake/cut.py", "at = datetime.datetime.utcnow()", {"datetime.datetime.utcnow"}),
        (asks_the_time, "lake/cut.py", "day = date.today()", {"date.today"}),
        (asks_the_time, "lake/cut.py", "clock = time.time", {"time.time"}),
        (asks_the_time, "lake/cut.py", "from time import time_ns as n", {"time.time_ns"}),
        (asks_the_time, "hub/clock.py", "datetime.now(UTC)", {"datetime.now"}),
        (imports_against_the_grain, "records/wire.py", "from cdrelay.contract.times import x", {"contract"}),
        (imports_against_the_grain, "contract/rules.py", "from cdrelay import clock", {"clock"}),
        (imports_against_the_grain, "lake/load.py", "import cdrelay.control.tables", {"control"}),
        (imports_against_the_grain, "control/x.py", "from cdrelay.lake.load import x", {"lake"}),
        (imports_against_the_grain, "publisher/x.py", "from cdrelay.collector import x", {"collector"}),
        (imports_against_the_grain, "collector/x.py", "from cdrelay.publisher.x import y", {"publisher"}),
        (imports_against_the_grain, "publisher/x.py", "def f():\n  from cdrelay.hub import y", {"hub"}),
        (imports_against_the_grain, "collector/x.py", "from cdrelay.wiring import y", {"wiring"}),
        (imports_against_the_grain, "hub/x.py", "from cdrelay.cli.x import y", {"cli"}),
        (imports_against_the_grain, "cellar/x.py", "from cdrelay.errors import y", {"errors"}),
        (enters_another_room, "publisher/sources/x.py", "from cdrelay.publisher.intake.taking import y", {"intake"}),
        (enters_another_room, "publisher/sources/a/x.py", "import cdrelay.publisher.api.regions", {"api"}),
        (enters_another_room, "publisher/attic/x.py", "from cdrelay.publisher.access.forms import y", {"access"}),
        (uses_the_engine, "collector/x.py", "import duckdb", {"duckdb"}),
        (uses_the_engine, "records/x.py", "from deltalake.schema import Field", {"deltalake"}),
        (holds_sql, "lake/x.py", "q = 'SELECT 1'", {"SELECT"}),
        (holds_sql, "lake/x.py", "q = f'INSERT INTO {table} VALUES (1)'", {"INSERT"}),
        (holds_sql, "lake/x.py", "q = '''\n  COPY rows TO 'x' '''", {"COPY"}),
        (holds_sql, "lake/x.py", "q = '(SELECT 1)'", {"SELECT"}),
    ],
)
def test_a_rule_finds_what_breaks_it(rule: Rule, path: str, code: str, found: set[str]) -> None:
    assert rule(path, ast.parse(code)) == found


@pytest.mark.parametrize(
    ("rule", "path", "code"),
    [
        (asks_the_time, "clock.py", "datetime.now(UTC)"),
        (asks_the_time, "lake/cut.py", "at = self._clock.now()"),
        (asks_the_time, "lake/cut.py", "from time import perf_counter\nperf_counter()"),
        (asks_the_time, "lake/cut.py", "datetime.fromisoformat(text)"),
        (imports_against_the_grain, "records/wire.py", "from cdrelay.records.fields import x\nimport msgspec"),
        (imports_against_the_grain, "contract/query.py", "from cdrelay.errors import CdrelayError"),
        (imports_against_the_grain, "publisher/x.py", "from cdrelay import __version__"),
        (imports_against_the_grain, "collector/x.py", "from cdrelay.lake.spool import x"),
        (imports_against_the_grain, "wiring/x.py", "from cdrelay.hub.routes import x"),
        (enters_another_room, "publisher/intake/x.py", "from cdrelay.publisher.sources.origin import y"),
        (enters_another_room, "publisher/intake/x.py", "from cdrelay.publisher.errors import y"),
        (enters_another_room, "publisher/x.py", "from cdrelay.publisher.access.forms import y"),
        (uses_the_engine, "lake/store.py", "import duckdb"),
        (uses_the_engine, "collector/x.py", "import duckdb_notes"),
        (holds_sql, "lake/x.py", "q = statement('count_by_organization')"),
        (holds_sql, "lake/x.py", "'''Set what was selected.'''"),
        (holds_sql, "control/x.py", "q = 'SELECT 1'"),
    ],
)
def test_a_rule_leaves_alone_what_keeps_it(rule: Rule, path: str, code: str) -> None:
    assert rule(path, ast.parse(code)) == set()


def test_a_statement_without_a_comment_is_found() -> None:
    assert unexplained("-- name: one\nSELECT 1;\n-- name: two\n-- The second.\nSELECT 2;\n-- name: three") == [
        "one",
        "three",
    ]
