"""PID and PD1 into the patient as the message shows them (PAM.FR 2.11 §6, RNIV 1 §3.1.4, 2.5.1 §3.4.2)."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TypedDict

from gateway.er7 import Repetition, Segment
from gateway.errors import DataTypeInvalid
from gateway.facts import (
    NO_ADDRESS,
    NO_CONTACT,
    NO_PROOF,
    Address,
    Contact,
    Identifier,
    IdentifierKind,
    IdentityProof,
    IdentityStatus,
    Patient,
    Representative,
    Traits,
)
from gateway.identity import normalise, qualified_ins
from gateway.site import Site, Source
from mappings.hl7v2 import times
from mappings.hl7v2.reading import MANY, Reading, is_true
from mappings.hl7v2.tables import (
    OBTAINED_BY,
    OTHER_TYPES,
    PATIENT_ATTRIBUTES,
    PATIENT_TYPES,
    PROOFS,
    PROVISIONAL_ATTRIBUTES,
)
from mappings.ins import INS_LENGTH, INS_OIDS, nir_key_holds

_DATE = len("YYYYMMDD")
_LEGAL = frozenset({"L", ""})
_USED = "D"
_NOT_READ = frozenset({"S", "U"})
_STATUSES = frozenset({"VIDE", "PROV", "VALI"})


def identifier_of(repetition: Repetition, source: Source, site: Site) -> Identifier | None:
    """Give the identifier of a CX (2.5.1, CX); None if it is empty or null.

    An INS is one by OID *and* type: the billing NIR has the same OID with type NH (PAM.FR 6.6.1). Where CX-4 is
    empty the identifier is of the source's own domain.
    """
    value = repetition.plain().strip()
    if not value:
        return None
    namespace, oid, kind = repetition.text(4, 1).strip(), repetition.text(4, 2).strip(), repetition.text(5).strip()
    if oid in INS_OIDS or namespace in INS_OIDS:
        ins_oid = oid if oid in INS_OIDS else namespace
        return Identifier(ins_oid, value, IdentifierKind.INS if kind == "INS" else IdentifierKind.OTHER)
    authority = site.authority(oid, namespace) or source.authority or source.id
    return Identifier(authority, value, IdentifierKind.PATIENT if kind in PATIENT_TYPES else IdentifierKind.OTHER)


def identifiers_of(reading: Reading, segment: Segment, field: int) -> tuple[Identifier, ...]:
    """Give the identifiers of a CX field, in order, each once.

    Raises:
        DataTypeInvalid: one is longer than what the stores index.

    """
    found: list[Identifier] = []
    for repetition in segment.repetitions(field):
        identifier = identifier_of(repetition, reading.source, reading.site)
        if identifier is not None:
            reading.flag_parts(repetition, identifier, segment, field)
            found.append(reading.bounded(identifier, segment, field))
    return tuple(found if len(found) < MANY else dict.fromkeys(found))


def patient_identifiers(reading: Reading, segment: Segment, field: int = 3) -> tuple[Identifier, ...]:
    """Give the identifiers of PID-3, MRG-1; where no type is one that numbers patients, one of a type not known here.

    Table 0203 is user-defined: a local type (MRN) is read as a number of its domain rather than refused. What has the
    OID of an INS is none under any type, for a NIR is shared by those whom it insures.
    """
    found = identifiers_of(reading, segment, field)
    for identifier in found:
        if identifier.kind is IdentifierKind.PATIENT:
            return _in_force(reading, segment, field, found) if segment.name == "PID" else found
    for repetition in segment.repetitions(field):
        local = identifier_of(repetition, reading.source, reading.site)
        kind = repetition.text(5).strip()
        if local is None or local.authority in INS_OIDS or kind in OTHER_TYPES | {"INS"}:
            continue
        reading.flag(reading.path(segment, field), "a type that table 0203 does not hold is read as a patient number")
        return (Identifier(local.authority, local.value), *(i for i in found if i != local))
    return found


def _in_force(reading: Reading, segment: Segment, field: int, found: tuple[Identifier, ...]) -> tuple[Identifier, ...]:
    """Give the identifiers; a patient number whose time is over (CX-8) is another kind where one is in force."""
    today = reading.message.text("MSH-7")[:_DATE]
    ended = {
        identifier_of(r, reading.source, reading.site)
        for r in segment.repetitions(field)
        if "" < r.text(8).strip()[:_DATE] < today
    }
    if not ended or all(i in ended for i in found if i.kind is IdentifierKind.PATIENT):
        return found
    reading.flag(reading.path(segment, field), "an identifier whose time is over (CX-8) is not the patient's")
    return tuple(replace(i, kind=IdentifierKind.OTHER) if i in ended else i for i in found)


def patient_of(reading: Reading, pid: Segment) -> Patient:
    """Give the patient of a PID and the PD1 that follows it; what was odd is flagged.

    An INS stays only on an identity that is qualifiée: PID-32 = VALI, and neither DOUT nor FICT (PAM.FR 6.6.15, RNIV 1
    EXI SI 09).

    Raises:
        DataTypeInvalid: PID-7 is no date.

    """
    if pid.position not in reading.patients:
        reading.patients[pid.position] = _patient(reading, pid)
    return reading.patients[pid.position]


def _patient(reading: Reading, pid: Segment) -> Patient:
    identifiers = patient_identifiers(reading, pid)
    status, attributes = _declared(reading, pid)
    zfd, zfa = (_behind(reading, pid, name) for name in ("ZFD", "ZFA"))
    ins = tuple(i for i in identifiers if i.kind is IdentifierKind.INS)
    if any(r.text(5).strip() == "INS" and not {r.text(4, 1), r.text(4, 2)} & INS_OIDS for r in pid.repetitions(3)):
        reading.flag(reading.path(pid, 3), "an INS that does not name its OID is not read as one (PAM.FR 6.6.1)")
    if zfd is not None and is_true(zfd.text(4)) and ins:
        reading.flag("ZFD-4", "an INS of an identity whose date of birth was corrected is left out (PAM.FR, PID-7)")
        identifiers = tuple(i for i in identifiers if i.kind is not IdentifierKind.INS)
    elif ins and status is IdentityStatus.VALIDEE:
        status = IdentityStatus.QUALIFIEE
        _check_keys(reading, pid, ins)
    elif ins:
        reading.flag(reading.path(pid, 3), "an INS of an identity that is not VALI is left out (PAM.FR 6.6.15)")
        identifiers = tuple(i for i in identifiers if i.kind is not IdentifierKind.INS)
    patient = Patient(
        identifiers,
        _traits(reading, pid),
        status,
        attributes,
        _deceased(pid),
        contact=contact_of(pid, 11, 13),
        representatives=_representatives(reading, pid),
        ins_left_out=bool(ins) and status is not IdentityStatus.QUALIFIEE,
        **_circumstances(reading, pid, zfd, zfa),
    )
    if ins and not patient.of_kind(IdentifierKind.PATIENT) and qualified_ins(patient) is None:
        # Alone it still numbers the record, among this sender's own: what is not qualifiée joins no other's.
        others = tuple(i for i in identifiers if i.kind is not IdentifierKind.INS)
        return replace(patient, identifiers=(Identifier(f"{reading.source.id}/ins", ins[0].value), *others))
    return patient


def _behind(reading: Reading, pid: Segment, name: str) -> Segment | None:
    """The patient's first segment of this name."""
    return next(_all_behind(reading, pid, name), None)


