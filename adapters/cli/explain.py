"""`gateway explain`."""

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from adapters.cli.item_lines import reason
from adapters.cli.output import json_option, path_option, print_json, print_segments
from adapters.cli.reason import reveal_option
from adapters.cli.session import Session, session
from adapters.convocation_view import convocation_json
from adapters.fhir import validation
from adapters.hl7v2.display import describe, read_for_display
from adapters.pipeline import worker
from adapters.store.work import PendingMessage
from gateway.audit import AuditAction
from gateway.errors import AckCode, ConfigurationError, GatewayError, LimitExceeded
from gateway.facts import Circumstances, Fact, IdentityProof
from gateway.pipeline import Changes
from gateway.reception import Format
from gateway.state import State
from gateway.terser import Place
from mappings.hl7v2 import examine
from mappings.hl7v2.batch import split
from mappings.texts import text

UNSTORED = 2**62
"""Number of a message that is not in the inbox: it would come after all that are."""

_IDENTITY = "gateway:identity:"


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", default="", help="FHIR: the source that would send it; HL7 v2 says so itself.")
@reveal_option
@path_option
@json_option
def explain(file: Path, source: str, reveal: str, place: Place | None, *, as_json: bool) -> None:
    """Say what the gateway would do with FILE now, and why: segments, answer, translation, identity, route.

    FILE holds one HL7 v2 message or one FHIR Appointment. Nothing is changed but the audit trail, which keeps that it
    was asked.

    \b
    Examples:
      gateway explain admission.hl7
      gateway explain admission.hl7 --path PV1-3
      gateway explain appointment.json --source agenda-fhir --json
    """
    raw = file.read_bytes()
    sent = split(raw)
    raw = sent[0] if len(sent) == 1 else raw
    with session() as current:
        told = current.operations.explain(lambda: _explain(current, raw, source, place, reveal=bool(reveal)), reveal)
    if as_json:
        print_json(told)
    else:
        _print(told)


def _explain(current: Session, raw: bytes, source: str, place: Place | None, *, reveal: bool) -> dict[str, Any]:
    if raw.lstrip()[:1] == b"{":
        return _explain_fhir(current, raw, source, reveal=reveal)
    if len(raw) > (limit := current.assembly.settings.max_frame_bytes):
        error = LimitExceeded(f"a frame of at most {limit} bytes is taken")
        return {"format": "hl7v2", "answer": AckCode.AR, "error": _error(error)}
    examination = examine(raw, current.assembly.site)
    message = read_for_display(raw, examination.source.charset if examination.source else "")
    told: dict[str, Any] = {
        "format": "hl7v2",
        "source": examination.source.id if examination.source else None,
        "type": examination.message_type,
        "answer": examination.mode.at_once(examination.verdict),
        "error": _error(examination.error),
        "departures": [{"path": d.path, "rule": d.rule} for d in examination.departures],
        "segments": describe(message, reveal=reveal, place=place) if message else [],
    }
    if examination.error or not examination.source:
        return told
    source_id = examination.source.id
    pending = PendingMessage(UNSTORED, source_id, Format.HL7V2, examination.message_type, examination.control_id, raw)
    return {**told, **_decided(current, pending, reveal=reveal)}


def _explain_fhir(current: Session, raw: bytes, source: str, *, reveal: bool) -> dict[str, Any]:
    senders = [s.id for s in current.assembly.site.sources if s.clients]
    if source not in senders:
        raise ConfigurationError(f"the source that sends FHIR is expected: {', '.join(senders)}", path="--source")
    told = {"format": "fhir", "source": source, "type": "Appointment:create"}
    try:
        validation.appointment(raw)
    except GatewayError as error:
        return {**told, "answer": str(error.http_status), "error": _error(error)}
    pending = PendingMessage(UNSTORED, source, Format.FHIR, told["type"], "", raw)
    decided = _decided(current, pending, reveal=reveal)
    return {**told, **decided}


def _error(error: GatewayError | None) -> dict[str, str] | None:
    return {"error": error.name, "path": error.path, "rule": error.rule} if error else None


