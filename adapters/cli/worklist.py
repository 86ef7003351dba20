"""`gateway worklist`."""

import json
import signal
import threading
from typing import Any

import click

from adapters.bus.delivery import Delivery
from adapters.bus.embedded import EmbeddedConsumer
from adapters.cli import item_acts
from adapters.cli.item_lines import item_json, lateness, person_line, reason
from adapters.cli.output import json_option, json_text, print_json, print_table, said
from adapters.cli.reason import break_glass_option
from adapters.cli.session import session
from adapters.settings import EMBEDDED
from adapters.store.worklist import ItemView
from gateway.errors import ConfigurationError
from gateway.sight import Sight
from gateway.worklist import ItemKind, ItemState
from mappings.texts import text, title


@click.group()
def worklist() -> None:
    """Read the secretariats' worklists (corbeilles), and act on their items."""


for command in item_acts.COMMANDS:
    worklist.add_command(command)


@worklist.command("list")
@click.argument("secretariat", default="")
@click.option("--kind", type=click.Choice([k.value for k in ItemKind]), help="Only items of this kind.")
@click.option(
    "--state", "states", multiple=True, type=click.Choice([s.value for s in ItemState]), help="Only in these states."
)
@click.option("--all", "everything", is_flag=True, help="Also what is done or withdrawn.")
@click.option("--limit", default=1_000, show_default=True, type=click.IntRange(1, 100_000))
@json_option
def list_(
    secretariat: str, kind: str | None, states: tuple[str, ...], limit: int, *, everything: bool, as_json: bool
) -> None:
    """List items in the order in which they are to be done: priority, due time, age.

    Without SECRETARIAT, those of all that one may read.
    With --json, everything is listed unless --state says otherwise.

    \b
    Examples:
      gateway worklist list cardiology
      gateway worklist list --kind result --state new --json
    """
    wanted = [ItemState(s) for s in states]
    if not (wanted or everything or as_json):
        wanted = [ItemState.NEW, ItemState.CLAIMED, ItemState.ON_HOLD]
    with session() as current:
        _require_known(secretariat, current.assembly.site.secretariats)
        views = current.operations.list_worklist(
            secretariat, kind=ItemKind(kind) if kind else None, states=wanted, limit=limit
        )
    if as_json:
        print_json([item_json(view) for view in views])
        return
    columns = (
        "corbeille",
        "priorité",
        "genre",
        "état",
        "tenue par",
        "objet",
        "patient",
        "échéance",
        "retard",
        "depuis",
        "id",
    )
    print_table(columns, [_row(view) for view in views], current.assembly.site.time_zone)


def _require_known(secretariat: str, known: dict[str, Any]) -> None:
    if secretariat and secretariat not in known:
        raise ConfigurationError(f"one of {', '.join(known)} is expected", path="SECRETARIAT")


def _row(view: ItemView) -> dict[str, object]:
    item = view.item
    return {
        "corbeille": item.secretariat,
        "priorité": text("priority", item.priority),
        "genre": text("kind", item.kind),
        "état": text("state", item.state),
        "objet": title(item.title),
        "patient": person_line(view.person),
        "échéance": item.due,
        "retard": lateness(item),
        "tenue par": item.hand.holder,
        "depuis": item.created_at,
        "id": item.id,
    }


@worklist.command()
@click.argument("item")
@break_glass_option
@json_option
def show(item: str, break_glass: str, *, as_json: bool) -> None:
    """Show one item with every version of it, as far as your profession and your secretariats let you see it.

    \b
    Examples:
      gateway worklist show 0b9f6c1e-7d0c-4b4e-9d53-5f2f6f0a3c11
      gateway worklist show 0b9f6c1e-7d0c-4b4e-9d53-5f2f6f0a3c11 --break-glass "urgence vitale, médecin de garde"
    """
    with session() as current:
        view, history = current.operations.show_item(item, break_glass)
    steps = [
        {
            "version": s.version,
            "at": s.at,
            "state": s.state,
            "priority": s.priority,
            "title": s.title,
            "message": s.message,
            "by": s.principal,
            "secretariat": s.secretariat,
            "holder": s.holder or None,
            "deed": s.deed or None,
            "note": s.note,
            "changed": list(s.changed),
        }
        for s in history
    ]
    zone = current.assembly.site.time_zone
    if as_json:
        print_json({**item_json(view), "detail": view.item.detail, "history": steps})
        return
    click.echo(f"{title(view.item.title)} ({view.item.detail})" if view.item.detail else title(view.item.title))
    click.echo(person_line(view.person))
    click.echo(f"{view.item.secretariat} : {reason(view.item)}")
    if view.item.due:
        late = lateness(view.item)
        click.echo(f"à faire avant le {said(view.item.due, zone)}{f' : {late}' if late else ''}")
    for remark in view.item.remarks:
        click.echo(f"! {text('remark', remark)}")
    if view.item.hand.saw:
        click.echo(f"! {text('late', 'saw')} : {', '.join(view.item.hand.saw)}")
    for signature, said_of in (
        (view.item.hand.receipt, "acknowledge"),
        (view.item.hand.reading, "acknowledge-clinically"),
    ):
        if signature:
            click.echo(f"{text('deed', said_of)} : {signature.by}, {said(signature.at, zone)}")
    shown = [_step_row(step) for step in steps]
    print_table(("version", "at", "state", "priority", "title", "message", "by", "acte", "note"), shown, zone)