def _all_behind(reading: Reading, pid: Segment, name: str) -> Iterator[Segment]:
    """The patient's segments of this name: behind the PID, and before the next one."""
    following = (s.position for s in reading.message.all("PID") if s.position > pid.position)
    end = min(following, default=len(reading.message.segments) + 1)
    return (s for s in reading.message.all(name) if pid.position < s.position < end)


_REPRESENTS = "R"
"""NK1-7 of a legal representative (PAM.FR, table 0131)."""


def _representatives(reading: Reading, pid: Segment) -> tuple[Representative, ...] | None:
    """The legal representatives among the NK1; where there are NK1 and none of them is one, that is told."""
    relatives = list(_all_behind(reading, pid, "NK1"))
    if not relatives:
        return None
    legal = (nk1 for nk1 in relatives if nk1.text(7).strip().upper() == _REPRESENTS)
    found = (Representative(nk1.text(2).strip(), nk1.text(2, 2).strip(), contact_of(nk1, 4, 5)) for nk1 in legal)
    return tuple(each for each in found if each.family_name)


_WRITTEN_TO = ("M", "H", "L", "P", "")
"""Types of address (XAD-7, table 0190) that letters go to, the first that is sent: mailing, home, legal, permanent."""


def contact_of(segment: Segment, addresses: int, numbers: int) -> Contact:
    """Give where and how somebody is reached: a field of XAD and one of XTN (2.5.1, XAD, XTN), as far as they say.

    A place of birth (BDL) and a bad address (BA) are none to write to. A mobile stands before another telephone.
    """
    if not segment.whole(addresses) and not segment.whole(numbers):
        return NO_CONTACT
    sent = {r.text(7).strip().upper(): r for r in reversed(segment.repetitions(addresses)) if r.text(1) or r.text(3)}
    home = next((sent[kind] for kind in _WRITTEN_TO if kind in sent), None)
    phones: list[str] = []
    emails: list[str] = []
    for number in segment.repetitions(numbers):
        email = number.text(4).strip()
        value = (number.text(12) or number.text(1)).strip()
        if email or "@" in value:
            emails.append(email or value)
        elif value and number.text(3).strip().upper() != "FX":
            phones.insert(0 if number.text(3).strip().upper() == "CP" else len(phones), value)
    return Contact(_address(home) if home else NO_ADDRESS, tuple(dict.fromkeys(phones)), next(iter(emails), ""))


