"""`gateway bus`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any
from urllib.parse import unquote, urlsplit

import click

from adapters.bus import asyncapi, topology
from adapters.bus.dead_letters import DeadLetter
from adapters.cli.output import json_option, print_json, print_table
from adapters.cli.reason import reason_option, reveal_option
from adapters.cli.session import Session, session
from adapters.settings import EMBEDDED, load_settings
from gateway.errors import ConfigurationError, ResourceNotFound
from gateway.outbox import IDENTITY_QUEUE
from mappings.site import load_site

_NONE_HERE = "the embedded bus has no dead letters: whoever follows it reads the outbox itself"

_message_option = click.option("--message", "messages", multiple=True, metavar="ID", help="This message; repeatable.")
_all_option = click.option("--all", "every", is_flag=True, help="All that stand there now.")


@click.group()
def bus() -> None:
    """Look at the bus: its topology, and what its consumers could not take."""


@bus.command("topology")
@click.option(
    "--format",
    "form",
    type=click.Choice(["definitions", "asyncapi"]),
    default="definitions",
    show_default=True,
    help="RabbitMQ definitions, or an AsyncAPI 3.0 document.",
)
def topology_(form: str) -> None:
    """Print the exchanges, queues and bindings of the site's secretariats, as JSON; touches no broker.

    \b
    Examples:
      gateway bus topology > gateway.json && rabbitmqctl import_definitions gateway.json
      gateway bus topology --format asyncapi > asyncapi.json
    """
    settings = load_settings()
    site = load_site(settings.site)
    virtual_host = "/" if settings.broker_url == EMBEDDED else _virtual_host(settings.broker_url)
    if form == "definitions":
        print_json(topology.definitions([*site.secretariats, IDENTITY_QUEUE], virtual_host))
        return
    labels = {secretariat.id: secretariat.label for secretariat in site.secretariats.values()}
    labels[IDENTITY_QUEUE] = "Identities"
    release = version("secretariat-gateway")
    print_json(asyncapi.document(labels, title=site.label, version=release, virtual_host=virtual_host))


def _virtual_host(url: str) -> str:
    """Give the virtual host that an AMQP URL names; RabbitMQ's first where it names none."""
    return unquote(urlsplit(url).path[1:].partition("/")[0]) or "/"


@bus.group("dead-letters")
def dead_letters() -> None:
    """List, show, return and discard what the secretariats' consumers rejected or could not take."""


@dead_letters.command("list")
@click.argument("secretariat", default="")
@json_option
def list_(secretariat: str, *, as_json: bool) -> None:
    """Count the dead letters of SECRETARIAT, else of each of the site's.

    \b
    Examples:
      gateway bus dead-letters list
      gateway bus dead-letters list cardiology --json
    """
    with session() as current:
        asked = [secretariat] if secretariat else [*current.assembly.site.secretariats, IDENTITY_QUEUE]
        counts = current.operations.list_dead_letters(current.assembly.dead_letters(), asked)
        _require_known(current, counts)
        rows = [{"secretariat": name, "dead letters": count or 0} for name, count in counts.items()]
        embedded = _embedded(current)
    if as_json:
        print_json([{"secretariat": row["secretariat"], "dead_letters": row["dead letters"]} for row in rows])
    elif embedded:
        click.echo(_NONE_HERE)
    else:
        print_table(("secretariat", "dead letters"), rows)


@dead_letters.command()
@click.argument("secretariat")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1_000))
@reveal_option
@json_option
def show(secretariat: str, limit: int, reveal: str, *, as_json: bool) -> None:
    """Show the oldest dead letters of SECRETARIAT, bodies masked; they stay where they are.

    \b
    Examples:
      gateway bus dead-letters show cardiology --limit 5
      gateway bus dead-letters show cardiology --reveal "ticket 4711: which field does the worklist refuse?"
    """
    with session() as current:
        found = current.operations.show_dead_letters(current.assembly.dead_letters(), secretariat, limit, reveal)
        if not found:
            _require_known(current, current.assembly.dead_letters().count([secretariat]))
        embedded, zone = _embedded(current), current.assembly.site.time_zone
    now = datetime.now(UTC)
    if as_json:
        print_json([_json(letter, now, reveal=bool(reveal)) for letter in found])
        return
    if embedded:
        click.echo(_NONE_HERE)
        return
    print_table(("message", "reason", "deaths", "bytes", "died", "item", "v"), [_row(letter) for letter in found], zone)
    if reveal:
        for letter in found:
            click.echo(f"\n{letter.message_id}\n{letter.body.decode('utf-8', 'backslashreplace')}")


