"""Letters to patients: templates with named fields, and the letter that a template and its fields make.

A template is text; what stands in braces is a field. A paragraph with a field that is empty is left out, so that a
letter never has a gap where something is not known.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.convocation import Notice

FIELDS = frozenset(
    {
        "patient",
        "date",
        "heure",
        "lieu",
        "acces",
        "praticien",
        "service",
        "acte",
        "preparation",
        "consignes",
        "documents",
        "telephone",
        "horaires",
        "courriel",
        "reference",
        "ancienne_date",
        "ancienne_heure",
        "ancien_lieu",
        "etablissement",
    }
)
"""What a template may name."""

_FIELD = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of letter.

    Attributes:
        name: its name.
        version: its version, printed small at the foot of each letter.
        subjects: the subject line by notice.
        bodies: paragraphs by notice.
        closing: paragraphs below the body.
        signature: who signs, line by line.

    """

    name: str
    version: str
    subjects: Mapping[Notice, str]
    bodies: Mapping[Notice, tuple[str, ...]]
    closing: tuple[str, ...] = ()
    signature: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Letter:
    """What stands on one letter.

    Attributes:
        sender: lines at the top left.
        recipient: lines in the window.
        dated: place and date.
        reference: what the patient is to name when calling.
        banner: « annule et remplace » and the like; empty: none.
        subject: subject line.
        paragraphs: the text; a line that begins with "- " is of a list.
        signature: who signs.
        footer: small print: template and version.

    """

    sender: tuple[str, ...]
    recipient: tuple[str, ...]
    dated: str
    reference: str
    banner: str
    subject: str
    paragraphs: tuple[str, ...]
    signature: tuple[str, ...]
    footer: str


def named(text: str) -> Iterator[str]:
    """Give the fields that a text names, in order."""
    return (found[1] for found in _FIELD.finditer(text))


def filled(text: str, fields: Mapping[str, str]) -> str:
    """Give a text with its fields; empty if one of them is."""
    if not all(fields.get(name) for name in named(text)):
        return ""
    return _FIELD.sub(lambda found: fields[found[1]], text)


BANNERS: Mapping[Notice, str] = {
    Notice.INVITATION: "",
    Notice.CORRECTION: "Cette convocation annule et remplace la précédente",
    Notice.CANCELLATION: "Annulation de rendez-vous",
}
"""What stands large above the subject."""


def compose(template: Template, notice: Notice, fields: Mapping[str, str], window: Mapping[str, str]) -> Letter:
    """Give the letter of a template.

    Args:
        template: the template.
        notice: what it says.
        fields: values by name (FIELDS).
        window: ``expediteur`` and ``destinataire``, lines apart by line ends; ``fait``, place and date.

    """
    paragraphs = (filled(p, fields) for p in (*template.bodies[notice], *template.closing))
    return Letter(
        sender=tuple(window["expediteur"].splitlines()),
        recipient=tuple(window["destinataire"].splitlines()),
        dated=window["fait"],
        reference=fields.get("reference", ""),
        banner=BANNERS[notice],
        subject=filled(template.subjects[notice], fields),
        paragraphs=tuple(p for p in paragraphs if p),
        signature=tuple(line for line in (filled(s, fields) for s in template.signature) if line),
        footer=f"{template.name} {template.version}",
    )
