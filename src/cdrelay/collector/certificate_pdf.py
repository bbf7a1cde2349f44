"""A certificate of completeness on paper: A4, the plain words first, a strip of hours, then every hour in a table."""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from io import BytesIO
from itertools import groupby
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import CondPageBreak, Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from cdrelay.collector.certificate import Certificate, CertifiedHour, HourFinding, Verdict
from cdrelay.collector.certificate_drawing import (
    GROUND,
    INK,
    LETTERS,
    LINE,
    MARGIN,
    QUIET,
    WIDTH,
    Legend,
    NumberedPages,
    Strip,
)

_TONE: dict[Verdict, HourFinding] = {
    "complete": "complete",
    "not complete": "incomplete",
    "not proved": "undecided",
}
_TITLE = ParagraphStyle("title", fontName="Helvetica-Bold", fontSize=18, leading=23, textColor=INK)
_HEAD = ParagraphStyle("head", fontName="Helvetica-Bold", fontSize=11, leading=15, textColor=INK, spaceBefore=10)
_TEXT = ParagraphStyle("text", fontName="Helvetica", fontSize=9.5, leading=13, textColor=INK)
_SMALL = ParagraphStyle("small", parent=_TEXT, fontSize=7.5, leading=9.5)
_NAME = ParagraphStyle("name", parent=_SMALL, textColor=QUIET)
_CODE = ParagraphStyle("code", parent=_SMALL, fontName="Courier", fontSize=8)
_LINE = ParagraphStyle("line", parent=_SMALL, spaceBefore=6)
_NUMBER_FIRST = re.compile(r"\d+ missing; ")
_UNLESS_AT_THE_END = CondPageBreak(30 * mm)
"""Before a heading, so that it does not stand alone at the end of a page."""
_COLUMNS = ("from (UTC)", "finding", "state", "expected", "stored", "in lake", "proof", "ways", "checked at (UTC)")
_WIDTHS = [w * mm for w in (16, 24, 16, 17, 17, 17, 14, 21, 27)]


def certificate_pdf(certificate: Certificate) -> bytes:
    """The document; the same certificate gives the same bytes."""
    written = BytesIO()
    document = SimpleDocTemplate(
        written,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=MARGIN,
        bottomMargin=MARGIN,
        title=f"Certificate of completeness, {certificate.org_uuid}",
        author=_printable(f"cdrelay {certificate.version}, {certificate.made_by}"),
        subject=_printable(f"{_moment(certificate.period.start)} to {_moment(certificate.period.end)} UTC"),
        invariant=1,
        pageCompression=1,
    )
    document.build(list(_parts(certificate)), canvasmaker=NumberedPages)
    return written.getvalue()


def _parts(certificate: Certificate) -> Iterator[Flowable]:
    yield Paragraph("Certificate of completeness", _TITLE)
    yield Spacer(0, 4)
    yield _statement(certificate)
    yield Spacer(0, 8)
    yield _facts(certificate)
    yield Paragraph("Hour by hour", _HEAD)
    yield Spacer(0, 3)
    yield Strip(certificate.hours)
    yield Spacer(0, 3)
    yield Legend()
    if gaps := [hour for hour in certificate.hours if hour.reason]:
        yield _UNLESS_AT_THE_END
        yield Paragraph("What is not proved, and why", _HEAD)
        yield Spacer(0, 3)
        yield from (Paragraph(_escaped(line), _SMALL) for line in _gap_lines(gaps))
    yield _UNLESS_AT_THE_END
    yield Paragraph("All hours", _HEAD)
    yield from _days(certificate.hours)
    yield _UNLESS_AT_THE_END
    yield Paragraph("How to read it", _HEAD)
    yield from (Paragraph(_escaped(text), _SMALL) for text in _reading(certificate))


def _statement(certificate: Certificate) -> Table:
    ground, ink = GROUND[_TONE[certificate.verdict]]
    style = ParagraphStyle("statement", parent=_TEXT, fontName="Helvetica-Bold", fontSize=11, leading=15)
    table = Table([[Paragraph(_escaped(certificate.statement), style)]], colWidths=[WIDTH])
    table.setStyle(
        TableStyle(
            [
                ("BACKGROUND", (0, 0), (-1, -1), colors.HexColor(ground)),
                ("LINEBEFORE", (0, 0), (0, -1), 3, colors.HexColor(ink)),
                ("LEFTPADDING", (0, 0), (-1, -1), 9),
                ("TOPPADDING", (0, 0), (-1, -1), 7),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 8),
            ]
        )
    )
    return table


