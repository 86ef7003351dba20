"""The matricule INS: its assigning authorities, and the key of the NIR in it."""

from typing import Final

from gateway.facts import Identifier

INS_NIR: Final = "1.2.250.1.213.1.4.8"
INS_NIA: Final = "1.2.250.1.213.1.4.9"
INS_NIR_TEST: Final = "1.2.250.1.213.1.4.10"
INS_NIR_DEMO: Final = "1.2.250.1.213.1.4.11"

INS_OIDS: Final = frozenset({INS_NIR, INS_NIA, INS_NIR_TEST, INS_NIR_DEMO})
"""Assigning authorities of the matricule INS (ANS, OID list); the billing NIR (type NH) has the first of them, too."""

TEST_INS_OIDS: Final = frozenset({INS_NIR_TEST, INS_NIR_DEMO})

INS_LENGTH: Final = 15
"""Characters of a matricule, the key included (PAM.FR 6.6.1)."""

_NIR_LENGTH = 13


def is_test_ins(identifier: Identifier) -> bool:
    """Whether it is an INS of test or demonstration (OID .10 / .11), which never meets production."""
    return identifier.authority in TEST_INS_OIDS


def nir_key_holds(matricule: str) -> bool:
    """Whether the two last digits are the key of the thirteen before: 97 - (NIR mod 97); Corsica's 2A is 19, 2B is 18.

    Source: INSEE, numéro d'inscription au répertoire.
    """
    digits = matricule.upper()
    if digits[5:7] in {"2A", "2B"}:
        digits = digits[:5] + {"2A": "19", "2B": "18"}[digits[5:7]] + digits[7:]
    if len(digits) != INS_LENGTH or not (digits.isascii() and digits.isdecimal()):
        return False
    return int(digits[_NIR_LENGTH:]) == 97 - int(digits[:_NIR_LENGTH]) % 97
