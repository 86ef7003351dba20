"""The conditions by which commands find audit events: the same words in each."""

from collections.abc import Callable
from typing import Any

import click

from adapters.cli.output import NUMBER
from adapters.cli.period import instant
from gateway.audit_query import AuditQuery

Command = Callable[..., Any]

_PERIOD = (
    click.option("--since", default="", metavar="TIME", help="From then on: 30m, 2h, 3d ago, or ISO."),
    click.option("--until", default="", metavar="TIME", help="Before then."),
)
_EACH = (
    click.option("--patient", default="", help="An identifier's value: IPP, INS or a department's number."),
    click.option("--principal", default="", help="Who acted, e.g. account:martin, gateway or a source."),
    click.option("--action", default="", help="An action or its beginning, e.g. user: or gateway:identity."),
    click.option("--message", type=NUMBER, help="Number of a received message."),
    click.option("--item", default="", metavar="ID", help="A work item."),
    click.option("--correlation", default="", help="MSH-10 or X-Request-Id of a message, or a bus message's id."),
)


def period_options(command: Command) -> Command:
    """Give a command the ends of a period."""
    for option in reversed(_PERIOD):
        command = option(command)
    return command


def about_options(command: Command) -> Command:
    """Give a command all conditions."""
    command = period_options(command)
    for option in reversed(_EACH):
        command = option(command)
    return command


def asked_query(asked: dict[str, Any], zone: str, limit: int) -> AuditQuery:
    """Give the conditions that a command was called with."""
    period = {name: instant(asked[name], zone, f"--{name}") for name in ("since", "until")}
    return AuditQuery(**(asked | period), limit=limit)
