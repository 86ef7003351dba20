"""A story as PDF: A4, in French, each page with its number and the hash of what is told; the same bytes each time."""

import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from itertools import groupby
from zoneinfo import ZoneInfo

from reportlab import rl_config
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.lib.utils import simpleSplit
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from gateway.audit import AuditEvent, canonical
from gateway.site import Site
from mappings.audit_story import told

_WIDTH, _HEIGHT = A4
_MARGIN, _HANG, _LEADING = 20 * mm, 17 * mm, 4.6 * mm
_TOP, _BOTTOM = _HEIGHT - 22 * mm, 24 * mm
_SIZE, _SMALL = 9, 6.5
_PLAIN, _BOLD = "Vera", "VeraBd"
_LONG = re.compile(r"(\S{60})(?=\S)")
"""A word that may not fit on a line."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What stands above a story.

    Attributes:
        subject: what it is of, in French.
        made_at: aware instant.
        made_by: who asked for it, in French.

    """

    subject: str
    made_at: datetime
    made_by: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a page.

    Attributes:
        text: what it says.
        time: what stands before it, in a column of its own.
        bold: whether it is a heading.

    """

    text: str
    time: str = ""
    bold: bool = False


def fingerprint(events: Sequence[AuditEvent]) -> str:
    """Give the hex SHA-256 over the canonical forms of events, a line each."""
    return hashlib.sha256(b"".join(canonical(event) + b"\n" for event in events)).hexdigest()


def story_pdf(sheet: Sheet, events: Sequence[AuditEvent], site: Site) -> bytes:
    """Give the PDF of a story; its properties name no patient."""
    _fonts()
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1, lang="fr-FR", pageCompression=1, initialFontName=_PLAIN)
    canvas.setTitle("Récit de traces")
    canvas.setAuthor(site.label)
    pages = list(_pages(lines(sheet, events, site)))
    for number, page in enumerate(pages, 1):
        _write(canvas, page)
        canvas.setFont(_PLAIN, _SMALL)
        canvas.drawString(_MARGIN, 14 * mm, f"SHA-256 des traces : {fingerprint(events)}")
        canvas.drawRightString(_WIDTH - _MARGIN, 14 * mm, f"page {number} / {len(pages)}")
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def lines(sheet: Sheet, events: Sequence[AuditEvent], site: Site) -> list[Line]:
    """Give what stands on the pages, each line as wide as there is room for."""
    _fonts()
    return [*_head(sheet, events, site), *_body(events, site)]


@cache
def _fonts() -> None:
    """Bitstream Vera comes with reportlab; its licence lets it be embedded."""
    rl_config.warnOnMissingFontGlyphs = 0
    for name in (_PLAIN, _BOLD):
        pdfmetrics.registerFont(TTFont(name, f"{name}.ttf"))


def _head(sheet: Sheet, events: Sequence[AuditEvent], site: Site) -> Iterator[Line]:
    yield Line(site.label, bold=True)
    yield Line(f"Récit {sheet.subject}", bold=True)
    at = sheet.made_at.astimezone(ZoneInfo(site.time_zone))
    yield Line(f"{len(events)} traces, établi le {at:%d/%m/%Y à %H:%M}")
    yield Line(f"par {sheet.made_by}")


def _body(events: Sequence[AuditEvent], site: Site) -> Iterator[Line]:
    zone = ZoneInfo(site.time_zone)

    def day(event: AuditEvent) -> date:
        return event.at.astimezone(zone).date()

    for date_, acts in groupby(events, key=day):
        yield Line("")
        yield Line(f"Le {date_:%d/%m/%Y}", bold=True)
        for event in acts:
            said = told(event, site)
            about = f" ({', '.join(said.about)})" if said.about else ""
            text = f"{said.who} : {said.what}{about} — trace n° {event.id}"
            first, *others = simpleSplit(_LONG.sub(r"\1 ", text), _PLAIN, _SIZE, _WIDTH - 2 * _MARGIN - _HANG)
            yield Line(first, f"{said.at.astimezone(zone):%H:%M:%S}")
            yield from (Line(line, " ") for line in others)


def _pages(every: Sequence[Line]) -> Iterator[Sequence[Line]]:
    size = int((_TOP - _BOTTOM) / _LEADING)
    for start in range(0, len(every), size):
        yield every[start : start + size]


def _write(canvas: Canvas, page: Sequence[Line]) -> None:
    for place, line in enumerate(page):
        height = _TOP - place * _LEADING
        canvas.setFont(_BOLD if line.bold else _PLAIN, _SIZE)
        canvas.drawString(_MARGIN, height, line.time)
        canvas.drawString(_MARGIN + (_HANG if line.time else 0), height, line.text)