def _address(sent: Repetition) -> Address:
    lines = (sent.text(number).strip() for number in (2, 1))
    return Address(
        tuple(line for line in lines if line),
        sent.text(5).strip(),
        sent.text(3).strip(),
        sent.text(6).strip(),
        mailing=sent.text(7).strip().upper() == "M",
    )


class _Circumstances(TypedDict):
    mother: tuple[Identifier, ...]
    lunar_birth_date: str
    sms_consent: bool | None
    gestation_weeks: int | None
    birth_date_corrected: bool | None
    proof: IdentityProof
    national_record: str


def _circumstances(reading: Reading, pid: Segment, zfd: Segment | None, zfa: Segment | None) -> _Circumstances:
    """PID-21 (a newborn's mother, IPP and NDA), ZFD whole and ZFA-1, the status of the DMP (PAM.FR 2.11)."""
    if zfd is not None:
        _flag_nulls(reading, zfd, 1, 2, 5, 6, 7, 8)
    lunar = [zfd.text(1, part).strip() for part in (1, 2, 3)] if zfd is not None else []
    consent, corrected = (zfd.text(n).strip() if zfd is not None else "" for n in (3, 4))
    return {
        "mother": identifiers_of(reading, pid, 21),
        "lunar_birth_date": "/".join(lunar) if any(lunar) else "",
        "sms_consent": is_true(consent) if consent or (zfd is not None and zfd.is_null(3)) else None,
        "gestation_weeks": _weeks(reading, zfd) if zfd is not None else None,
        "birth_date_corrected": is_true(corrected) if corrected else None,
        "proof": _proof(reading, zfd) if zfd is not None else NO_PROOF,
        "national_record": zfa.text(1).strip() if zfa is not None else "",
    }


