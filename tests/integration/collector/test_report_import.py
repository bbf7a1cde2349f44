"""Importing Detailed Call History reports: the files, what becomes of their rows, and the ledger after it."""

import asyncio
import csv
import io
import zipfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from cdrelay.collector.errors import ReportRefused
from cdrelay.collector.report_file import ReportFile, ReportRow
from cdrelay.collector.report_import import ImportReport, ReportImport
from cdrelay.lake.prepare import Refused
from cdrelay.records.fields import FIELDS
from cdrelay.records.identity import Plausible
from tests.integration.collector.collector_bench import START, Bench, only
from tests.support.provider import NOTHING, Call, Provider, calls, organization

A, B = organization(1), organization(2)
TEN = START.replace(hour=10, minute=10)
NAMES = [field.name for field in FIELDS]


def cells(call: Call, **more: str) -> list[str]:
    values = call.wire() | {"Duration": "12", "Answered": "true", "OS type": "NA"} | more
    return [values.get(name, "") for name in NAMES]


def table(rows: Sequence[Sequence[str]], *, header: Sequence[str] = NAMES, separator: str = ",") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator)
    writer.writerows([header, *rows])
    return text.getvalue().encode()


def written(tmp_path: Path, content: bytes, name: str = "report.csv") -> Path:
    (tmp_path / name).write_bytes(content)
    return tmp_path / name


def importing(bench: Bench) -> ReportImport:
    if not bench.sources.list():
        bench.reconciler(Provider(bench.clock, base="http://127.0.0.1:9"))
    return ReportImport(bench.stores, bench.database, bench.store.quarantine, bench.clock, bench.settings.rules)


def lines_of(path: Path) -> list[ReportRow | Refused]:
    return list(ReportFile(path).rows())


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_rows_are_read_whatever_the_separator_and_the_byte_order_mark(
    bench: Bench, tmp_path: Path, separator: str, mark: bytes
) -> None:
    path = written(tmp_path, mark + table([cells(call) for call in calls(A, TEN, 3)], separator=separator))
    report = importing(bench).run("webex", [ReportFile(path)])
    assert (report.records, report.added, report.quarantined, report.organizations) == (3, 3, 0, 1)
    assert bench.store.lake.count_by_organization(bench.period(10)) == {A: 3}


def test_a_report_in_another_encoding_in_a_zip_with_line_breaks_in_quotes_is_read(bench: Bench, tmp_path: Path) -> None:
    rows = [cells(call, User='two\r\nlines, and a "quote"') for call in calls(A, TEN, 3)]
    with zipfile.ZipFile(tmp_path / "reports.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", table(rows))
        archive.writestr("b.CSV", table(rows).decode().encode("utf-16"))
        archive.writestr("readme.txt", "no report")
    report = importing(bench).run("webex", [ReportFile(tmp_path / "reports.zip")])
    assert (report.records, report.added, report.repeated) == (6, 3, 3)


def test_keys_are_read_in_any_spelling_and_unknown_ones_are_kept(bench: Bench, tmp_path: Path) -> None:
    header = ["report id", "ReportTime", "Org UUID", "Device Mac", "Something new"]
    call = calls(A, TEN, 1)[0].wire()
    moment = f"{TEN:%Y-%m-%d %H:%M:%S}.000"
    path = written(tmp_path, table([[call["Report ID"], moment, A, "0011", "kept"]], header=header))
    importing(bench).run("webex", [ReportFile(path)])
    (record,) = bench.store.lake.read_organization(A, bench.period(10))
    assert b'"Device MAC":"0011"' in record
    assert b'"Something new":"kept"' in record


def test_a_broken_row_goes_to_quarantine_and_the_others_are_stored(bench: Bench, tmp_path: Path) -> None:
    one, two, three, four = calls(A, TEN, 4)
    content = table([cells(one), cells(two)[:-3], [*cells(three), "more"], [*cells(four)[:-1], "caf\udce9"]][:3])
    content += table([cells(four)]).split(b"\r\n")[1].replace(b"true", b"tru\xe9") + b"\r\n"
    content += table([[*cells(four)]]).split(b"\r\n")[1].replace(A.encode(), b"nobody") + b"\r\n"
    report = importing(bench).run("webex", [ReportFile(written(tmp_path, content))])
    assert (report.records, report.added, report.quarantined) == (5, 1, 4)
    rules = {one.rule for one in bench.store.quarantine.list()}
    width = len(NAMES)
    assert rules == {
        f"has {width - 3} cells, and the first row of the report {width}",
        f"has {width + 1} cells, and the first row of the report {width}",
        "is no UTF-8",
        "is missing, or is no UUID",
    }


