"""The audit trail: one vocabulary, one canonical form, one chain.

An event is written in the transaction of the act that it tells of. A sealer then appends it to a hash chain: chain
order is sealing order. Whoever changes, removes, inserts or reorders a sealed event breaks the chain at that place.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from gateway.canonical_json import members, quoted, written


class AuditAction(StrEnum):
    """What was done, as ``subject:object:action``: who acts, on what, and what was done to it.

    The subject is ``source`` (a sending system), ``gateway`` (the service itself), ``relay`` (its bus side) or ``user``
    (a person or an HTTP client). Identifiers only: no event holds clinical content or a name.
    """

    MESSAGE_RECEIVED = "source:message:received"
    MESSAGE_DUPLICATE = "gateway:message:recognised-duplicate"
    MESSAGE_QUARANTINED = "gateway:message:quarantined"
    MESSAGE_IGNORED = "gateway:message:ignored"
    MESSAGE_PROCESSED = "gateway:message:processed"
    FACT_STALE = "gateway:fact:found-stale"
    FACT_HELD = "gateway:fact:held"
    FACT_OVERDUE = "gateway:fact:overdue"
    FACT_RELEASED = "gateway:fact:released"
    OBJECT_JOINED = "gateway:object:joined"
    DIRECTORY_UPDATED = "gateway:directory:updated"
    IDENTITY_CREATED = "gateway:identity:created"
    IDENTITY_MATCHED = "gateway:identity:matched"
    IDENTITY_UPDATED = "gateway:identity:updated"
    IDENTITY_CONFIRMED = "gateway:identity:confirmed"
    IDENTITY_LINKED = "gateway:identity:linked"
    IDENTITY_UNLINKED = "gateway:identity:unlinked"
    IDENTITY_MERGED = "gateway:identity:merged"
    IDENTITY_DOUBTED = "gateway:identity:doubted"
    IDENTITY_DIFFERS = "gateway:identity:differs"
    IDENTITY_AGREES = "gateway:identity:agrees"
    REQUEST_FOLLOWED = "gateway:identity-request:followed"
    STAY_RENUMBERED = "gateway:stay:renumbered"
    STAY_MOVED = "gateway:stay:moved"
    ITEM_CREATED = "gateway:item:created"
    ITEM_UPDATED = "gateway:item:updated"
    ITEM_WITHDRAWN = "gateway:item:withdrawn"
    ITEM_WOKEN = "gateway:item:woken"
    ITEM_LEASE_ENDED = "gateway:item:released"
    ITEM_ESCALATED = "gateway:item:escalated"
    ITEM_STEP_FAILED = "gateway:item:step-failed"
    CONVOCATION_GENERATED = "gateway:convocation:generated"
    CONVOCATION_CHANGED = "gateway:convocation:changed"
    CONVOCATION_SUPERSEDED = "gateway:convocation:superseded"
    CONVOCATION_CANCELLED = "gateway:convocation:cancelled"
    CONVOCATION_CLOSED = "gateway:convocation:closed"
    ITEM_PUBLISHED = "relay:item:published"
    IDENTITY_PUBLISHED = "relay:identity-event:published"
    ALARM_RAISED = "gateway:alarm:raised"
    ALARM_RESOLVED = "gateway:alarm:resolved"
    MESSAGE_LISTED = "user:message:listed"
    MESSAGE_SHOWN = "user:message:shown"
    MESSAGE_REPLAYED = "user:message:replayed"
    MESSAGE_EXPLAINED = "user:message:explained"
    MESSAGE_HELD = "user:message:held"
    MESSAGE_RELEASED = "user:message:released"
    MESSAGE_EDITED = "user:message:edited"
    MESSAGE_DISCARDED = "user:message:discarded"
    MESSAGE_ASSIGNED = "user:message:assigned"
    MESSAGE_RESOLVED = "user:message:resolved"
    EXPECTED_RESULTS_LISTED = "user:expected-result:listed"
    FIGURES_SHOWN = "user:figures:shown"
    WORKLIST_LISTED = "user:worklist:listed"
    ITEM_SHOWN = "user:item:shown"
    GLASS_BROKEN = "user:item:shown-by-break-glass"
    ITEM_CLAIMED = "user:item:claimed"
    ITEM_RELEASED = "user:item:released"
    ITEM_REASSIGNED = "user:item:reassigned"
    ITEM_DONE = "user:item:done"
    ITEM_RECEIVED = "user:item:acknowledged"
    ITEM_READ = "user:item:acknowledged-clinically"
    ITEM_HELD = "user:item:held"
    ITEM_COMMENTED = "user:item:commented"
    ITEM_FORWARDED = "user:item:forwarded"
    ITEM_REOPENED = "user:item:reopened"
    ITEM_UNDONE = "user:item:undone"
    ITEM_ADDED = "user:item:added"
    WORKLIST_FOLLOWED = "user:worklist:followed"
    APPOINTMENT_READ = "user:appointment:read"
    APPOINTMENT_SEARCHED = "user:appointment:searched"
    PATIENT_CROSS_REFERENCED = "user:patient:cross-referenced"
    PATIENT_SEARCHED = "user:patient:searched"
    PATIENT_READ = "user:patient:read"
    PATIENT_MATCHED = "user:patient:matched"
    CONVOCATION_LISTED = "user:convocation:listed"
    CONVOCATION_SHOWN = "user:convocation:shown"
    CONVOCATION_PREVIEWED = "user:convocation:previewed"
    CONVOCATION_PRINTED = "user:convocation:printed"
    CONVOCATION_REPRINTED = "user:convocation:reprinted"
    CONVOCATION_SENT = "user:convocation:sent"
    CONVOCATION_CONFIRMED = "user:convocation:confirmed"
    CONVOCATION_RETURNED = "user:convocation:returned"
    CONVOCATION_MISSED = "user:convocation:missed"
    DEAD_LETTER_LISTED = "user:dead-letter:listed"
    DEAD_LETTER_SHOWN = "user:dead-letter:shown"
    DEAD_LETTER_RETURN_ASKED = "user:dead-letter:asked-to-be-returned"
    DEAD_LETTER_RETURNED = "user:dead-letter:returned"
    DEAD_LETTER_DISCARDED = "user:dead-letter:discarded"
    IDENTITY_LISTED = "user:identity:listed"
    IDENTITY_SHOWN = "user:identity:shown"
    IDENTITY_COMPARED = "user:identity:compared"
    IDENTITY_LINK_DECIDED = "user:identity-link:decided"
    IDENTITY_SEPARATION_DECIDED = "user:identity-separation:decided"
    IDENTITY_UNLINK_DECIDED = "user:identity-unlink:decided"
    MERGE_REQUEST_DECIDED = "user:merge-request:decided"
    FLAG_REQUEST_DECIDED = "user:flag-request:decided"
    IDENTITY_FREEZE_DECIDED = "user:identity-freeze:decided"
    IDENTITY_LIFT_DECIDED = "user:identity-lift:decided"
    INFORMATION_ASKED = "user:identity-information:asked"
    IDENTITY_DECISION_PROPOSED = "user:identity-decision:proposed"
    IDENTITY_DECISION_APPROVED = "user:identity-decision:approved"
    IDENTITY_DECISION_UNDONE = "user:identity-decision:undone"
    MODEL_TRAINED = "user:identity-model:trained"
    MODEL_PUT_IN_FORCE = "user:identity-model:put-in-force"
    MODELS_LISTED = "user:identity-models:listed"
    MODEL_SHOWN = "user:identity-model:shown"
    AUDIT_SEARCHED = "user:audit:searched"
    AUDIT_REPORTED = "user:audit:reported"
    AUDIT_DISCLOSED = "user:audit:disclosed"
    AUDIT_VERIFIED = "user:audit:verified"
    AUDIT_EXPORTED = "user:audit:exported"
    AUDIT_PROVEN = "user:audit:proven"
    AUDIT_KEY_MADE = "user:audit-key:made"
    AUDIT_KEY_ROTATED = "user:audit-key:rotated"
    AUDIT_KEY_LISTED = "user:audit-key:listed"
    ACCESS_REFUSED = "user:access:refused"
    SERVICE_STARTED = "user:service:started"
    SERVICE_STOPPED = "user:service:stopped"
    CONFIGURATION_CHANGED = "user:configuration:changed"
    CONFIGURATION_LISTED = "user:configuration:listed"
    ROUTING_SIMULATED = "user:routing:simulated"
    STORE_MIGRATED = "user:store:migrated"
    STATUS_SHOWN = "user:status:shown"
    IDENTITIES_FILED = "user:identities:filed"
    IDENTITIES_LOADED = "user:identities:loaded"
    IDENTITIES_COMPARED = "user:identities:compared"
    RETENTION_RUN = "user:retention:run"
    STORE_PURGED = "gateway:store:purged"


Detail = Mapping[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One act.

    Attributes:
        at: aware instant of the act.
        action: what was done; a text that is no AuditAction was not written by this program.
        principal: who did it.
        patients: identity ids that it touched, without repetition.
        message: number of the received message that it follows from, if any.
        entities: what else it touched, as ``kind/id``.
        correlation: the sender's own reference: MSH-10 or X-Request-Id.
        detail: codes and counts; never clinical content or a trait.
        id: number in the log; 0 until written.

    """

    at: datetime
    action: AuditAction | str
    principal: str
    patients: tuple[str, ...] = ()
    message: int | None = None
    entities: tuple[str, ...] = ()
    correlation: str = ""
    detail: Detail = field(default_factory=dict)
    id: int = 0


