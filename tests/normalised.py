"""What a database says, without what differs between two runs of one day: ids drawn at random, numbers, our own clock.

Every id is replaced by the name of what it identifies: a record by its identifier, a person by its records, an object
by its business identifiers, an item by its object and queue, a message by its control ID. So two databases, of any
kind, that have come to the same end by other ways are equal. The keys by which an order finds the results that came
before it are left out: whether they were needed depends on what came first, and they find nothing any more.
"""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Table, select

from adapters.store import schema
from adapters.store.database import Database
from adapters.store.schema import Instant
from gateway.audit import AuditAction
from gateway.effect import misfiled_key
from gateway.focus import LATE_ORDER

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OWN_TIME = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{3,6}(?:Z|[+-][0-9:]{5})")
"""Our own clock's instants have fractions of a second; what these messages tell has none."""

_EFFECTS = (
    schema.message,
    schema.outcome,
    schema.person,
    schema.identity,
    schema.blocking_key,
    schema.focus,
    schema.focus_key,
    schema.waiting_fact,
    schema.convocation,
    schema.work_item,
    schema.work_item_history,
    schema.audit_event,
    schema.outbox,
)
ABOUT_IDENTITIES = "identities: "
"""What begins the name of those of whom the bus is told what happened to them."""

_MESSAGE_NUMBERS = {"message_id", "source_message", "told_message", "duplicate_of"}
_NUMBERED = {schema.message.c.id, schema.audit_event.c.id, schema.outbox.c.sequence}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Day:
    """What came of a day's messages.

    Attributes:
        effects: by table, its rows without what differs, counted; of what came again, only the first time.
        told: by secretariat and person, the bus messages in the order of the outbox: item and version; what one message
            has changed on several items is told in any order. By records, what happened to identities.
        again: control ID -> how often it came again and had no effect: a duplicate, or refused once more.

    """

    effects: Mapping[str, Counter[str]]
    told: Mapping[str, list[str]]
    again: Counter[str]


def the_day(database: Database) -> Day:
    """Give what a database says; nothing writes to it any more."""
    found = {table.name: _rows(database, table) for table in _EFFECTS}
    found["focus_key"] = [key for key in found["focus_key"] if not key["authority"].endswith(LATE_ORDER)]
    control = {m["id"]: m["control_id"] for m in found["message"]}
    _name_messages(found, control)
    again = _again(found)
    names = _names(found)
    effects = {
        table.name: Counter(
            _told(table, row, names, control) for row in found[table.name] if _counts(table, row, again)
        )
        for table in _EFFECTS
    }
    return Day(effects, _by_patient(found, names), Counter(control[number] for number in again))


def _name_messages(found: Mapping[str, list[Row]], control: Mapping[int, str]) -> None:
    """Put control IDs for numbers where these stand within a value."""
    for key in found["focus_key"]:
        if key["authority"] == misfiled_key(0, 0).authority:
            number, _, ordinal = key["value"].partition("/")
            key["value"] = f"{control[int(number)]}/{ordinal}"
    for identity in found["identity"]:
        identity["provenance"] = [{**t, "message": control[t["message"]]} for t in identity["provenance"]]
    for focus in found["focus"]:
        focus["held"] = [{**held, "message": control[held["message"]]} for held in focus["held"]]


def _again(found: Mapping[str, list[Row]]) -> set[int]:
    """Give the numbers of the receptions that came again, and had no effect."""
    state = {o["message_id"]: o["state"] for o in found["outcome"]}
    seen: set[str] = set()
    again = set()
    for m in found["message"]:
        if m["control_id"] in seen and (state.get(m["id"]) == "duplicate" or m["code"] != "AA"):
            again.add(m["id"])
        seen.add(m["control_id"])
    return again


def _rows(database: Database, table: Table) -> list[Row]:
    with database.read() as connection:
        statement = select(table).order_by(*table.primary_key)
        return [dict(row) for row in connection.execute(statement).mappings()]


def _names(found: Mapping[str, list[Row]]) -> dict[str, str]:
    """Name everything that has an id."""
    names = {
        r["id"]: f"record {r['origin_authority'] or r['authority']}/{r['origin_value'] or r['value']}"
        for r in found["identity"]
    }
    names |= _joined("person of ", ((r["person_id"], names[r["id"]]) for r in found["identity"]))
    keys = ((k["focus_id"], f"{k['kind']} {names.get(k['value'], k['value'])}") for k in found["focus_key"])
    names |= _joined("", keys)
    names |= {i["id"]: f"item of {names[i['focus_id']]} at {i['secretariat']}" for i in found["work_item"]}
    names |= {o["message_id"]: _entry_name(o, names) for o in found["outbox"]}
    return names


def _entry_name(entry: Row, names: Mapping[str, str]) -> str:
    """Name an entry of the outbox; one that is about no item tells of identities."""
    return (
        f"{names[entry['item_id']]} version {entry['version']}" if entry["item_id"] else "what happened to identities"
    )


def _joined(prefix: str, pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    parts = defaultdict(list)
    for key, name in pairs:
        parts[key].append(name)
    return {key: prefix + " + ".join(sorted(each)) for key, each in parts.items()}


def _counts(table: Table, row: Row, again: set[int]) -> bool:
    """Whether a row is of the day's messages: not of the service's own life, nor of what came again."""
    number = row["id"] if table is schema.message else row.get("message_id")
    if table is schema.audit_event and number is None:
        return row["action"] in {AuditAction.ITEM_PUBLISHED, AuditAction.IDENTITY_PUBLISHED}
    return number not in again


def _told(table: Table, row: Row, names: Mapping[str, str], control: Mapping[int, str]) -> str:
    """Give a row as one text."""
    kept = {
        c.name: control.get(row[c.name], row[c.name]) if c.name in _MESSAGE_NUMBERS else _plain(row[c.name], names)
        for c in table.c
        if c not in _NUMBERED and not isinstance(c.type, Instant) and c.name not in {"partitions", "place"}
    }
    text = json.dumps(kept, sort_keys=True, ensure_ascii=False, default=str)
    text = _UUID.sub(lambda found: names.get(found.group(), "someone or something"), text)
    return _OWN_TIME.sub("then", text)


def _plain(value: Any, names: Mapping[str, str]) -> Any:
    """Give a value as JSON has it; lists of plain references in the order of names, for their own is that of ids."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return sorted(_UUID.sub(lambda found: names.get(found.group(), "?"), each) for each in value)
    return value


def _by_patient(found: Mapping[str, list[Row]], names: Mapping[str, str]) -> dict[str, list[str]]:
    cause = {(h["item_id"], h["version"]): h["message_id"] for h in found["work_item_history"]}
    told = defaultdict(list)
    for row in found["outbox"]:
        if row["subject"]:
            said = json.loads(row["body"])["entry"][1]["resource"]["parameter"]
            records = sorted(names[part["part"][0]["valueId"]] for part in said if "part" in part)
            told[f"{ABOUT_IDENTITIES}{', '.join(records)}"].append((row["sequence"], said[0]["valueCode"]))
            continue
        who = names.get(row["order_key"], "nobody any more")
        step = (cause[row["item_id"], row["version"]], names[row["message_id"]])
        told[f"{row['secretariat']}: {who}"].append(step)
    return {who: _in_order(steps) for who, steps in told.items()}


def _in_order(steps: Iterable[tuple[int, str]]) -> list[str]:
    """Sort what one message has changed."""
    return [name for _, each in groupby(steps, itemgetter(0)) for _, name in sorted(each)]
