"""`gateway status`."""

import sys
import time
from collections.abc import Iterator
from typing import Any

import click

from adapters.cli.output import json_option, json_text, print_json, print_table
from adapters.cli.session import Session, session
from adapters.ops.status import status as read_status
from gateway.errors import TroubleError

WATCH_SECONDS = 2.0
_CLEAR = "\033[H\033[2J"


@click.command()
@click.option(
    "--watch",
    "every",
    type=click.FloatRange(0.1, 3600),
    is_flag=False,
    flag_value=WATCH_SECONDS,
    metavar="[SECONDS]",
    help=f"Again every so many seconds ({WATCH_SECONDS:g} if none are given), until interrupted.",
)
@json_option
def status(every: float | None, *, as_json: bool) -> None:
    """Show how the gateway is: who serves, backlog, sources, queues, broker, alarms under way. Numbers only.

    Reads the database, so it works beside a running service and when none runs. With --watch and --json, one line of
    JSON each time. What needs attention is marked with !

    \b
    Examples:
      gateway status
      gateway status --json
      gateway status --watch
      gateway status --watch 10
    """
    with session() as current:
        current.operations.open_status()
        if every is None:
            _show(current, as_json=as_json)
            return
        while True:
            _show_again(current, as_json=as_json)
            time.sleep(every)


def _show(current: Session, *, as_json: bool) -> None:
    found = read_status(current.assembly.database, current.assembly.site)
    if as_json:
        print_json(found)
    else:
        _print(found, current.assembly.site.time_zone)


def _show_again(current: Session, *, as_json: bool) -> None:
    """Show it once more; a store that is away meanwhile is told, and looked for again."""
    try:
        found = read_status(current.assembly.database, current.assembly.site)
    except TroubleError as trouble:
        found = {"trouble": trouble.name, "rule": trouble.rule}
    if as_json:
        click.echo(json_text(found))
        sys.stdout.flush()
        return
    if sys.stdout.isatty():
        click.echo(_CLEAR, nl=False)
    if "trouble" in found:
        click.echo(f"! {found['trouble']}: {found['rule']}")
    else:
        _print(found, current.assembly.site.time_zone)


def _print(found: dict[str, Any], zone: str) -> None:
    for line in _lines(found):
        click.echo(line)
    if found["alarms"]:
        click.echo("")
        rows = [
            {
                **alarm,
                "alarm": f"! {alarm['alarm']}",
                "value": f"{alarm['value']:.0f}",
                "limit": f"{alarm['limit']:.0f}",
            }
            for alarm in found["alarms"]
        ]
        print_table(("alarm", "subject", "raised_at", "value", "limit"), rows, zone)
    click.echo("")
    sources = [{**each, "source": each["source"] or "(undeclared)"} for each in found["sources"]]
    print_table(("source", "last_seen", "last_5_minutes", "last_hour", "missing"), sources, zone)
    click.echo("")
    secretariats = [{**each, "open": _counted(each["open"], more=each["more"])} for each in found["secretariats"]]
    print_table(("secretariat", "open", "oldest"), secretariats, zone)


def _lines(found: dict[str, Any]) -> Iterator[str]:
    yield from _who(found)
    pipeline, outbox, audit, quarantine = (found[k] for k in ("pipeline", "outbox", "audit", "quarantine"))
    yield f"backlog     {pipeline['backlog']} pending{_aged(pipeline['backlog'], pipeline['oldest_pending_seconds'])}"
    yield f"quarantine  {_counted(quarantine['messages'], more=quarantine['more'])} messages that nobody has resolved"
    broker = {True: "broker up", False: "! broker away", None: "nobody relays"}[outbox["broker_up"]]
    yield f"outbox      {outbox['waiting']} waiting{_aged(outbox['waiting'], outbox['oldest_seconds'])}, {broker}"
    for reply in found["replies"]:
        waiting = f"{reply['waiting']} to tell{_aged(reply['waiting'], reply['oldest_seconds'])}"
        yield f"replies     {waiting}, to {reply['source']}"
    yield f"audit       {audit['unsealed']} unsealed{_aged(audit['unsealed'], audit['oldest_unsealed_seconds'])}"
    yield f"checkpoints {_covered(audit)}"
    for sink in audit["sinks"]:
        yield f"  {sink['sink']:9} {sink['waiting']} waiting{_aged(sink['waiting'], sink['oldest_seconds'])}"
    free = found["disk_free_bytes"]
    yield f"disk        {f'{free / 2**30:.1f} GiB free' if free is not None else 'the database server knows'}"
    yield f"schema      {found['schema']}"
    yield f"alarms      {len(found['alarms'])} under way"


def _covered(audit: dict[str, Any]) -> str:
    if not audit["keys"]:
        return f"! none: GATEWAY_AUDIT_KEY names no key, {audit['without_checkpoint']} sealed events without one"
    if not audit["checkpoint"]:
        return "none yet"
    outside = "" if audit["sinks"] else ", ! none leaves this machine"
    return f"{audit['checkpoint']} made, {audit['without_checkpoint']} sealed events without one{outside}"


def _who(found: dict[str, Any]) -> Iterator[str]:
    if not found["serving"]:
        yield "serving     ! nobody"
    for process in found["serving"]:
        intake = process["intake"]
        taking = "" if intake is None else ", taking in" if process["taking_in"] else f", ! taking nothing in: {intake}"
        seconds = max(0, round((found["at"] - process["started_at"]).total_seconds()))
        yield (
            f"serving     {process['role']} on {process['host']}, pid {process['pid']}, version {process['version']}, "
            f"for {_span(seconds)}, {process['connections']} connections{taking}"
        )
        if shown := process["certificate"]:
            yield f"certificate {_CERTIFICATE[shown['state']].format(days=abs(shown['days']))}"


_CERTIFICATE = {
    "good": "{days:g} days left (MLLPS)",
    "soon": "! {days:g} days left (MLLPS): to be renewed",
    "ended": "! ended {days:g} days ago (MLLPS)",
}


def _aged(count: int, seconds: float) -> str:
    return f", the oldest for {_span(round(seconds))}" if count else ""


def _counted(count: int, *, more: bool) -> str:
    return f"{count} or more" if more else str(count)


def _span(seconds: int) -> str:
    """Give a time for a person, in its two largest units."""
    parts: list[str] = []
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])