def _decided(current: Session, pending: PendingMessage, *, reveal: bool) -> dict[str, Any]:
    job, state, changes = worker(current.assembly, lambda: None).explain(pending)
    ending = changes.endings[0]
    return {
        "ends": ending.outcome.state,
        "why": {"error": ending.outcome.error, "path": ending.outcome.path, "rule": ending.outcome.rule},
        "facts": [_fact(f, reveal=reveal) for f in getattr(job.translation, "facts", ())],
        "notes": ending.notes,
        "identity": _identity(changes),
        "route": _route(state),
        "convocation": _convocations(state, reveal=reveal),
    }


_SAID = ("act", "state", "status", "unit", "priority")
_OF_PATIENT = ("gestation_weeks", "birth_date_corrected", "sms_consent", "national_record", "proof")
_OF_OBJECT = ("circumstances", "expected", "group", "parents")


def _fact(fact: Fact, *, reveal: bool) -> str:
    """A fact in a line; what it tells of the patient, and of how one came and went, by its names alone unless asked."""
    parts = [f"{name}={getattr(fact, name)}" for name in _SAID if getattr(fact, name, "")]
    for holder, names in ((fact.patient, _OF_PATIENT), (fact, _OF_OBJECT)):
        told = ((n, v) for name in names for n, v in _told(name, getattr(holder, name, None)))
        parts += [f"{name}={value}" if reveal else name for name, value in told]
    return " ".join([type(fact).__name__, *parts])


def _told(name: str, value: object) -> Iterator[tuple[str, object]]:
    """A value, or what is told of one that has parts, each with its name."""
    if isinstance(value, IdentityProof | Circumstances):
        yield from ((f.name, part) for f in fields(value) if (part := getattr(value, f.name)))
    elif value not in (None, "", ()):
        yield name, value


def _identity(changes: Changes) -> list[dict[str, Any]]:
    return [
        {"decision": text("audit", event.action), "action": event.action, **event.detail}
        for event in changes.audit
        if event.action.startswith(_IDENTITY) or event.action is AuditAction.FACT_STALE
    ]


def _route(state: State) -> list[dict[str, Any]]:
    return [
        {
            "secretariat": item.secretariat,
            "kind": item.kind,
            "priority": item.priority,
            "state": item.state,
            "title": text("title", item.title),
            "rule": item.rule,
            "reason": reason(item),
        }
        for _, item in state.items.changes()
    ]


def _convocations(state: State, *, reveal: bool) -> list[dict[str, Any]]:
    """What patients are to be told, by which channel and why; when and where only if asked."""
    told = [convocation_json(known) for _, known in state.convocations.changes()]
    return told if reveal else [{**each, "convocations": len(each["convocations"])} for each in told]


def _print(told: dict[str, Any]) -> None:
    print_segments(told.get("segments", []))
    click.echo("")
    for label, line in _lines(told):
        click.echo(f"{label:9} {line}")


def _lines(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("source", "type", "answer", "ends"):
        yield key, told.get(key) or "-"
    for key in ("error", "why"):
        if any((told.get(key) or {}).values()):
            yield key, " ".join(v for v in told[key].values() if v)
    for departure in told.get("departures", []):
        yield "profile", f"{departure['path']}: {departure['rule']}"
    for fact in told.get("facts", []):
        yield "fact", fact
    for name, note in told.get("notes", {}).items():
        if note and name not in {"facts", "segments", "departures"}:
            yield name, json.dumps(note, ensure_ascii=False)
    for decision in told.get("identity", []):
        more = (f"{key}={value}" for key, value in decision.items() if key not in {"decision", "action"})
        yield "identity", ", ".join([decision["decision"], *more])
    yield from _work_lines(told)


def _work_lines(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for item in told.get("route", []):
        yield "route", f"{item['secretariat']}: {item['title']} [{item['priority']}, {item['state']}]"
        yield "", f"{item['rule']}: {item['reason']}"
    for known in told.get("convocation", []):
        reason = f" ({text('reach', known['reason'])})" if known["reason"] else ""
        how = f"{text('channel', known['channel'])}, {text('addressee', known['addressee'])}{reason}"
        yield "convoke", f"{text('convocation-kind', known['kind'])}: {text('outcome', known['outcome'])}, {how}"
