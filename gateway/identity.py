"""Whether two records are one person: exact rules only, and doubt goes to a person.

An Identity is one record per (assigning authority, identifier). A Person is a set of identities that belong together;
which one an identity belongs to is a pointer on the identity, so a merge or a link never rewrites anything else.
"""

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import date

from gateway.facts import Identifier, IdentifierChange, IdentifierKind, IdentityStatus, Patient, Traits
from gateway.provenance import Trace
from gateway.told import Told

UNKNOWN_BIRTH_PLACE = "99999"
"""COG of an unknown birth place (RNIV 1, EXI SI 18): missing, not agreement."""

_UNSAID = frozenset({"", "U", UNKNOWN_BIRTH_PLACE})
"""Values that say nothing; U is the sex of whom it is not known."""

MAJORITY = 18
"""Years of age (Code civil, art. 414)."""

NIR_LENGTH = 13
"""Characters of a matricule INS without its key."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What people decided of a record and another one.

    Attributes:
        other: the other record's id.
        same: they are one person; otherwise they are not.
        prints: fingerprints of the strict traits of this record and of the other as they were decided on.

    """

    other: str
    same: bool
    prints: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """What people asked admissions to do with a record, and it has not done yet.

    Attributes:
        decision: number of the decision.
        other: id of the record with which it is to be merged; empty: it is to get an attribute.
        attribute: the attribute (HOMA, DOUT); empty: it is to be merged.

    """

    decision: int
    other: str = ""
    attribute: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """One record of one identification domain.

    Attributes:
        id: opaque identifier (UUID text); work items and objects point at it for ever.
        key: assigning authority and value; a provisional record of a doubt has a key of ours.
        person: the person it belongs to now.
        told: who told it last, and when.
        authoritative: admissions vouches for it; otherwise it is internal and provisional (« identité à confirmer »).
        patient: identifiers, traits, status and attributes as last told.
        retired: merged away by admissions (A40); late messages still find it.
        origin: of a provisional record of a doubt, the key of the record that it contradicts; None of any other.
        rulings: what people decided of it and of others, as it is in force.
        frozen: it may be two people's (« collision : gel »): people decided that we join, print and send nothing of it.
        requests: what admissions was asked to do with it.
        change: what the last message that was meant to change its identifiers did (A47); None if there was none.
        provenance: where its traits came from; empty of what was stored before that was kept.

    """

    id: str
    key: Identifier
    person: str
    told: Told
    authoritative: bool
    patient: Patient
    retired: bool = False
    origin: Identifier | None = None
    rulings: tuple[Ruling, ...] = ()
    frozen: bool = False
    requests: tuple[Request, ...] = ()
    change: IdentifierChange | None = None
    provenance: tuple[Trace, ...] = ()

    @property
    def ins(self) -> Identifier | None:
        """The matricule INS, if this identity is qualifiée; no other may be referenced by it (EXI SI 08)."""
        return qualified_ins(self.patient)


@dataclass(frozen=True, slots=True)
class Person:
    """A person as screens must show them (RNIV 1, EXI SI 16): the golden record.

    Attributes:
        id: opaque identifier (UUID text).
        identifiers: patient identifiers in force, admissions first; an INS only if the identity is qualified.
        traits: identity traits by survivorship: admissions first.
        status: RNIV status.
        confirmed: False while only departments have spoken (« identité à confirmer », no IPP shown as such).
        attributes: RNIV attributes (HOMA, DOUT, FICT ...).
        deceased: whether a death was told.
        frozen: a record of the person is frozen: nothing of the person is printed, sent or joined.

    """

    id: str
    identifiers: tuple[Identifier, ...]
    traits: Traits
    status: IdentityStatus
    confirmed: bool
    attributes: frozenset[str] = frozenset()
    deceased: bool = False
    frozen: bool = False


def may_be_minor(born: str, on: date) -> bool:
    """Whether who was born on a date, ISO and as precise as known, may be a minor on a day; of no date: False."""
    latest = born + "-12-31"[len(born) - 4 :]
    return bool(born) and latest > f"{on.year - MAJORITY:04}-{on:%m-%d}"


