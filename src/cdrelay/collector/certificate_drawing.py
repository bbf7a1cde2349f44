"""What is drawn in a certificate: the strip of hours, its legend, numbers of pages, and their colours."""

from collections.abc import Sequence
from typing import Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable

from cdrelay.collector.certificate import CertifiedHour, HourFinding

MARGIN, _PADDING = 18 * mm, 6
WIDTH = A4[0] - 2 * (MARGIN + _PADDING)
INK, QUIET, LINE = colors.HexColor("#1b2330"), colors.HexColor("#5a6575"), colors.HexColor("#d9dee6")
GROUND = {
    "complete": ("#dff3e7", "#1a7343"),
    "incomplete": ("#fde3e1", "#b3261e"),
    "undecided": ("#e9ecf1", "#5a6575"),
    "not compared": ("#ffffff", "#5a6575"),
    "not kept": ("#ffffff", "#5a6575"),
}
LETTERS: dict[HourFinding, str] = {
    "complete": "C",
    "incomplete": "M",
    "undecided": "u",
    "not compared": "?",
    "not kept": "–",
}
_MEANINGS: dict[HourFinding, str] = {
    "complete": "complete, proved",
    "incomplete": "records are missing",
    "undecided": "not decided yet",
    "not compared": "not compared with the provider",
    "not kept": "not kept any more",
}
_STRIP_COLUMNS = 24


class Strip(Flowable):  # type: ignore[misc]  # reportlab has no types
    """A cell for each hour, a row for each 24."""

    _HEIGHT, _LABEL = 11.0, 24 * mm

    def __init__(self, hours: Sequence[CertifiedHour]) -> None:
        super().__init__()
        self._rows = [hours[at : at + _STRIP_COLUMNS] for at in range(0, len(hours), _STRIP_COLUMNS)]

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """Its size."""
        self.width, self.height = width, len(self._rows) * self._HEIGHT
        return self.width, self.height

    def split(self, width: float, height: float) -> list[Flowable]:
        """In two, where a page ends."""
        fit = int(height // self._HEIGHT)
        if fit < 1 or fit >= len(self._rows):
            return []
        parts = self._rows[:fit], self._rows[fit:]
        return [Strip([hour for row in rows for hour in row]) for rows in parts]

    def draw(self) -> None:
        """On the canvas."""
        size = (self.width - self._LABEL) / _STRIP_COLUMNS
        for number, row in enumerate(self._rows):
            y = self.height - (number + 1) * self._HEIGHT
            self.canv.setFillColor(QUIET)
            self.canv.setFont("Helvetica", 7)
            self.canv.drawString(0, y + 3, f"{row[0].window.start:%Y-%m-%d %H:%M}")
            for at, hour in enumerate(row):
                _draw_cell(self.canv, hour.finding, self._LABEL + at * size, y, size, self._HEIGHT)


class Legend(Flowable):  # type: ignore[misc]
    """What the letters mean."""

    def wrap(self, width: float, height: float) -> tuple[float, float]:
        """Its size."""
        return width, 14

    def draw(self) -> None:
        """On the canvas."""
        x = 0.0
        for finding, meaning in _MEANINGS.items():
            _draw_cell(self.canv, finding, x, 1, 11, 11)
            self.canv.setFillColor(INK)
            self.canv.setFont("Helvetica", 7.5)
            self.canv.drawString(x + 14, 4, meaning)
            x += 24 + self.canv.stringWidth(meaning, "Helvetica", 7.5)


def _draw_cell(canvas: Canvas, finding: HourFinding, x: float, y: float, width: float, height: float) -> None:
    ground, ink = (colors.HexColor(colour) for colour in GROUND[finding])
    canvas.setFillColor(ground)
    canvas.setStrokeColor(LINE if finding in ("not compared", "not kept") else ground)
    canvas.setLineWidth(0.4)
    canvas.rect(x + 0.6, y + 0.6, width - 1.2, height - 1.2, fill=1, stroke=1)
    canvas.setFillColor(ink)
    canvas.setFont("Helvetica-Bold", 6.5)
    canvas.drawCentredString(x + width / 2, y + height / 2 - 2.3, LETTERS[finding])


class NumberedPages(Canvas):  # type: ignore[misc]
    """Knows how many pages there are before it writes the first."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._kept: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 - the library's name
        """Keep the page."""
        self._kept.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Write all of them, each with its number."""
        for number, page in enumerate(self._kept, 1):
            self.__dict__.update(page)
            self.setFont("Helvetica", 7.5)
            self.setFillColor(QUIET)
            self.drawString(MARGIN + _PADDING, 10 * mm, "cdrelay – certificate of completeness")
            self.drawRightString(A4[0] - MARGIN - _PADDING, 10 * mm, f"page {number} of {len(self._kept)}")
            super().showPage()
        super().save()
