"""The patients of the demonstration: invented people, with numbers that no real person has.

Their matricules INS have the test OID and a valid key; the commune in them (999) does not exist. The telephone numbers
are of the range that ARCEP keeps for fiction.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date

from mappings.ins import INS_NIR_TEST

INS_TEST_OID = INS_NIR_TEST
IPP_OID = "2.16.840.1.113883.19.750.1"
LABORATORY_OID = "2.16.840.1.113883.19.750.2"
STAY_OID = "2.16.840.1.113883.19.750.3"
APPOINTMENT_OID = "2.16.840.1.113883.19.750.4"
"""The identification domains of the demo site (mappings/sites/chu_demo/site.toml)."""


@dataclass(frozen=True, slots=True)
class DemoPatient:
    """One invented person as one sender knows them.

    Attributes:
        ipp: identifier in the hospital's domain; empty where the sender does not know it.
        family: birth name.
        given: given names, the first one first.
        born: date of birth.
        sex: ``M`` or ``F``.
        birth_place: INSEE COG of the commune.
        ins: matricule INS with its key; empty if the identity is not qualifiée.
        used_family: used name; empty if it is the birth name.
        street: address line.
        phone: telephone.
        local: a number of the sender's own; empty where it is not sent.
        local_domain: the domain of that number, as CX-4.

    """

    ipp: str
    family: str
    given: tuple[str, ...]
    born: date
    sex: str
    birth_place: str
    ins: str = ""
    used_family: str = ""
    street: str = ""
    phone: str = ""
    local: str = ""
    local_domain: str = ""


def nir_key(thirteen: str) -> str:
    """Give the two digits that make a NIR of these thirteen valid: 97 - (NIR mod 97) (INSEE)."""
    return f"{97 - int(thirteen) % 97:02d}"


def nir(sex: str, born: date, department: str, order: int) -> str:
    """Give a NIR of 15 characters, of a commune that does not exist."""
    thirteen = f"{'1' if sex == 'M' else '2'}{born:%y%m}{department}999{order:03d}"
    return thirteen + nir_key(thirteen)


def _qualified(patient: DemoPatient, order: int) -> DemoPatient:
    return replace(patient, ins=nir(patient.sex, patient.born, patient.birth_place[:2], order))


KERVALENN = _qualified(
    DemoPatient(
        ipp="8001000017",
        family="KERVALENN",
        given=("MAELWENN", "HONORINE"),
        born=date(1958, 3, 21),
        sex="F",
        birth_place="29232",
        used_family="TREGOBAN",
        street="14 venelle des Goelands Cendres",
        phone="0639980117",
    ),
    417,
)
DUBROSQUIN = _qualified(
    DemoPatient(
        ipp="8001000025",
        family="DUBROSQUIN",
        given=("TANCREDE",),
        born=date(1944, 11, 8),
        sex="M",
        birth_place="33063",
        street="3 impasse du Chai Brule",
        phone="0639980225",
    ),
    128,
)
MERLANCHON = DemoPatient(
    ipp="8001000033",
    family="MERLANCHON",
    given=("ISALINE", "ROSEMONDE"),
    born=date(1991, 7, 2),
    sex="F",
    birth_place="69123",
    street="27 montee du Griffon Pale",
    phone="0639980333",
)
MERLANCHON_CORRECTED = _qualified(replace(MERLANCHON, born=date(1991, 2, 7)), 233)
"""As the identity document says: day and month had been exchanged."""
FAURIBAUD = DemoPatient(
    ipp="8001000041",
    family="FAURIBAUD",
    given=("CLOTAIRE",),
    born=date(1972, 5, 30),
    sex="M",
    birth_place="44109",
    street="8 quai de la Gabare Noire",
    phone="0639980441",
)
FAURIBAUD_AGAIN = replace(FAURIBAUD, ipp="8001000058")
"""The same person, given a second IPP by mistake."""
OSTERMANDE = DemoPatient(
    ipp="8001000066",
    family="OSTERMANDE",
    given=("PHILOMENE",),
    born=date(1979, 9, 14),
    sex="F",
    birth_place="67482",
    street="51 rue du Houblon Tardif",
    phone="0639980566",
)
VILLARQUET = DemoPatient(
    ipp="8001000074",
    family="VILLARQUET",
    given=("EVARISTE",),
    born=date(1966, 12, 19),
    sex="M",
    birth_place="31555",
    street="6 allee du Pastel Sauvage",
    phone="0639980674",
)
BRANDELORE = _qualified(
    DemoPatient(
        ipp="8001000082",
        family="BRANDELORE",
        given=("BALTHAZAR",),
        born=date(1987, 4, 11),
        sex="M",
        birth_place="35238",
        street="19 ruelle des Lavandieres Rousses",
        phone="0639980782",
    ),
    541,
)
TAVERNAUD = DemoPatient(
    ipp="8001000090",
    family="TAVERNAUD",
    given=("APOLLINE",),
    born=date(1963, 8, 27),
    sex="F",
    birth_place="87085",
    street="2 cour de la Faience Bleue",
    phone="0639980890",
)
TAVERNAUD_OTHERWISE = replace(TAVERNAUD, born=date(1936, 8, 27))
"""As the cardiology department has typed her: another year of birth."""
LASCOUDRE = DemoPatient(
    ipp="8001000108",
    family="LASCOUDRE",
    given=("GAUVAIN",),
    born=date(1950, 1, 16),
    sex="M",
    birth_place="25056",
    street="33 faubourg de l'Horloge Lente",
    phone="0639980908",
)
GRANSAIGNE = _qualified(
    DemoPatient(
        ipp="8001000116",
        family="GRANSAIGNE",
        given=("LEOPOLDINE",),
        born=date(1983, 6, 5),
        sex="F",
        birth_place="76540",
        street="11 sente du Clos Perdu",
        phone="0639981016",
    ),
    362,
)
GRANSAIGNE_OF_THE_LABORATORY = replace(
    GRANSAIGNE, ipp="", local="LBM-550731", local_domain=f"CHU-DEMO-LABO&{LABORATORY_OID}&ISO"
)
"""As the laboratory knows her: by its own number and her INS."""
BERANGEVAL = DemoPatient(
    ipp="8001000124",
    family="BERANGEVAL",
    given=("ZEPHYRINE",),
    born=date(1995, 10, 23),
    sex="F",
    birth_place="34172",
    street="40 chemin de l'Arbousier Tordu",
    phone="0639981124",
)
BERANGEVAL_ACCENTED = replace(BERANGEVAL, family="BÉRANGÉVAL", given=("Zéphyrine",))
"""As the laboratory writes her, with accents."""
PELLETERAN = DemoPatient(
    ipp="",
    family="PELLETERAN",
    given=("ABELARD",),
    born=date(1969, 2, 3),
    sex="M",
    birth_place="59350",
    local="OFF-20917",
    local_domain="OFFICINE",
)
"""Known only to a newcomer, by the newcomer's own number."""

