"""The conditions by which commands find messages: the same words in each."""

from collections.abc import Callable
from typing import Any

import click

from adapters.cli.period import instant
from adapters.cli.session import Session
from adapters.store.search import MessageFilter
from gateway.reception import State

Command = Callable[..., Any]

_EACH = (
    click.option("--source", default="", help="Only this source's."),
    click.option("--type", "message_type", default="", help="Only of this type: ADT^A01, Appointment:create."),
    click.option("--control-id", default="", help="Only those with this MSH-10 or X-Request-Id."),
    click.option(
        "--patient", default="", help="Only those that named or touched the patient of this IPP, INS or number."
    ),
    click.option("--error", default="", help="Only those that ended with this error, e.g. MessageIncoherent."),
    click.option("--owner", default="", help="Only those that this principal looks after, e.g. account:martin."),
    click.option("--since", default="", metavar="TIME", help="Received from then on: 30m, 2h, 3d ago, or ISO."),
    click.option("--until", default="", metavar="TIME", help="Received before then."),
)
_MORE = {
    "state": click.option("--state", type=click.Choice([s.value for s in State]), help="Only those in this state."),
    "held": click.option("--held", is_flag=True, help="Only those that an operator holds."),
}


def filter_options(*more: str) -> Callable[[Command], Command]:
    """Give a command the conditions, and further ones by name."""

    def given(command: Command) -> Command:
        for option in (*reversed(_EACH), *(_MORE[name] for name in more)):
            command = option(command)
        return command

    return given


def asked_filter(current: Session, asked: dict[str, Any]) -> MessageFilter:
    """Give the conditions that a command was called with."""
    zone = current.assembly.site.time_zone
    period = {name: instant(asked[name], zone, f"--{name}") for name in ("since", "until")}
    return MessageFilter(**{name: value for name, value in (asked | period).items() if value is not None})