def qualified_ins(patient: Patient) -> Identifier | None:
    """Give the INS of a patient who is qualifiée; None otherwise. A NIR goes before a NIA (PAM.FR 4.4.1).

    Nobody is qualifiée without the traits that make an identity (RNIV 1, EXI PP 02), whatever the sender declares; the
    place of birth alone may be missing, for many senders have nowhere to put it.
    """
    traits = patient.traits
    known = (traits.birth_family_name, traits.first_given_name, traits.birth_date, traits.sex)
    if patient.status is not IdentityStatus.QUALIFIEE or not all(known):
        return None
    return min(patient.of_kind(IdentifierKind.INS), default=None)


_CAPPED = {
    IdentityStatus.QUALIFIEE: IdentityStatus.VALIDEE,
    IdentityStatus.RECUPEREE: IdentityStatus.PROVISOIRE,
}


def unqualified(patient: Patient) -> Patient:
    """Give a patient whose date of birth was corrected: neither qualifiée nor récupérée, no INS (PAM.FR, PID-7)."""
    identifiers = tuple(i for i in patient.identifiers if i.kind is not IdentifierKind.INS)
    return replace(patient, identifiers=identifiers, status=_CAPPED.get(patient.status, patient.status))


_UNDECOMPOSED = str.maketrans({"Œ": "OE", "Æ": "AE", "Ø": "O", "Ł": "L", "Đ": "D"})
"""Letters that Unicode does not decompose."""

_ASCII_SIGNS = {number: " " for number in range(128) if not chr(number).isalnum()}


def normalise(name: str) -> str:
    """Give a name in capitals without diacritics, other signs than letters as one space (RNIV 1, annexe III)."""
    if name.isascii():  # nothing to decompose: as most names come, and each is compared many times
        return " ".join(name.upper().translate(_ASCII_SIGNS).split())
    decomposed = unicodedata.normalize("NFKD", name.upper().translate(_UNDECOMPOSED))
    letters = "".join(c if c.isalnum() else " " for c in decomposed if not unicodedata.combining(c))
    return " ".join(letters.upper().split())


def _together(name: str, names: str) -> bool:
    """Whether one begins the other, word by word."""
    return f"{name} ".startswith(f"{names} ") or f"{names} ".startswith(f"{name} ")


def _solid(name: str) -> str:
    """The name without spaces: a hyphen or apostrophe left out is no discordance (RNIV 1, EXI PP 20)."""
    return normalise(name).replace(" ", "")


NO_NAME = frozenset({"SANSPRENOM", "SANSNOM"})
"""What stands for a name where there is none, or none yet (RNIV 1, annexe III): a newborn's given name, mostly."""


def _says_nothing(value: str) -> bool:
    return value in _UNSAID or _solid(value) in NO_NAME


def _given_names_agree(a: Traits, b: Traits) -> bool:
    """EXI SI 29: the first given name begins the list of given names; hyphen and space are one.

    A newborn without a given name yet (SANS PRENOM) is not another one than who has it now.
    """
    first, second = normalise(a.first_given_name), normalise(b.first_given_name)
    if _solid(first) == _solid(second) or {_solid(first), _solid(second)} & NO_NAME:
        return True
    return _together(first, normalise(b.given_names) or second) and _together(second, normalise(a.given_names) or first)


def contradictions(a: Traits, b: Traits) -> tuple[str, ...]:
    """Name the strict traits on which two sets contradict each other (RNIV 1 §3.1.4.1).

    A trait that either side does not hold is no contradiction; a date of birth known in part agrees with one that
    continues it; sex U and place 99999 say nothing.
    """
    found = []
    if a.birth_family_name and b.birth_family_name and _solid(a.birth_family_name) != _solid(b.birth_family_name):
        found.append("birth_family_name")
    if a.first_given_name and b.first_given_name and not _given_names_agree(a, b):
        found.append("first_given_name")
    if not (a.birth_date.startswith(b.birth_date) or b.birth_date.startswith(a.birth_date)):
        found.append("birth_date")
    if {a.sex, b.sex} == {"M", "F"}:
        found.append("sex")
    places = {a.birth_place_code, b.birth_place_code} - {"", UNKNOWN_BIRTH_PLACE}
    if len(places) > 1:
        found.append("birth_place_code")
    if a.multiple_birth_rank and b.multiple_birth_rank and a.multiple_birth_rank != b.multiple_birth_rank:
        found.append("multiple_birth_rank")
    return tuple(found)