PATIENTS = (
    KERVALENN,
    DUBROSQUIN,
    MERLANCHON,
    MERLANCHON_CORRECTED,
    FAURIBAUD,
    FAURIBAUD_AGAIN,
    OSTERMANDE,
    VILLARQUET,
    BRANDELORE,
    TAVERNAUD,
    TAVERNAUD_OTHERWISE,
    LASCOUDRE,
    GRANSAIGNE,
    GRANSAIGNE_OF_THE_LABORATORY,
    BERANGEVAL,
    BERANGEVAL_ACCENTED,
    PELLETERAN,
)


def _told(patient: DemoPatient) -> Iterator[str]:
    yield from (patient.ipp, patient.ins, patient.ins[:13], patient.local, patient.street, patient.phone)
    yield from (f"{patient.born:%Y%m%d}", f"{patient.born:%Y-%m-%d}")
    for name in (patient.family, patient.used_family, *patient.given):
        yield from (name, _plain(name))


def _plain(name: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))


def sensitive(patients: Iterable[DemoPatient]) -> frozenset[str]:
    """Give every name, identifier, date of birth, address and telephone of these patients, as they may be written."""
    return frozenset(value for patient in patients for value in _told(patient) if value)


SENSITIVE = sensitive(PATIENTS)
"""What no log line, error text, header or queue name may hold (promise P6)."""
