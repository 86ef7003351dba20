"""Whether two records are one person: exact rules only, and doubt goes to a person.

An Identity is one record per (assigning authority, identifier). A Person is a set of identities that belong together;
which one an identity belongs to is a pointer on the identity, so a merge or a link never rewrites anything else.
"""

from dataclasses import dataclass

from gateway.facts import Identifier, IdentityStatus, Traits


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

    """

    id: str
    identifiers: tuple[Identifier, ...]
    traits: Traits
    status: IdentityStatus
    confirmed: bool
    attributes: frozenset[str] = frozenset()
    deceased: bool = False