def _step_row(step: dict[str, Any]) -> dict[str, Any]:
    deed = text("deed", step["deed"]) if step["deed"] else ", ".join(text("changed", c) for c in step["changed"])
    return {**step, "title": title(step["title"]), "acte": deed}


@worklist.command()
@click.argument("secretariat")
@click.option("--tap", is_flag=True, help="RabbitMQ: look on, by a queue of one's own, and take nothing.")
@click.option("--subscription", default="follow", show_default=True, help="Embedded bus: name of the durable cursor.")
@click.option("--for", "seconds", type=click.FloatRange(min=0), help="End after so many seconds.")
@click.option("--count", type=click.IntRange(min=1), help="End after so many items.")
@json_option
def follow(
    secretariat: str, subscription: str, seconds: float | None, count: int | None, *, tap: bool, as_json: bool
) -> None:
    """Show a secretariat's items as the bus delivers them, until Ctrl-C.

    On RabbitMQ this takes the messages from the secretariat's queue, as a worklist system would: where one is
    connected already, use --tap. On the embedded bus each subscription has a cursor of its own.

    \b
    Examples:
      gateway worklist follow cardiology
      gateway worklist follow cardiology --tap --json
    """
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    if seconds is not None:
        timer = threading.Timer(seconds, stop.set)
        timer.daemon = True
        timer.start()
    left = [count]

    with session() as current:
        _require_known(secretariat, current.assembly.site.secretariats)
        operations = current.operations
        operations.follow_worklist(secretariat)

        def show_delivery(delivery: Delivery) -> None:
            masked = operations.see_delivery(delivery.item) is Sight.MASKED
            click.echo(json_text(_delivered(delivery, masked)) if as_json else _delivered_line(delivery, masked))
            if left[0] is not None:
                left[0] -= 1
                if left[0] == 0:
                    stop.set()

        if current.assembly.settings.broker_url == EMBEDDED:
            consumer = EmbeddedConsumer(current.assembly.outbox, subscription, secretariat)
            for delivery in consumer.deliveries(stop):
                show_delivery(delivery)
        else:
            from adapters.bus.consumer import follow as follow_queue  # noqa: PLC0415 - a client, where it is used

            follow_queue(current.assembly.settings.broker_url, secretariat, show_delivery, stop=stop, tap=tap)


def _delivered(delivery: Delivery, masked: bool) -> dict[str, Any]:  # noqa: FBT001 - its one trait
    return {
        "message_id": delivery.message_id,
        "secretariat": delivery.secretariat,
        "item": delivery.item,
        "version": delivery.version,
        "bundle": None if masked else json.loads(delivery.body),
    }


def _delivered_line(delivery: Delivery, masked: bool) -> str:  # noqa: FBT001 - its one trait
    if masked:
        return f"v{delivery.version:<3} {text('sight', 'masked')}  ({text('sight', 'patient')})  {delivery.item}"
    resources = [entry["resource"] for entry in json.loads(delivery.body)["entry"]]
    task = next(r for r in resources if r["resourceType"] == "Task")
    patient: dict[str, Any] = next((r for r in resources if r["resourceType"] == "Patient"), {})
    names = ", ".join(name.get("family", "") for name in patient.get("name", []))
    return (
        f"{task['priority']:8} {task['code']['coding'][0]['code']:14} v{delivery.version:<3} "
        f"{task['status']:10} {task['description']}  ({names}, {patient.get('birthDate', '')})  {delivery.item}"
    )