def disagreements(a: Patient, b: Patient) -> tuple[str, ...]:
    """Name the strict traits on which two patients contradict each other, the matricule INS among them.

    Two INS do where both sides are qualifiée and the numbers are of one domain: the NIA of a person differs from the
    NIR. The key is not looked at, for senders get it wrong.
    """
    found = contradictions(a.traits, b.traits)
    one, other = qualified_ins(a), qualified_ins(b)
    apart = one and other and one.authority == other.authority and _nir(one) != _nir(other)
    return (*found, "ins") if apart else found


def fingerprint(patient: Patient) -> str:
    """Give what changes when a strict trait does (RNIV 1 §3.1.4.1); accents, hyphens and case are none of it."""
    traits, ins = patient.traits, qualified_ins(patient)
    names = (traits.birth_family_name, traits.first_given_name, traits.given_names)
    exact = (traits.birth_date, traits.sex, traits.birth_place_code, traits.multiple_birth_rank)
    said = (*map(normalise, names), *exact, _nir(ins) if ins else "")
    return hashlib.blake2b("\0".join(said).encode(errors="replace"), digest_size=16).hexdigest()


def apart(one: Identity, other: Identity) -> bool:
    """Whether people decided that two records are not one person: nothing joins them but admissions, or people."""
    return any(r.other == other.id and not r.same for r in one.rulings)


def settled(one: Identity, other: Identity) -> bool:
    """Whether people answered if two records are one person, and no strict trait of either has changed since."""
    found = [r.prints for r in one.rulings if r.other == other.id]
    return bool(found) and (fingerprint(one.patient), fingerprint(other.patient)) in found


def _nir(ins: Identifier) -> str:
    return ins.value[:NIR_LENGTH].upper()


_NEVER_DELETED = ("birth_family_name", "first_given_name", "birth_date", "sex", "birth_place_code")
"""The five traits without which there is no identity (RNIV 1, EXI PP 02)."""


def corrected_by(told: Traits, held: Traits) -> Traits:
    """Give what a correction tells; of the five traits that make an identity, one left empty is unchanged.

    HL7 2.5.1 §2.5.3. An empty rank at birth is a single birth (PAM.FR, PID-25); a used name that is not sent is none.
    """
    return replace(told, **{name: getattr(held, name) for name in _NEVER_DELETED if not getattr(told, name)})


def told_with(told: Traits, held: Traits) -> Traits:
    """Give what is told, and where that says nothing or less, what is held; the two do not contradict each other."""
    every = {f.name: getattr(told, f.name) for f in fields(Traits)}
    filled = {name: getattr(held, name) or value for name, value in every.items() if _says_nothing(value)}
    date = max(told.birth_date, held.birth_date, key=len)
    return Traits(**(every | filled | {"birth_date": date}))


STATUS_ORDER = (
    IdentityStatus.QUALIFIEE,
    IdentityStatus.VALIDEE,
    IdentityStatus.RECUPEREE,
    IdentityStatus.PROVISOIRE,
)


def survivorship(identity: Identity) -> tuple[bool, bool, int, int, Identifier]:
    """Give the rank of a record among those of its person: the lowest one is shown."""
    return (
        identity.retired,
        not identity.authoritative,
        STATUS_ORDER.index(identity.patient.status),
        -identity.told.message,
        identity.key,
    )


def golden_record(person: str, identities: Iterable[Identity]) -> Person:
    """Give the person that these identities make: the record in force that admissions vouches for wins."""
    ordered = sorted(identities, key=survivorship)
    best = ordered[0]
    in_force = [i.key for i in ordered if not i.retired and i.authoritative]
    if best.authoritative and best.ins is not None:
        in_force.append(best.ins)
    return Person(
        id=person,
        identifiers=tuple(in_force),
        traits=best.patient.traits,
        status=best.patient.status if best.authoritative else IdentityStatus.PROVISOIRE,
        confirmed=best.authoritative,
        attributes=best.patient.attributes,
        deceased=any(i.patient.deceased for i in ordered),
        frozen=any(i.frozen for i in ordered),
    )
