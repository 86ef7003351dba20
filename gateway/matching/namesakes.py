"""How many other people are expected to agree as two records do: namesakes born on the same day."""

from collections.abc import Iterable, Sequence
from math import prod

from gateway.matching.comparison import CLOSE, OTHER, SAME, Comparison, levels
from gateway.matching.model import Model
from gateway.matching.names import NameLevel
from gateway.matching.record import Prepared

_FASHION = 3.0
"""How many times as frequent a given name is in its own generation as in all."""
_LATER = (0.01, 0.3)
"""Least and greatest share of a generation that a later given name is taken to have."""
_FACTORS = {("phone", CLOSE): 0.01, ("address", CLOSE): 0.02, ("postal_code", SAME): 0.1}
"""How many times as often a namesake agrees so as one person does, roughly."""
_CONTACT_DIFFERS = 10.0
"""The same of another telephone or address: namesakes always have one, one person in ten does."""
_CONTACTS = ("phone", "address", "postal_code", "city")
_FEW = 1e-4
"""Expected namesakes of which names and date tell a person, in files in which they tell everybody."""
_MANY = 2_000
"""Records of a file that must all be told apart to say so."""


def expected(a: Prepared, b: Prepared, comparison: Comparison, model: Model) -> float:
    """Give how many people of the domain, other than a and b, are expected to agree so by chance.

    Names, sex and date of birth count, with the frequency of the names and the number of persons; later given names
    and a used name that agree make it fewer, a contact that differs makes it more. A place of birth, telephone or
    address that is the same does not count: who has those needs no such estimate.
    """
    found = levels(comparison)
    people = model.expected_namesakes(comparison) * _shared_names(a, b, found, model)
    people *= prod(factor for (trait, level), factor in _FACTORS.items() if found.get(trait) == level)
    return people * (_CONTACT_DIFFERS if any(found.get(trait) == OTHER for trait in _CONTACTS) else 1)


def _shared_names(a: Prepared, b: Prepared, found: dict[str, str], model: Model) -> float:
    """How probable it is that namesakes share what names these two share beside the first ones."""
    one, other = later_names(a), later_names(b)
    shared = one if one == other else frozenset[str]()
    least, greatest = _LATER
    share = prod(min(max(_FASHION * model.frequency("given_name", n), least), greatest) for n in shared)
    if a.family_used and a.family_used == b.family_used and found.get("family_name") == NameLevel.SAME:
        share *= model.frequency("family_name", a.family_used)
    return share


def later_names(one: Prepared) -> frozenset[str]:
    """The given names after the first."""
    words = one.listed.split()
    return frozenset(words[1:]) - {one.given, *one.first.split()} if len(words) > 1 else frozenset()


def learnt(files: Iterable[Sequence[Prepared]], limit: float) -> float:
    """Give the expected namesakes from which names and date alone link nobody, as the files show it.

    Where no two records of either domain have the same names and date of birth, among thousands, these tell a person
    as far as the frequency of the names says. Where some have, the limit stays as it was: then there are more namesakes
    than chance makes (relatives, one name handed down), and no frequency says how many.
    """
    return max(limit, _FEW) if all(len(file) >= _MANY and _all_apart(file) for file in files) else limit


def _all_apart(file: Sequence[Prepared]) -> bool:
    known = [key for one in file if all(key := (one.family, one.given, one.date.text))]
    return len(known) == len(set(known))
