"""What a record says of a patient, and the same made ready for comparison."""

from dataclasses import dataclass, fields
from functools import lru_cache

from gateway.facts import Identifier, IdentifierKind, Patient
from gateway.identity import NIR_LENGTH, NO_NAME, UNKNOWN_BIRTH_PLACE, normalise, qualified_ins
from gateway.matching.dates import BirthDate, read_birth_date
from gateway.matching.phonetics import skeleton

_NOBODY = NO_NAME | {"INCONNU", "INCONNUE", "XX", "XXX"}
"""What stands for a name where there is none, as files have it beside what RNIV 1 says."""

TEST_INS = frozenset({"1.2.250.1.213.1.4.10", "1.2.250.1.213.1.4.11"})
"""Domains of the INS of test and demonstration."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of one identification domain, as the matcher reads it; an empty text is "not known".

    Attributes:
        id: the record's own name in its domain.
        ins: matricule INS, with or without its key.
        ins_domain: its OID; a NIA and a NIR of one person differ.
        qualified: the identity is qualifiée, so that its INS vouches for it (EXI SI 08).
        authority: the domain of ``local_identifier``.
        local_identifier: a number that both records may hold: an IPP, a social security number.
        deceased: a death was told.
        birth_place_name: place of birth in words.

    """

    id: str = ""
    birth_family_name: str = ""
    used_family_name: str = ""
    first_given_name: str = ""
    given_names: str = ""
    used_given_name: str = ""
    birth_date: str = ""
    sex: str = ""
    birth_place_code: str = ""
    birth_place_name: str = ""
    ins: str = ""
    local_identifier: str = ""
    phone: str = ""
    postal_code: str = ""
    city: str = ""
    address: str = ""
    multiple_birth_rank: str = ""
    authority: str = ""
    ins_domain: str = ""
    qualified: bool = False
    deceased: bool = False


TRAITS = tuple(f.name for f in fields(Record))[1:17]
"""The traits that a file may hold, by name."""


def record_of(id_: str, patient: Patient) -> Record:
    """Give the record that a patient of a message makes."""
    ins = qualified_ins(patient) or min(patient.of_kind(IdentifierKind.INS), default=Identifier("", ""))
    own = next(iter(patient.of_kind(IdentifierKind.PATIENT)), Identifier("", ""))
    told = {f.name: getattr(patient.traits, f.name) for f in fields(patient.traits)}
    return Record(
        id=id_,
        **told,
        ins=ins.value,
        ins_domain=ins.authority,
        local_identifier=own.value,
        authority=own.authority,
        qualified=qualified_ins(patient) is not None,
        deceased=bool(patient.deceased),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A record as it is compared: names in capitals without signs, each also as one word and as its skeleton.

    Attributes:
        record: what was prepared.
        families: birth and used family names, words apart.
        givens: first given name, words apart; the list of given names; the used one.
        family: birth family name as one word, the used one if there is none.
        family_used: used family name as one word, if it is another.
        given: first given name as one word.
        given_used: used given name as one word, if it is another.

    """

    record: Record
    families: tuple[str, ...]
    first: str
    listed: str
    family: str
    family_used: str
    given: str
    given_used: str
    date: BirthDate
    sex: str
    place: str
    place_name: str
    ins: str
    local_identifier: str
    phone: str
    postal_code: str
    city: str
    address: str
    rank: str
    test: bool


def prepare(record: Record) -> Prepared:
    """Give a record made ready for comparison."""
    birth, used = _name(record.birth_family_name), _name(record.used_family_name)
    first, nick = _name(_first(record)), _name(record.used_given_name)
    given = first or nick
    return Prepared(
        record=record,
        families=tuple(dict.fromkeys(n for n in (birth, used) if n)),
        first=given,
        listed=_name(record.given_names) or given,
        family=solid(birth or used),
        family_used=_other(used, birth),
        given=solid(given),
        given_used=_other(nick, first),
        date=read_birth_date(record.birth_date.strip()),
        sex=record.sex.strip().upper()[:1] if record.sex.strip().upper()[:1] in {"M", "F"} else "",
        place="" if record.birth_place_code.strip() == UNKNOWN_BIRTH_PLACE else _code(record.birth_place_code),
        place_name=_name(record.birth_place_name),
        ins=_code(record.ins)[:NIR_LENGTH],
        local_identifier=_code(record.local_identifier),
        phone=_code(record.phone)[-9:],
        postal_code=_code(record.postal_code),
        city=_name(record.city),
        address=_name(record.address),
        rank=record.multiple_birth_rank.strip(),
        test=record.ins_domain in TEST_INS,
    )


def solid(name: str) -> str:
    """The name as one word: a hyphen or an apostrophe left out is no discordance (RNIV 1, EXI PP 20)."""
    return name.replace(" ", "")


def skeletons(prepared: Prepared) -> tuple[str, ...]:
    """The skeletons of the family names, birth and used."""
    return tuple(dict.fromkeys(skeleton(n) for n in (prepared.family, prepared.family_used) if n))


def _first(record: Record) -> str:
    """The first given name; where only the list is known, what stands before its comma, else its first word."""
    if record.first_given_name.strip():
        return record.first_given_name.split(",")[0]
    listed = record.given_names
    return listed.split(",")[0] if "," in listed else next(iter(listed.split()), "")


@lru_cache(maxsize=1 << 15)
def _name(text: str) -> str:
    name = normalise(text)
    return "" if solid(name) in _NOBODY else name


def _other(name: str, known: str) -> str:
    return solid(name) if name and known and solid(name) != solid(known) else ""


def _code(text: str) -> str:
    return "".join(c for c in text.upper() if c.isalnum())
