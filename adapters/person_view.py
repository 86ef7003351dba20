"""How a person is said to a program."""

from typing import Any

from gateway.identity import Person


def person_json(person: Person) -> dict[str, Any] | None:
    """Give a person for a program; the IPP only once admissions vouches for it; None where it is masked."""
    if not person.id:
        return None
    return {
        "person": person.id,
        "ipp": person.identifiers[0].value if person.confirmed and person.identifiers else None,
        "confirmed": person.confirmed,
        "frozen": person.frozen,
        "identity_status": person.status,
        "birth_family_name": person.traits.birth_family_name,
        "used_family_name": person.traits.used_family_name,
        "first_given_name": person.traits.first_given_name,
        "used_given_name": person.traits.used_given_name,
        "birth_date": person.traits.birth_date,
        "sex": person.traits.sex,
    }