def _flag_nulls(reading: Reading, segment: Segment, *numbers: int) -> None:
    """Flag what the null would delete and we go on holding: of the traits that make an identity, each (EXI PP 02)."""
    for number in numbers:
        if segment.is_null(number):
            reading.flag(reading.path(segment, number), "the null would delete it: what is held stays")


def _weeks(reading: Reading, zfd: Segment) -> int | None:
    """ZFD-2, weeks of gestation."""
    text = zfd.text(2).strip()
    if text and not (text.isascii() and text.isdecimal() and len(text) <= len("99")):
        reading.flag("ZFD-2", "a number of weeks: left out")
        return None
    return int(text) if text else None


def _proof(reading: Reading, zfd: Segment) -> IdentityProof:
    """ZFD-5 to ZFD-8; a code that PAM.FR does not hold is kept as sent, a date that is none is left out."""
    obtained_by, document = zfd.text(5).strip().upper(), zfd.text(7).strip().upper()
    for path, code, table in (("ZFD-5", obtained_by, OBTAINED_BY), ("ZFD-7", document, PROOFS)):
        if code and code not in table:
            reading.flag(path, "a code that PAM.FR does not hold is kept as sent")
    return IdentityProof(obtained_by, _day(reading, zfd, 6), document, _day(reading, zfd, 8))


def _day(reading: Reading, zfd: Segment, number: int) -> str:
    text = zfd.text(number).strip()
    try:
        return times.date(text)
    except ValueError:
        reading.flag(reading.path(zfd, number), "a date, YYYYMMDD or a part of it: left out")
        return ""


def _check_keys(reading: Reading, pid: Segment, matricules: tuple[Identifier, ...]) -> None:
    """A wrong key is kept and flagged, for official samples have some; only hand-typed ones are refused (EXI SI 02)."""
    for matricule in matricules:
        if len(matricule.value) != INS_LENGTH:
            reading.flag(reading.path(pid, 3), "an INS has 15 characters, the key included (PAM.FR 6.6.1)")
        elif not nir_key_holds(matricule.value):
            reading.flag(reading.path(pid, 3), "the key of an INS does not fit its NIR")


def _declared(reading: Reading, pid: Segment) -> tuple[IdentityStatus, frozenset[str]]:
    """Status and attributes of PID-32 and PD1-12; PROV stands for récupérée as well (PAM.FR 4.4, 6.6.15)."""
    codes = {r.text(1).strip().upper() for r in pid.repetitions(32)} - {""}
    attributes = codes - _STATUSES
    if attributes - PATIENT_ATTRIBUTES:
        reading.flag(reading.path(pid, 32), "a code that table 0445 (PAM.FR) does not hold is kept as an attribute")
    status = IdentityStatus.VALIDEE if "VALI" in codes else IdentityStatus.PROVISOIRE
    if "VALI" in codes and ("PROV" in codes or attributes & PROVISIONAL_ATTRIBUTES):
        reading.flag(reading.path(pid, 32), "VALI goes with neither PROV, DOUT nor FICT (EXI SI 09): read as PROV")
        status = IdentityStatus.PROVISOIRE
    if attributes >= PROVISIONAL_ATTRIBUTES:
        reading.flag(reading.path(pid, 32), "DOUT and FICT exclude each other (EXI SI 09)")
    if _is_protected(reading, pid):
        attributes.add("CACH")
    return status, frozenset(attributes)


def _is_protected(reading: Reading, pid: Segment) -> bool:
    """PD1-12 = Y (2.5.1 §3.4.10.12): the patient's stay is kept from others, as PID-32 = CACH asks."""
    following = next(iter(reading.message.segments[pid.position : pid.position + 1]), None)
    return following is not None and following.name == "PD1" and is_true(following.text(12))


