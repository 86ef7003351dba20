"""A site's letters: its templates, checked, and what is written in them, in French."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from gateway.convening import Convening, KindRule
from gateway.convocation import Content, Convocation, Convocations, Notice
from gateway.errors import ConfigurationError
from gateway.letter import FIELDS, Letter, Template, compose, named
from gateway.postal import Correspondent, shown_name
from mappings.toml_file import read, read_text

Text = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _NoticeTable(_Strict):
    subject: Text
    body: Annotated[tuple[Text, ...], Field(min_length=1)]


class _LetterFile(_Strict):
    version: Text
    closing: tuple[Text, ...] = ()
    signature: tuple[Text, ...] = ()
    invitation: _NoticeTable
    correction: _NoticeTable
    cancellation: _NoticeTable


def load_letters(folder: Path) -> dict[str, Template]:
    """Give the templates of a folder by name; none if there is no such folder.

    Raises:
        ConfigurationError: one is wrong, or names a field that there is not; says which, at which line.

    """
    return {path.stem: _template(path) for path in sorted(folder.glob("*.toml"))}


def _template(path: Path) -> Template:
    file = read(path, _LetterFile)
    tables = {notice: getattr(file, notice.value) for notice in Notice}
    for notice, table in tables.items():
        _check(path, (notice.value, "subject"), (table.subject,))
        _check(path, (notice.value, "body"), table.body)
    _check(path, ("closing",), file.closing)
    _check(path, ("signature",), file.signature)
    return Template(
        path.stem,
        file.version,
        {notice: table.subject for notice, table in tables.items()},
        {notice: table.body for notice, table in tables.items()},
        file.closing,
        file.signature,
    )


def _check(path: Path, place: tuple[str, ...], texts: Sequence[str]) -> None:
    for text in texts:
        if unknown := next((name for name in named(text) if name not in FIELDS), None):
            known = ", ".join(sorted(FIELDS))
            rule = f"{'.'.join(place)}: {{{unknown}}} is no field; one of {known} is expected"
            lines = read_text(path).splitlines()
            at = next((n for n, line in enumerate(lines, start=1) if f"{{{unknown}}}" in line), None)
            raise ConfigurationError(rule, path=str(path), line=at)


# -- what is written ---------------------------------------------------------------------------------------------------

_DAYS = ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")
_MONTHS = (
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
)
_FIXED = "\N{NO-BREAK SPACE}"


def day_written(day: date) -> str:
    """Give a day as a letter has it: « mardi 1er avril 2026 »."""
    return f"{_DAYS[day.weekday()]} {date_written(day)}"


def date_written(day: date) -> str:
    """Give a date: « 1er avril 2026 »."""
    return f"{day.day}{'er' if day.day == 1 else ''}{_FIXED}{_MONTHS[day.month - 1]} {day.year}"


def time_written(moment: datetime) -> str:
    """Give a time of day: « 9 h 05 », « 14 h »."""
    minutes = f"{_FIXED}{moment.minute:02d}" if moment.minute else ""
    return f"{moment.hour}{_FIXED}h{minutes}"


@dataclass(frozen=True, slots=True)
class Writing:
    """What a letter is made of.

    Attributes:
        template: the template.
        notice: what the letter says.
        fields: what is written in it; kept with the letter, for the same fields make the same letter.

    """

    template: Template
    notice: Notice
    fields: Mapping[str, str]

    @property
    def letter(self) -> Letter:
        """The letter."""
        return compose(self.template, self.notice, self.fields, self.fields)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes.

    Attributes:
        rules: how the site convenes.
        establishment: its name.
        secretariat: id of the secretariat that answers.
        label: its name; nothing of it stands in the window.
        zone: IANA name of the zone in which times are told.

    """

    rules: Convening
    establishment: str
    secretariat: str
    label: str
    zone: str


def written(
    sender: Sender, rule: KindRule, known: Convocations, one: Convocation, patient: Correspondent, on: date
) -> Writing:
    """Give what a convocation's letter is made of.

    Args:
        sender: who writes.
        rule: the site's rule for what the patient is convened to.
        known: the convocations of the appointment.
        one: the one to write.
        patient: whom it goes to.
        on: the day that it is dated.

    """
    rules = sender.rules
    contact = rules.contacts.get(sender.secretariat)
    replaced = next((c for c in known.each if c.number == one.replaces), None)
    fields = {
        "patient": shown_name(patient.person.traits),
        **_where_and_when(one.content, rules, sender.zone, ""),
        "praticien": one.content.practitioner,
        "acte": one.content.service or one.content.service_code,
        "service": sender.label,
        "preparation": rules.preparation(one.content.service_code),
        "consignes": one.content.notes,
        "documents": "\n".join(f"- {each}" for each in rule.documents),
        "telephone": contact.phone if contact else "",
        "horaires": contact.hours if contact else "",
        "courriel": contact.email if contact else "",
        "reference": f"{known.appointment[:8].upper()}-{one.number}",
        "etablissement": sender.establishment,
        "expediteur": "\n".join(rules.sender),
        "destinataire": "\n".join(patient.window(one.reach.addressee)),
        "fait": f"{rules.town}, le {date_written(on)}" if rules.town else f"Le {date_written(on)}",
    }
    if replaced is not None:
        fields |= _where_and_when(replaced.content, rules, sender.zone, "ancien")
    return Writing(rules.letters[rule.template], one.notice, fields)


def _where_and_when(content: Content, rules: Convening, zone: str, former: str) -> dict[str, str]:
    start = content.start.astimezone(ZoneInfo(zone)) if content.start else None
    told = {
        "date": day_written(start) if start else "",
        "heure": time_written(start) if start else "",
        "lieu": content.place,
    }
    if former:
        return {"ancienne_date": told["date"], "ancienne_heure": told["heure"], "ancien_lieu": told["lieu"]}
    return told | {"acces": rules.places.get(content.unit) or content.place}
