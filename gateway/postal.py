"""Who a letter goes to: the name and address in the window, by the French postal norm (NF Z10-011)."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.facts import NO_CONTACT, Address, Contact, Representative, Traits
from gateway.identity import Identity, Person, survivorship
from gateway.reach import Addressee

LINES = 6
"""Lines of an address, the name included."""

_AT_HOME = frozenset({"", "FR", "FRA", "FRANCE"})
_CIVILITIES = {"F": "Madame", "M": "Monsieur"}


@dataclass(frozen=True, slots=True)
class Correspondent:
    """Whom a patient's convocations go to, as far as their records tell.

    Attributes:
        person: the patient as shown.
        contact: where the patient is reached.
        representatives: who speaks for the patient.

    """

    person: Person
    contact: Contact = NO_CONTACT
    representatives: tuple[Representative, ...] = ()

    def reached(self, addressee: Addressee) -> Contact:
        """Give where an addressee is reached: a representative without an address, at the patient's."""
        if addressee is Addressee.REPRESENTATIVE and self.representatives:
            return self.representatives[0].contact.over(self.contact)
        return self.contact

    def window(self, addressee: Addressee) -> tuple[str, ...]:
        """Give the lines in the window; nothing of them says what for, or from which service."""
        if addressee is Addressee.REPRESENTATIVE and self.representatives:
            representative = self.representatives[0]
            name = [f"{representative.given_name} {representative.family_name.upper()}".strip()]
        elif addressee is Addressee.GUARDIANS:
            name = ["Aux représentants légaux de", shown_name(self.person.traits)]
        else:
            civility = _CIVILITIES.get(self.person.traits.sex, "")
            name = [f"{civility} {shown_name(self.person.traits)}".strip()]
        lines = (*name, *_lines(self.reached(addressee).address))
        return tuple(" ".join(line.split()) for line in lines)[:LINES]


def shown_name(traits: Traits) -> str:
    """Give the name that somebody goes by: used names before those of birth."""
    family = traits.used_family_name or traits.birth_family_name
    return f"{traits.used_given_name or traits.first_given_name} {family.upper()}".strip()


def _lines(address: Address) -> tuple[str, ...]:
    town = f"{address.postal_code} {address.city.upper()}".strip()
    country = () if address.country.upper() in _AT_HOME else (address.country.upper(),)
    return (*address.lines[: LINES - 3], town, *country)


def correspondent(person: Person, family: Iterable[Identity]) -> Correspondent:
    """Give whom convocations go to: by the first of the person's records that has an address, an NK1 and so on."""
    ordered = [i.patient for i in sorted(family, key=survivorship)]
    contact = NO_CONTACT
    for patient in ordered:
        contact = contact.over(patient.contact)
    told = (p.representatives for p in ordered if p.representatives is not None)
    return Correspondent(person, contact, next(told, ()))
