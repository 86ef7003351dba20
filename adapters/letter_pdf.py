"""Letters as PDF: A4, the address in the right window of a DL envelope, the same bytes for the same letters."""

import io
import re
import unicodedata
from collections.abc import Container, Sequence
from functools import cache
from xml.sax.saxutils import escape

from reportlab import rl_config
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Frame, Paragraph

from gateway.letter import Letter

_WIDTH, _HEIGHT = A4
_LEFT, _RIGHT, _TOP, _BOTTOM = 25 * mm, 20 * mm, 20 * mm, 22 * mm
_WINDOW_LEFT, _WINDOW_TOP = 112 * mm, 52 * mm
"""Where the address begins: NF Z11-001 has the window of a DL envelope 20 mm from the right and 50 mm from the top."""

_TEXT_TOP = 104 * mm
"""Below the first fold, at 99 mm: what the letter is about never shows through the window."""

_LEADING = 5 * mm
_FIXED = "\N{NO-BREAK SPACE}"
_BEFORE_SIGN = re.compile(r" (?=[:;!?»])|(?<=«) ")


def render(letters: Sequence[Letter]) -> bytes:
    """Give the PDF of letters, each beginning on a page of its own.

    Its properties name no patient, and hold no time: the same letters are the same bytes.
    """
    _fonts()
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1, lang="fr-FR", pageCompression=1, initialFontName="Vera")
    canvas.setTitle("Convocation")
    canvas.setAuthor("")
    canvas.setCreator("")
    canvas.setSubject("")
    for letter in letters:
        _write(canvas, letter)
    canvas.save()
    return out.getvalue()


@cache
def _fonts() -> None:
    """Bitstream Vera comes with reportlab; its licence lets it be embedded."""
    rl_config.warnOnMissingFontGlyphs = 0
    for name, file in (("Vera", "Vera.ttf"), ("Vera-Bold", "VeraBd.ttf")):
        pdfmetrics.registerFont(TTFont(name, file))
    pdfmetrics.registerFontFamily("Vera", normal="Vera", bold="Vera-Bold", italic="Vera", boldItalic="Vera-Bold")


def _style(name: str, **more: object) -> ParagraphStyle:
    return ParagraphStyle(name, **({"fontName": "Vera", "fontSize": 10, "leading": 14, "spaceAfter": 4} | more))


def _write(canvas: Canvas, letter: Letter) -> None:
    _lines(canvas, letter.sender, _LEFT, _HEIGHT - _TOP, size=10, bold_first=True)
    _lines(canvas, letter.recipient, _WINDOW_LEFT, _HEIGHT - _WINDOW_TOP, size=11)
    canvas.setFont("Vera", 10)
    canvas.drawRightString(_WIDTH - _RIGHT, _HEIGHT - 94 * mm, typeset(letter.dated))
    canvas.setLineWidth(0.3)
    canvas.line(4 * mm, _HEIGHT - 99 * mm, 8 * mm, _HEIGHT - 99 * mm)
    page, top, story = 1, _HEIGHT - _TEXT_TOP, _story(letter)
    while story:
        frame = Frame(_LEFT, _BOTTOM, _WIDTH - _LEFT - _RIGHT, top - _BOTTOM, 0, 0, 0, 0)
        while story and frame.add(story[0], canvas):
            del story[0]
        if story and (parts := frame.split(story[0], canvas)):
            frame.add(parts[0], canvas)
            story[:1] = parts[1:]
        canvas.setFont("Vera", 7)
        canvas.drawString(_LEFT, 12 * mm, f"{letter.footer} · réf. {letter.reference}")
        canvas.drawRightString(_WIDTH - _RIGHT, 12 * mm, f"page {page}")
        canvas.showPage()
        page, top = page + 1, _HEIGHT - _TOP


def _lines(
    canvas: Canvas, lines: Sequence[str], left: float, top: float, *, size: float, bold_first: bool = False
) -> None:
    """Write lines; one too long for the place is written smaller, so that none runs out of the window."""
    room = _WIDTH - _RIGHT - left
    for place, line in enumerate(map(drawable, lines)):
        font = "Vera-Bold" if bold_first and place == 0 else "Vera"
        width = pdfmetrics.stringWidth(line, font, size)
        canvas.setFont(font, size * min(1.0, room / width) if width else size)
        canvas.drawString(left, top - (place + 1) * _LEADING, line)


def _story(letter: Letter) -> list[Paragraph]:
    found = []
    if letter.banner:
        banner = _style("banner", fontName="Vera-Bold", fontSize=13, leading=17, borderWidth=1, borderPadding=6)
        found.append(Paragraph(_text(letter.banner), _spaced(banner)))
    found.append(Paragraph(_text(f"Objet : {letter.subject}"), _style("subject", fontName="Vera-Bold")))
    item = _style("item", leftIndent=14, spaceAfter=2, bulletFontName="Vera")
    for text in letter.paragraphs:
        found += [
            Paragraph(_text(line[2:]), item, bulletText="–")
            if line.startswith("- ")
            else Paragraph(_text(line), _style("text", spaceBefore=5))
            for line in text.splitlines()
        ]
    signature = "<br/>".join(_text(line) for line in letter.signature)
    found.append(Paragraph(signature, _style("signature", leftIndent=87 * mm, spaceBefore=14)))
    return found


def _spaced(style: ParagraphStyle) -> ParagraphStyle:
    style.spaceAfter, style.alignment = 16, 1
    return style


def _text(text: str) -> str:
    return escape(typeset(text))


def typeset(text: str) -> str:
    """Give a text with French spaces: none breaks before a double sign or within guillemets."""
    return drawable(_BEFORE_SIGN.sub(_FIXED, text))


def drawable(text: str) -> str:
    """Give a text of signs that the font has: a letter of others without its mark, anything else as a question mark."""
    _fonts()
    known = pdfmetrics.getFont("Vera").face.charToGlyph
    return "".join(sign if ord(sign) in known else _nearest(sign, known) for sign in text)


def _nearest(sign: str, known: Container[int]) -> str:
    base = unicodedata.normalize("NFKD", sign)[:1]
    if sign.isspace() or not sign.isprintable():
        return " "
    return base if ord(base) in known else "?"
