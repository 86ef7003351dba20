"""What is in the gateway after the morning, read once by the account that runs the demonstration."""

from dataclasses import dataclass

from adapters import proof
from adapters.assembly import Assembly
from adapters.audit_operations import audit_operations
from adapters.demo.patients import APPOINTMENT_OID
from adapters.demo.scenario import Scenario
from adapters.store.inbox import StoredMessage
from adapters.store.search import MessageFilter
from adapters.store.worklist import ItemView
from gateway.audit import AuditEvent
from gateway.audit_query import AuditQuery
from gateway.facts import Identifier, IdentifierKind
from gateway.principal import Principal
from gateway.verification import Verification
from gateway.worklist import ItemKind

ENOUGH = 5_000
"""More than any list of the morning is long."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What the morning led to.

    Attributes:
        summary: messages received and how they ended.
        messages: the inbox, oldest first.
        queues: secretariat -> its items, in the order in which they are to be done.
        live: appointment number -> its live convocations; -1 if the appointment is not known.
        decisions: what was decided about identities, oldest first.
        story: the audit events of one patient, oldest first.
        verification: of the audit chain.
        waiting: bus messages that no broker has confirmed.

    """

    summary: dict[str, int]
    messages: tuple[StoredMessage, ...]
    queues: dict[str, tuple[ItemView, ...]]
    live: dict[str, int]
    decisions: tuple[AuditEvent, ...]
    story: tuple[AuditEvent, ...]
    verification: Verification
    waiting: int


def look(assembly: Assembly, principal: Principal, scenario: Scenario) -> Aftermath:
    """Give what the morning led to; each look leaves its own audit event."""
    operations = assembly.operations(principal)
    items = operations.list_worklist("", kind=None, states=(), limit=ENOUGH)
    queues = {s: tuple(v for v in items if v.item.secretariat == s) for s in assembly.site.secretariats}
    answers = audit_operations(assembly, principal)
    story = answers.search(AuditQuery(patient=scenario.expected.story, limit=ENOUGH))
    return Aftermath(
        summary=operations.summary(),
        messages=tuple(operations.list_messages(MessageFilter(), limit=ENOUGH).messages),
        queues=queues,
        live={number: _live(assembly, number, items) for number in scenario.expected.live},
        decisions=tuple(answers.search(AuditQuery(action="gateway:identity:", limit=ENOUGH))),
        story=tuple(story),
        verification=proof.operations(assembly, principal).verify(),
        waiting=assembly.outbox.waiting(),
    )


def _live(assembly: Assembly, number: str, items: list[ItemView]) -> int:
    key = Identifier(APPOINTMENT_OID, number, IdentifierKind.OTHER)
    found = {appointment.id for appointment in assembly.worklist.appointments(key)}
    if len(found) != 1:
        return -1
    mine = (v.item for v in items if v.item.focus in found and v.item.kind is ItemKind.CONVOCATION)
    return sum(item.open for item in mine)
