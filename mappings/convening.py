"""How a site convenes, read from its folder: convocations.toml, and the templates in letters/."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.convening import LEAD_DAYS, Contact, Convening, KindRule
from gateway.convocation import ConvocationKind
from gateway.letter import Template
from mappings.letters import load_letters
from mappings.toml_file import read, refuse

FILE, LETTERS = "convocations.toml", "letters"

_NAMED_BY_KIND = (ConvocationKind.CONSULTATION, ConvocationKind.ADMISSION)
"""Kinds of what no rule matches; each has a letter of its name."""

Condition = Literal["source", "unit", "code"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _KindTable(_Strict):
    kind: ConvocationKind
    letter: str
    when: dict[Condition, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(default_factory=dict)
    lead_days: Annotated[int, Field(ge=0, le=90)] = LEAD_DAYS
    documents: tuple[str, ...] = ()
    follow_up: bool = False


class _PreparationTable(_Strict):
    code: str
    text: str


class _ContactTable(_Strict):
    phone: str = ""
    hours: str = ""
    email: str = ""


class _ConvocationsFile(_Strict):
    completion: str = ""
    sender: Annotated[tuple[str, ...], Field(min_length=1, max_length=6)]
    town: str = ""
    patient_reasons: tuple[str, ...] = ()
    kind: tuple[_KindTable, ...] = ()
    preparation: tuple[_PreparationTable, ...] = ()
    places: dict[str, str] = Field(default_factory=dict)
    contacts: dict[str, _ContactTable] = Field(default_factory=dict)


def load_convening(folder: Path, secretariats: Collection[str]) -> Convening | None:
    """Give how a site convenes; None where its folder does not say.

    Args:
        folder: the site's.
        secretariats: ids of its secretariats.

    Raises:
        ConfigurationError: a file is wrong; says which, at which line, and what was expected.

    """
    path = folder / FILE
    if not path.exists():
        return None
    file, letters = read(path, _ConvocationsFile), load_letters(folder / LETTERS)
    _check(path, file, letters, secretariats)
    return Convening(
        kinds=(*map(_rule, file.kind), *(KindRule(kind, template=kind.value) for kind in _NAMED_BY_KIND)),
        completion=file.completion,
        sender=file.sender,
        town=file.town,
        patient_reasons=file.patient_reasons,
        preparations={p.code: p.text for p in file.preparation},
        places=file.places,
        contacts={name: Contact(**contact.model_dump()) for name, contact in file.contacts.items()},
        letters=letters,
    )


def _rule(table: _KindTable) -> KindRule:
    when = {str(name): patterns for name, patterns in table.when.items()}
    return KindRule(table.kind, when, table.lead_days, table.letter, table.documents, table.follow_up)


def _check(path: Path, file: _ConvocationsFile, letters: Mapping[str, Template], secretariats: Collection[str]) -> None:
    if file.completion and file.completion not in secretariats:
        refuse(path, ("completion",), "completion: a secretariat of secretariats.toml is expected")
    for name in file.contacts:
        if name not in secretariats:
            refuse(path, ("contacts", name), f"contacts: {name} is no secretariat of secretariats.toml")
    for place, kind in enumerate(file.kind):
        if kind.letter not in letters:
            known = ", ".join(sorted(letters)) or "none is there"
            refuse(path, ("kind", place, "letter"), f"letter: one of the folder {LETTERS} is expected ({known})")
    for needed in _NAMED_BY_KIND:
        if needed.value not in letters:
            refuse(path, ("kind",), f"kind: {LETTERS}/{needed}.toml is expected, for what no rule matches")
