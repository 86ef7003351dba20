"""A stored record as the matcher reads it, and the keys under which its like is found."""

from dataclasses import replace
from functools import lru_cache

from gateway.facts import Patient
from gateway.identity import Identity, qualified_ins
from gateway.matching.blocking import Key, keys
from gateway.matching.record import Prepared, prepare, record_of

ONLINE_KINDS = frozenset("abcdefhi")
"""Kinds of keys by which one record finds a handful among a million; the others are for whole files.

Date of birth with the sound of a family name (a), or with a given name's beginning (b); day and month, in any order,
with a name's beginning (c); year and sound (d); both sounds in any order, and the decade (e); matricule INS (f);
telephone (h); date, sex and place of birth (i).
"""

_KEPT = 8_192


@lru_cache(maxsize=_KEPT)
def search_keys(patient: Patient) -> frozenset[Key]:
    """Give the keys under which records like a patient are found: each a letter for its kind, and a hash."""
    return frozenset(key for key in keys(likeness("", patient)) if key[0] in ONLINE_KINDS)


def filed_keys(identity: Identity) -> frozenset[Key]:
    """Give the keys under which a record is filed; none of a retired one, nor of the provisional one of a doubt.

    A retired number is no other person's, and who the doubt's record is of is asked already.
    """
    return frozenset() if identity.retired or identity.origin is not None else search_keys(identity.patient)


def likeness(id_: str, patient: Patient) -> Prepared:
    """Give a patient as the matcher compares it.

    Without its own number: numbers of one domain are of different records, however near they are. Without an INS that
    is not qualified: the receiver integrates the message without it (PAM.FR 2.11, 6.6.15).
    """
    record, vouched = record_of(id_, patient), qualified_ins(patient) is not None
    ins, domain = (record.ins, record.ins_domain) if vouched else ("", "")
    return prepare(replace(record, local_identifier="", authority="", ins=ins, ins_domain=domain))