def canonical(event: AuditEvent) -> bytes:
    """Give the event's canonical JSON (RFC 8785); what it raises is told by `canonical_json.encoded`.

    Written out member by member, in order: it stands in the way of every event, and again in that of a verification.
    """
    at = event.at if event.at.tzinfo is UTC else event.at.astimezone(UTC)
    return (
        f'{{"action":{quoted(event.action)},"at":"{at.isoformat(timespec="microseconds")}",'
        f'"correlation":{quoted(event.correlation)},"detail":{members(event.detail)},'
        f'"entities":[{",".join(map(quoted, event.entities))}],"id":{written(event.id)},'
        f'"message":{written(event.message)},"patients":[{",".join(map(quoted, event.patients))}],'
        f'"principal":{quoted(event.principal)}}}'
    ).encode()


GENESIS = hashlib.sha256(b"secretariat-gateway audit chain 1").hexdigest()
"""What the first seal follows."""


def fingerprint(form: bytes) -> str:
    """Give the hex SHA-256 of an event's canonical form: what the act's transaction leaves for the sealer."""
    return hashlib.sha256(form).hexdigest()


def seal(previous: str, event: str) -> str:
    """Give the hex SHA-256 that binds an event, by its fingerprint, to everything sealed before it."""
    return hashlib.sha256(previous.encode() + event.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Seal:
    """One link of the chain.

    Attributes:
        sequence: place in the chain, from 1, without gaps.
        event: number of the event.
        digest: hex SHA-256 over the previous digest and the event's fingerprint.

    """

    sequence: int
    event: int
    digest: str


@dataclass(frozen=True, slots=True)
class Break:
    """The first place where the chain does not hold.

    Attributes:
        sequence: place in the chain.
        event: number of the event there, as far as it is known.
        problem: what does not hold there.
        until: last place of which it is not known whether it holds, where the first cannot be told more closely.

    """

    sequence: int
    event: int | None
    problem: "Problem"
    until: int | None = None


class Problem(StrEnum):
    """What may be wrong with a log."""

    SEAL_MISSING = "seal missing"
    EVENT_MISSING = "event missing"
    EVENT_CHANGED = "event changed"
    PATIENTS_CHANGED = "patients changed"
    """The event is found under other patients than those that it names."""
    EVENT_REMOVED = "event removed"
    EVENT_INSERTED = "event inserted"
    EVENTS_REORDERED = "events reordered"
    TAIL_CUT = "tail cut off"
    """The log ends before a checkpoint's last event, or an export before its own end."""
    REWRITTEN = "log rewritten"
    """The chain holds, but it is another than the one that a checkpoint was signed over."""
    CHECKPOINT_MISSING = "checkpoint missing"
    CHECKPOINT_CHANGED = "checkpoint changed"
    """It does not follow the one before it, or two of one number differ."""
    CHECKPOINT_UNSIGNED = "checkpoint not signed"
    """No key that is trusted has signed it as it stands."""
    OTHER_LOG = "checkpoint of another log"
    UNREADABLE = "line unreadable"
