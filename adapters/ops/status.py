"""How the gateway is, read from its database: beside a running service, and when none runs."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from adapters.mllp.tls import days_left
from adapters.ops.readings import INTAKE_OPEN, age, broker_up, free_bytes
from adapters.store.database import Database
from adapters.store.watch import COUNTED, HOUR_SLOTS, MINUTES_SLOTS, MISSING, Vitals, WatchStore
from gateway.site import Site


def status(database: Database, site: Site) -> dict[str, Any]:
    """Give how the gateway is: numbers, instants and names of the site's own.

    Raises:
        StorageUnavailable: the store does not answer.

    """
    now = datetime.now(UTC)
    store = WatchStore(database)
    vitals = store.vitals(now)
    return {
        "at": now,
        "schema": database.revision(),
        "serving": [_process(each, now) for each in map(asdict, vitals.serving)],
        "pipeline": {"backlog": vitals.backlog, "oldest_pending_seconds": age(vitals.oldest_pending, now)},
        "quarantine": {"messages": vitals.quarantined, "more": vitals.quarantined >= COUNTED},
        "outbox": {
            "waiting": vitals.outbox,
            "oldest_seconds": age(vitals.oldest_outbox, now),
            "broker_up": broker_up(vitals.serving),
        },
        "replies": [
            {
                "source": source.id,
                "waiting": due.count if due else 0,
                "oldest_seconds": age(due.oldest if due else None, now),
            }
            for source in site.sources
            if source.reply_to is not None
            for due in (vitals.replies.get(source.id),)
        ],
        "audit": {
            "unsealed": vitals.unsealed,
            "oldest_unsealed_seconds": age(vitals.oldest_unsealed, now),
            "keys": vitals.checkpoints.keys,
            "checkpoint": vitals.checkpoints.number,
            "without_checkpoint": vitals.checkpoints.bare,
            "sinks": [
                {"sink": name, "waiting": waiting, "oldest_seconds": age(vitals.checkpoints.waiting_since[name], now)}
                for name, waiting in sorted(vitals.checkpoints.waiting.items())
            ],
        },
        "disk_free_bytes": free_bytes(database.file),
        "alarms": [
            {
                "alarm": alarm.key.name,
                "subject": alarm.key.subject or None,
                "raised_at": alarm.raised_at,
                "value": alarm.value,
                "limit": alarm.threshold,
            }
            for alarm in vitals.alarms
        ],
        "sources": _sources(store, site, vitals, now),
        "secretariats": [
            {
                "secretariat": items.secretariat,
                "open": items.count,
                "more": items.count >= COUNTED,
                "oldest": items.oldest,
            }
            for items in store.open_items(site.secretariats)
        ],
    }


CERTIFICATE_WARNING_DAYS = 30
"""From so many days before its end on, a certificate is to be renewed."""


def _process(row: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A process that has no intake, or shows no certificate, says so by null."""
    taking_in = {"intake": row["intake"] or None, "taking_in": row["intake"] == INTAKE_OPEN}
    return {**row, **taking_in, "certificate": _certificate(row.pop("certificate_ends"), now)}


def _certificate(ends: datetime | None, now: datetime) -> dict[str, Any] | None:
    """Give when an MLLPS certificate ends, in how many days, and whether that is near (``soon``) or past."""
    if ends is None:
        return None
    left = days_left(ends, now)
    state = "ended" if left <= 0 else "soon" if left < CERTIFICATE_WARNING_DAYS else "good"
    return {"ends": ends, "days": left, "state": state}


def _sources(store: WatchStore, site: Site, vitals: Vitals, now: datetime) -> list[dict[str, Any]]:
    """Every source of the site, and last the undeclared senders, if there were any."""
    hour, minutes = store.traffic(now, HOUR_SLOTS), store.traffic(now, MINUTES_SLOTS)
    declared = [source.id for source in site.sources]
    undeclared = [""] if "" in vitals.seen else []
    return [
        {
            "source": source or None,
            "last_seen": vitals.seen.get(source),
            "last_5_minutes": minutes.get(source, 0),
            "last_hour": hour.get(source, 0),
            "missing": round(vitals.tallies.get((MISSING, source), 0)),
        }
        for source in (*declared, *undeclared)
    ]