def _deceased(pid: Segment) -> bool | None:
    """PID-30, or a date of death (PID-29); what denies it, the null included, takes a death back (2.5.1 §2.5.3)."""
    if is_true(pid.text(30)) or pid.text(29).strip():
        return True
    return False if pid.whole(30) or pid.whole(29) else None


def _traits(reading: Reading, pid: Segment) -> Traits:
    _flag_nulls(reading, pid, 7, 8)
    names = _names(reading, pid)
    return replace(
        names,
        birth_date=birth_date(reading, pid),
        sex=_sex(reading, pid),
        birth_place_code=_birth_place(pid),
        multiple_birth_rank=pid.text(25).strip().lstrip("0"),
    )


def birth_date(reading: Reading, pid: Segment) -> str:
    """Give PID-7 in ISO form, as precise as it was sent.

    Raises:
        DataTypeInvalid: it is no date.

    """
    text = pid.text(7).strip()
    try:
        found = times.date(text)
    except ValueError:
        raise DataTypeInvalid("a date of birth, YYYYMMDD or a part of it", path=reading.path(pid, 7)) from None
    if found > _iso(reading.message.text("MSH-7")):
        reading.flag(reading.path(pid, 7), "a date of birth that is after the message")
    if text[4:8].endswith("00") and len(text) >= len("YYYYMMDD"):
        reading.flag(reading.path(pid, 7), "zeros for a month or day that is not known: read as partial")
    return found


def _iso(told: str) -> str:
    """The date of an HL7 time in ISO form; what is none is after every date."""
    return f"{told[:4]}-{told[4:6]}-{told[6:8]}" if told[:_DATE].isdecimal() else "~"


def _sex(reading: Reading, pid: Segment) -> str:
    """M, F, U (PAM.FR); any other code of table 0001 is U."""
    sent = pid.text(8).strip().upper()
    if sent in {"M", "F", "U", ""}:
        return sent
    reading.flag(reading.path(pid, 8), "PAM.FR knows M, F and U: read as U")
    return "U"


def _birth_place(pid: Segment) -> str:
    """The COG of the repetition of PID-11 whose XAD-7 is BDL, in XAD-9 (PAM.FR)."""
    return next((r.text(9).strip() for r in pid.repetitions(11) if r.text(7).strip() == "BDL"), "")


def _names(reading: Reading, pid: Segment) -> Traits:
    """PID-5 by type: L (or none) is the birth name, D what is used; pseudonyms and unspecified names are not read."""
    birth = used = None
    for name in pid.repetitions(5):
        kind = name.text(7).strip().upper()
        if kind in _LEGAL:
            if birth is not None:
                reading.flag(reading.path(pid, 5), "a second legal name is not read")
            birth = birth or name
        elif kind == _USED:
            used = used or name
        elif kind not in _NOT_READ:
            reading.flag(reading.path(pid, 5), "a name type that PAM.FR does not allow is not read")
    first, given = _given_names(birth) if birth else ("", "")
    return Traits(
        birth_family_name=birth.text(1).strip() if birth else "",
        used_family_name=used.text(1).strip() if used else "",
        first_given_name=first,
        given_names=given,
        used_given_name=used.text(2).strip() if used else "",
    )


def _given_names(name: Repetition) -> tuple[str, str]:
    """First given name and the list of all of them, the first included (PAM.FR, XPN-2 and XPN-3; EXI SI 29).

    Older senders put only the further names in XPN-3, or commas between them; the first ends at its comma (RNIV 1,
    annexe III).
    """
    sent, listed = name.text(2), name.text(3)
    first = sent.split(",", 1)[0].strip()
    every = list(_words(listed)) or (list(_words(sent)) if "," in sent else [])
    together = " ".join(every)
    if together and not f"{normalise(together)} ".startswith(f"{normalise(first)} "):
        together = f"{first} {together}".strip()
    return first, together


def _words(names: str) -> Iterator[str]:
    return iter(names.replace(",", " ").split())