def _facts(certificate: Certificate) -> Table:
    start, end = (_moment(moment) for moment in (certificate.period.start, certificate.period.end))
    period = f"{start} to {end} UTC, {len(certificate.hours):,} hours"
    counted = (
        f"{certificate.expected:,} expected, {certificate.stored:,} stored, {certificate.missing:,} missing;"
        f" {certificate.in_lake:,} in the lake when this was made"
    )
    if certificate.not_kept:
        counted += f", {certificate.not_kept:,} not kept any more"
    facts = [
        ("organization", certificate.org_uuid, _CODE),
        ("source", certificate.source, _CODE),
        ("period", period, _TEXT),
        ("records", counted, _TEXT),
        ("digest of the Report IDs", certificate.digest, _CODE),
        ("made", f"{_moment(certificate.made_at)} UTC by {certificate.made_by}, cdrelay {certificate.version}", _TEXT),
    ]
    if certificate.silence is not None:
        facts.insert(4, ("silence", certificate.silence.text, _TEXT))
    rows = [[Paragraph(name, _NAME), Paragraph(_escaped(text), style)] for name, text, style in facts]
    table = Table(rows, colWidths=[40 * mm, None])
    table.setStyle(
        TableStyle(
            [
                ("LINEBELOW", (0, 0), (-1, -2), 0.4, LINE),
                ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
                ("LEFTPADDING", (0, 0), (0, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 3),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
            ]
        )
    )
    return table


def _gap_lines(gaps: Sequence[CertifiedHour]) -> Iterator[str]:
    """Hours in a row with the same finding and reason are one line, however much is missing in each."""
    run: list[CertifiedHour] = []
    for hour in gaps:
        if run and (hour.finding, _cause(hour), hour.window.start) != (
            run[0].finding,
            _cause(run[0]),
            run[-1].window.end,
        ):
            yield _gap_line(run)
            run = []
        run.append(hour)
    if run:
        yield _gap_line(run)


def _gap_line(run: Sequence[CertifiedHour]) -> str:
    missing = sum(hour.missing for hour in run)
    said = f"{missing:,} missing; " if missing else ""
    return f"{_moment(run[0].window.start)} to {_moment(run[-1].window.end)}: {run[0].finding}; {said}{_cause(run[0])}"


def _cause(hour: CertifiedHour) -> str:
    """Its reason without the number at its beginning, which is that of one hour."""
    return _NUMBER_FIRST.sub("", hour.reason or "")


def _days(hours: Sequence[CertifiedHour]) -> Iterator[Flowable]:
    """A table for each day; days in a row of which there is nothing but one finding are a line."""
    days = [(day, list(found)) for day, found in groupby(hours, key=lambda hour: hour.window.start.date())]
    for finding, run in groupby(days, key=lambda day: _one_finding(day[1])):
        found = list(run)
        if finding is None:
            yield from (_day_table(day, of_day) for day, of_day in found)
            continue
        first, last, number = found[0][1][0].window, found[-1][1][-1].window, sum(len(of_day) for _, of_day in found)
        period = f"{_moment(first.start)} to {_moment(last.end)}"
        yield Paragraph(f"{period}: {number:,} hours, each {finding}; none of their records is in the lake", _LINE)


def _one_finding(hours: Sequence[CertifiedHour]) -> HourFinding | None:
    """What was found of all of these hours, where that is all that is known of them."""
    findings = {hour.finding for hour in hours}
    bare = all(hour.row is None and not hour.in_lake for hour in hours)
    return findings.pop() if bare and len(findings) == 1 else None


def _day_table(day: date, hours: Sequence[CertifiedHour]) -> Table:
    rows: list[list[Any]] = [[f"{day:%Y-%m-%d}", *_COLUMNS[1:]], *(_row(hour) for hour in hours)]
    styles: list[tuple[Any, ...]] = [
        ("FONT", (0, 0), (-1, -1), "Helvetica", 7.5),
        ("FONT", (0, 0), (0, 0), "Helvetica-Bold", 7.5),
        ("TEXTCOLOR", (0, 0), (-1, -1), INK),
        ("TEXTCOLOR", (1, 0), (-1, 0), QUIET),
        ("LINEBELOW", (0, 0), (-1, -1), 0.3, LINE),
        ("ALIGN", (3, 0), (5, -1), "RIGHT"),
        ("TOPPADDING", (0, 0), (-1, -1), 1.2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.8),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
    ]
    for number, hour in enumerate(hours, 1):
        ground, ink = GROUND[hour.finding]
        styles += [
            ("BACKGROUND", (1, number), (1, number), colors.HexColor(ground)),
            ("TEXTCOLOR", (1, number), (1, number), colors.HexColor(ink)),
        ]
    table = Table(rows, colWidths=_WIDTHS, repeatRows=1, spaceBefore=6, hAlign="LEFT")
    table.setStyle(TableStyle(styles))
    return table


def _row(hour: CertifiedHour) -> list[str]:
    start = f"{hour.window.start:%H:%M:%S}"
    if hour.row is None:
        return [start, f"{LETTERS[hour.finding]} {hour.finding}", "", "", "", f"{hour.in_lake:,}", "none", "", ""]
    row = hour.row
    return [
        start,
        f"{LETTERS[hour.finding]} {hour.finding}",
        row.state,
        f"{row.expected:,}",
        f"{row.stored:,}",
        f"{hour.in_lake:,}",
        row.proof,
        ", ".join(row.ways),
        _moment(row.checked_at),
    ]


def _reading(certificate: Certificate) -> Iterator[str]:
    yield (
        "Expected is what the provider counts, stored what was here when the two were compared, in the lake what is"
        " here now. An hour is complete when nothing that the provider counts is missing, then and now; it was proved"
        " by the ids of the records, by equal counts (also where there was no call), or, where more is stored than the"
        " provider counts (state surplus) and ids were not compared, by counts alone. What is missing can still be had"
        " where the state is short; where it is lost, its provider does not give it any more by itself. Ways are how"
        " records came that a repair brought. Records are told apart by Org UUID and Report ID, and belong to the hour"
        " of their Report time. Of an hour that is not kept any more nothing is claimed: its records, or what was said"
        " of them, were only to be kept for so long."
    )
    yield (
        "The digest is SHA-256 over the Report IDs of all records of the organization and period in the lake, in lower"
        " case, sorted, each with a line feed after it: with the records at hand anyone can make it again."
    )
    yield (
        f"An hour of the ledger is {certificate.hour_in_words}. All times are UTC; periods include their start and not"
        " their end."
    )


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment.second else f"{moment:%Y-%m-%d %H:%M}"


def _printable(text: str) -> str:
    """What the fonts that every reader has can show."""
    return text.encode("cp1252", "replace").decode("cp1252")


def _escaped(text: str) -> str:
    return escape(_printable(text))
