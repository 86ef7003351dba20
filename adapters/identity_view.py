"""What the identity desk is shown, on the command line and over HTTP: values masked until a reason is given."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from adapters.identity_operations import Outcome
from adapters.store.identity_desk import OpenQuestion
from gateway.decision import REQUESTS, Decision
from gateway.differences import INS, STATUS, Line
from gateway.evidence import Evidence
from gateway.focus import Doubt
from gateway.identity import Identity
from gateway.notes import noted
from mappings.texts import text

KINDS: dict[str, tuple[Doubt, ...]] = {
    "doubles": (Doubt.SEVERAL, Doubt.POSSIBLE_DOUBLE),
    "alike": (Doubt.POSSIBLE_MATCH, Doubt.LINK_PROPOSED),
    "collisions": (Doubt.COLLISION,),
    "ins": (Doubt.INS_COLLISION,),
    "misfiled": (Doubt.MISFILED,),
    "unknown": (Doubt.UNKNOWN,),
    "merges": (Doubt.MERGE_REFUSED,),
    "links": (Doubt.LINK_ASKED, Doubt.UNLINK_ASKED),
    "discrepancies": (Doubt.DISCREPANCY, Doubt.BLOCKING_DISCREPANCY),
    "minors": tuple(Doubt),
    "stale": tuple(Doubt),
    "requests": (),
    "frozen": (Doubt.FROZEN,),
    "proposed": (),
}
"""The lists of the desk, by name, and the doubts that each shows; ``minors`` and ``stale`` narrow all of them."""

QUESTION_LISTS = frozenset(KINDS) - {"proposed", "requests"}
"""The lists of questions; the others are of decisions."""

MASK = "***"


def question_shown(asked: OpenQuestion, *, reveal: bool) -> dict[str, Any]:
    """Give an open question."""
    return {
        "doubt": asked.question.doubt,
        "label": text("title", asked.item.title),
        "identity": asked.record.id,
        "other": asked.question.other or None,
        "further": list(asked.question.further),
        "traits": list(asked.question.traits),
        "waits_for": list(asked.question.waits_for),
        "since": asked.item.created_at,
        "item": asked.item.id,
        "patient": record_shown(asked.record, reveal=reveal),
    }


def record_shown(record: Identity, *, reveal: bool) -> dict[str, Any]:
    """Give a record with its traits."""
    traits = {name: getattr(record.patient.traits, name) for name in record.patient.traits.__dataclass_fields__}
    shown = {"value": record.key.value, **traits}
    return {
        "identity": record.id,
        "person": record.person,
        "authority": record.key.authority,
        **{name: value if reveal or not value else MASK for name, value in shown.items()},
        "identity_status": record.patient.status,
        "vouched_for": record.authoritative,
        "frozen": record.frozen,
        "retired": record.retired,
        "notes": list(noted(record)),
        "identifier_change": record.change,
    }


def provenance_shown(record: Identity) -> list[dict[str, Any]]:
    """Give where the traits of a record came from: no value of any."""
    return [
        {"source": t.source, "message": t.message, "at": t.at, "traits": list(t.traits)}
        for t in sorted(record.provenance, key=lambda t: t.message)
    ]


def lines_shown(lines: Iterable[Line], *, reveal: bool) -> list[dict[str, Any]]:
    """Give the traits of records side by side; those that nobody has are left out, but for the INS."""
    return [
        {
            "trait": line.trait,
            "label": text("trait", line.trait),
            "values": [v if reveal or not v or line.trait == STATUS else MASK for v in line.values],
            "grade": line.grade,
        }
        for line in lines
        if any(line.values) or line.trait == INS
    ]


def is_overdue(decision: Decision, late: datetime | None) -> bool:
    """Whether admissions was asked for it before an instant, and has not done it yet."""
    return late is not None and decision.kind in REQUESTS and decision.at < late


_SAID = ("trait", "level", "bits")


def evidence_shown(evidence: Evidence) -> dict[str, Any]:
    """Give what the matcher knew when it asked or linked: levels and bits, and no value of a trait."""
    return {
        "model": evidence.version,
        "automatic_bits": evidence.automatic,
        "review_bits": evidence.review,
        "margin_bits": evidence.margin,
        "found": evidence.found,
        "hindrances": list(evidence.hindrances),
        "candidates": [
            {
                "identity": weighed.identity,
                "bits": weighed.score,
                "grade": weighed.grade,
                "guards": list(weighed.guards),
                "contributions": [dict(zip(_SAID, said, strict=True)) for said in weighed.contributions],
            }
            for weighed in evidence.candidates
        ],
    }


def decision_shown(decision: Decision, *, reveal: bool = False, late: datetime | None = None) -> dict[str, Any]:
    """Give a decision; its reason only where values are revealed, and whether a request is overdue."""
    return {
        "decision": decision.number,
        "kind": decision.kind,
        "standing": decision.standing,
        "identity": decision.one,
        "other": decision.other or None,
        "further": list(decision.further),
        "subject": decision.subject or None,
        "undoes": decision.undoes or None,
        "discordant": list(decision.discordant),
        "moves": [{"identity": m.identity, "before": m.before, "after": m.after} for m in decision.moves],
        "reason": decision.reason if reveal else MASK,
        "by": decision.by,
        "at": decision.at,
        "second": decision.second or None,
        "overdue": is_overdue(decision, late),
        "undone_by": decision.undone_by or None,
        "undone_second": decision.undone_second or None,
    }


def outcome_shown(outcome: Outcome, *, done: bool, late: datetime) -> dict[str, Any]:
    """Give what an act of the desk did, or would do; a request from before an instant is overdue."""
    told = [{"item": i.id, "secretariat": i.secretariat, "state": i.state, "version": i.version} for i in outcome.told]
    return {
        "done": done,
        **decision_shown(outcome.decision, late=late),
        "items": list(outcome.items),
        "already_told": told,
        "stays": outcome.stays,
        "joined_since": outcome.joined,
    }