def test_importing_again_changes_nothing_and_a_newer_version_wins(bench: Bench, tmp_path: Path) -> None:
    call = calls(A, TEN, 1)[0]
    path = written(tmp_path, table([cells(call)]))
    work = importing(bench)
    work.run("webex", [ReportFile(path)])
    again = work.run("webex", [ReportFile(path)])
    assert (again.added, again.corrected, again.repeated) == (0, 0, 1)
    newer = dict(zip(NAMES, cells(call), strict=True)) | {"Report time": "2026-11-24T10:10:01.000Z"}
    path = written(tmp_path, table([[newer[name] for name in NAMES]]))
    assert work.run("webex", [ReportFile(path)]).corrected == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "names no Org UUID and no Report ID and no Report time"),
        (b"Org UUID,Report time\r\nx,y\r\n", "names no Report ID"),
        (b"PK\x05\x06" + b"\0" * 18, "a zip without a .csv"),
    ],
)
def test_what_is_no_report_is_refused_and_named(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(ReportRefused, match=words):
        lines_of(written(tmp_path, content))


def test_a_file_that_is_not_there_and_a_broken_zip_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportRefused, match="cannot be read"):
        ReportFile(tmp_path / "none.csv")
    with zipfile.ZipFile(tmp_path / "broken.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", table([cells(call) for call in calls(A, TEN, 200)]))
    content = bytearray((tmp_path / "broken.zip").read_bytes())
    content[200:220] = b"\0" * 20
    with pytest.raises(ReportRefused, match="cannot be read to its end"):
        lines_of(written(tmp_path, bytes(content), "broken.zip"))


def test_a_cell_without_an_end_costs_rows_and_not_the_file(tmp_path: Path) -> None:
    rows = table([cells(call) for call in calls(A, TEN, 2)])
    path = written(tmp_path, rows + b'"' + b"x" * (9 * 2**20))
    found = lines_of(path)
    assert [type(one) for one in found[:2]] == [ReportRow, ReportRow]
    assert all(isinstance(one, Refused) for one in found[2:])
    assert len(found) > 2


def test_a_dry_run_says_what_is_in_the_files_and_changes_nothing(bench: Bench, tmp_path: Path) -> None:
    old = Call(B, START - timedelta(days=900))
    path = written(tmp_path, table([cells(call) for call in [*calls(A, TEN, 3), old]]))
    plausible = Plausible(START - timedelta(days=400), START)
    read: list[int] = []
    found = importing(bench).try_out([ReportFile(path, read.append)], plausible)
    hour = TEN.replace(minute=0)
    assert found == ImportReport(records=4, quarantined=1, organizations=1, first=hour, last=hour)
    assert sum(read) == path.stat().st_size
    assert bench.store.spool.waiting() == []
    assert bench.store.lake.total() == 0


async def test_a_lost_window_is_repaired_by_a_report_and_says_so(
    bench: Bench, provider: Provider, tmp_path: Path
) -> None:
    provider.records = calls(A, TEN, 5) + calls(B, TEN, 2)
    provider.record_troubles = {A: NOTHING, B: NOTHING}
    reconciler = bench.reconciler(provider)
    await only(reconciler)
    bench.clock.advance(timedelta(hours=49))
    assert (await only(reconciler)).lost == 2
    path = written(tmp_path, table([cells(call) for call in provider.records[:6]]))
    report = await asyncio.to_thread(importing(bench).run, "webex", [ReportFile(path)])
    assert (report.added, report.completed, report.incomplete) == (6, 1, 1)
    repaired, lost = (bench.ledger.rows(bench.period(10), org)[0] for org in (A, B))
    assert (repaired.state, repaired.ways, repaired.fetched) == ("repaired", ("report",), 5)
    assert repaired.completed_at == bench.clock.now()
    assert (lost.state, lost.stored, lost.ways) == ("lost", 1, ("report",))