@dead_letters.command("return")
@click.argument("secretariat")
@_message_option
@_all_option
@reason_option
@json_option
def return_(secretariat: str, messages: Sequence[str], reason: str, *, every: bool, as_json: bool) -> None:
    """Return dead letters to the queue of SECRETARIAT, under the message ids that they had.

    Each is published and confirmed before it leaves the dead-letter queue: ended in between, it is there twice, and a
    consumer that handles each id once is not disturbed.

    \b
    Examples:
      gateway bus dead-letters return cardiology --all --reason "the worklist system is repaired"
      gateway bus dead-letters return cardiology --message 859ff440-7ae3-4a94-bec7-dcb39d1a8366 --reason "ticket 4711"
    """
    wanted = _wanted(messages, every=every)
    with session() as current:
        found = current.operations.return_dead_letters(current.assembly.dead_letters(), secretariat, wanted, reason)
        _tell(current, secretariat, found, wanted, "returned", as_json=as_json)


@dead_letters.command()
@click.argument("secretariat")
@_message_option
@_all_option
@reason_option
@json_option
def discard(secretariat: str, messages: Sequence[str], reason: str, *, every: bool, as_json: bool) -> None:
    """Discard dead letters of SECRETARIAT. The items stay in the worklist, and the messages in the outbox.

    \b
    Example:
      gateway bus dead-letters discard cardiology --message 859ff440-7ae3-4a94-bec7-dcb39d1a8366 --reason "a test"
    """
    wanted = _wanted(messages, every=every)
    with session() as current:
        found = current.operations.discard_dead_letters(current.assembly.dead_letters(), secretariat, wanted, reason)
        _tell(current, secretariat, found, wanted, "discarded", as_json=as_json)


def _embedded(current: Session) -> bool:
    return current.assembly.settings.broker_url == EMBEDDED


def _require_known(current: Session, counts: Mapping[str, int | None]) -> None:
    """A secretariat that has left the site's data may have dead letters; one that nobody knows is a typing error."""
    known = [*current.assembly.site.secretariats, IDENTITY_QUEUE]
    if any(count is None and name not in known for name, count in counts.items()):
        raise ConfigurationError(f"one of {', '.join(known)} is expected", path="SECRETARIAT")


def _wanted(messages: Sequence[str], *, every: bool) -> frozenset[str] | None:
    """Give the message ids asked for; None: all."""
    if every == bool(messages):
        raise click.UsageError("either --message ID, once or more, or --all")
    return None if every else frozenset(messages)


def _tell(
    current: Session,
    secretariat: str,
    found: Sequence[str],
    wanted: Iterable[str] | None,
    done: str,
    *,
    as_json: bool,
) -> None:
    """Say what was done; ids that were asked for and are not there are an error."""
    if not found:
        _require_known(current, current.assembly.dead_letters().count([secretariat]))
    if as_json:
        print_json({"secretariat": secretariat, done: found})
    elif _embedded(current):
        click.echo(_NONE_HERE)
    else:
        click.echo(f"{secretariat}: {len(found)} {done}")
    missing = frozenset(wanted or ()) - set(found)
    if missing and not _embedded(current):
        raise ResourceNotFound(f"{len(missing)} of the message ids are not in the dead-letter queue", path="--message")


def _row(letter: DeadLetter) -> dict[str, object]:
    return {
        "message": letter.message_id or "?",
        "reason": letter.reason,
        "deaths": letter.deaths,
        "bytes": letter.size,
        "died": letter.died_at,
        "item": letter.item,
        "v": letter.version or "",
    }


def _json(letter: DeadLetter, now: datetime, *, reveal: bool) -> dict[str, Any]:
    return {
        "message_id": letter.message_id or None,
        "secretariat": letter.secretariat,
        "item": letter.item or None,
        "version": letter.version or None,
        "reason": letter.reason,
        "deaths": letter.deaths,
        "died_at": letter.died_at,
        "age_seconds": int((now - letter.died_at).total_seconds()) if letter.died_at else None,
        "size": letter.size,
        "body": letter.body.decode("utf-8", "backslashreplace") if reveal else None,
    }
