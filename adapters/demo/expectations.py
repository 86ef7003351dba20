"""What the morning must lead to: every item on every queue, the identity decisions, the live convocations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from adapters.demo.patients import BRANDELORE
from gateway.audit import AuditAction


class ExpectedItem(NamedTuple):
    """One item as it must stand in the end.

    Attributes:
        kind: kind of item.
        priority: urgency.
        state: where it stands.
        title: key of the text catalogue.
        family: birth name of the person that it is about.

    """

    kind: str
    priority: str
    state: str
    title: str
    family: str


@dataclass(frozen=True, slots=True)
class Expectations:
    """What a scenario must lead to.

    Attributes:
        queues: secretariat -> all its items, in no order.
        first: secretariat -> title and birth name of the item that must stand first.
        live: appointment number -> how many live convocations it must have.
        decisions: identity action -> how often.
        story: identifier of the patient whose audit story is shown, which must hold these actions in this order.
        story_actions: the actions.

    """

    queues: Mapping[str, tuple[ExpectedItem, ...]]
    first: Mapping[str, tuple[str, str]]
    live: Mapping[str, int]
    decisions: Mapping[AuditAction, int]
    story: str
    story_actions: tuple[AuditAction, ...]


def _items(table: str) -> tuple[ExpectedItem, ...]:
    return tuple(ExpectedItem(*line.split()) for line in table.strip().splitlines())


_QUEUES = {
    "cardiology": _items("""
        result          stat     new        result.critical           KERVALENN
        result          stat     new        result.critical           DUBROSQUIN
        result          routine  new        result.corrected          KERVALENN
        result          routine  new        result.final              TAVERNAUD
        convocation     routine  new        convocation.to-send       OSTERMANDE
        convocation     routine  new        convocation.to-send       KERVALENN
        convocation     routine  new        convocation.to-send       VILLARQUET
        correspondence  urgent   new        correspondence.new        KERVALENN
        correspondence  routine  new        correspondence.replaced   KERVALENN
        correspondence  routine  withdrawn  correspondence.withdrawn  TAVERNAUD
        admission       routine  new        admission.left            KERVALENN
        admission       routine  new        admission.arrived         TAVERNAUD
        admission       routine  withdrawn  admission.arrived         DUBROSQUIN
        admission       routine  withdrawn  admission.cancelled       VILLARQUET
    """),
    "visceral-surgery": _items("""
        result          stat     new        result.critical           DUBROSQUIN
        result          routine  new        result.final              LASCOUDRE
        result          routine  new        result.final              GRANSAIGNE
        result          routine  new        result.final              BERANGEVAL
        result          routine  new        result.final              FAURIBAUD
        result          routine  new        result.final              FAURIBAUD
        result          routine  withdrawn  result.withdrawn          OSTERMANDE
        convocation     routine  new        convocation.to-send       MERLANCHON
        correspondence  urgent   withdrawn  correspondence.discharge-letter-expected  DUBROSQUIN
        admission       routine  new        admission.to-send         OSTERMANDE
        admission       routine  new        admission.arrived         GRANSAIGNE
        admission       routine  new        admission.arrived         DUBROSQUIN
        admission       routine  withdrawn  admission.cancelled       LASCOUDRE
    """),
    "radiology": _items("""
        convocation     urgent   new        convocation.to-send       BERANGEVAL
        convocation     routine  withdrawn  convocation.closed        TAVERNAUD
        convocation     routine  withdrawn  convocation.cancelled     OSTERMANDE
        convocation     routine  withdrawn  convocation.cancelled     GRANSAIGNE
        correspondence  urgent   new        correspondence.new        DUBROSQUIN
    """),
    "emergency": _items("""
        result          urgent   new        result.final              DUBROSQUIN
        result          routine  new        result.final              BRANDELORE
        correspondence  urgent   new        correspondence.new        DUBROSQUIN
        admission       routine  new        admission.arrived         BRANDELORE
        admission       routine  withdrawn  admission.arrived         DUBROSQUIN
    """),
    "bureau-des-entrees": _items("""
        identity        urgent   new        identity.collision        TAVERNAUD
        identity        urgent   new        identity.merge-refused    VILLARQUET
        identity        urgent   withdrawn  identity.possible-double  FAURIBAUD
        identity        routine  new        identity.unknown          PELLETERAN
        identity        routine  withdrawn  identity.unknown          BRANDELORE
    """),
    "general": _items("""
        result          routine  new        result.final              VILLARQUET
        result          routine  new        result.final              PELLETERAN
    """),
}

_A = AuditAction

EXPECTED = Expectations(
    queues=_QUEUES,
    first={
        "cardiology": ("result.critical", "KERVALENN"),
        "visceral-surgery": ("result.critical", "DUBROSQUIN"),
        "radiology": ("convocation.to-send", "BERANGEVAL"),
        "bureau-des-entrees": ("identity.collision", "TAVERNAUD"),
    },
    live={
        "RDV-4101": 1,
        "RDV-4102": 0,
        "RDV-4103": 1,
        "RDV-4104": 1,
        "RDV-4105": 0,
        "RDV-9001": 1,
        "RDV-9002": 0,
        "RDV-9003": 1,
    },
    decisions={
        _A.IDENTITY_CREATED: 15,
        _A.IDENTITY_CONFIRMED: 1,
        _A.IDENTITY_LINKED: 1,
        _A.IDENTITY_MERGED: 1,
        _A.IDENTITY_UPDATED: 1,
        _A.IDENTITY_DOUBTED: 5,
    },
    story=BRANDELORE.ipp,
    story_actions=(
        _A.MESSAGE_RECEIVED,
        _A.IDENTITY_CREATED,
        _A.IDENTITY_DOUBTED,
        _A.ITEM_CREATED,
        _A.MESSAGE_PROCESSED,
        _A.IDENTITY_CONFIRMED,
        _A.ITEM_WITHDRAWN,
        _A.MESSAGE_PROCESSED,
        _A.ITEM_CREATED,
        _A.MESSAGE_PROCESSED,
    ),
)
