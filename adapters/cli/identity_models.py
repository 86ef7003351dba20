"""`gateway identity train` and `gateway identity models`."""

import time
from dataclasses import asdict
from typing import Any

import click

from adapters.cli.output import json_option, print_json, print_table
from adapters.cli.reason import reason_option
from adapters.cli.session import session
from adapters.model_operations import Progress, weights_of
from adapters.pipeline import model_operations
from gateway.matching.model import Model

PROGRESS_SECONDS = 1.0
_number = click.IntRange(0, 2**31 - 1)
_COLUMNS = ("number", "in_force", "trained_at", "principal", "records", "pairs", "matches", "reason")


@click.command()
@reason_option
@json_option
def train(reason: str, *, as_json: bool) -> None:
    """Learn what agreements weigh from the stored identities; nobody tells it who is who.

    At most 200,000 records and 400,000 candidate pairs are read, a few at a time, while the gateway serves. What is
    learnt is kept beside the other models and decides nothing until `models use` puts it in force. Thresholds and
    guards stay the shipped ones. It is refused where there are too few records (2,000) or pairs of one person (200),
    where the estimate has not come to rest, or where a weight is out of bounds. Needs the right `identity:model`.

    \b
    Example:
      gateway identity train --reason "first year of records"
    """
    with session() as current:
        number = model_operations(current.assembly, current.principal).train(reason, _progress())
    if as_json:
        print_json({"model": number})
    else:
        click.echo(f'model {number} is kept; gateway identity models use {number} --reason "..." puts it in force')


def _progress() -> Progress:
    """Say on standard error, once a second, how far it is."""
    told = time.monotonic()

    def tell(what: str, done: int) -> None:
        nonlocal told
        if time.monotonic() - told >= PROGRESS_SECONDS:
            told = time.monotonic()
            click.echo(f"{done} {what}", err=True)

    return tell


@click.group()
def models() -> None:
    """See and choose what the matcher weighs by: the shipped model (0), or one learnt here."""


@models.command("list")
@json_option
def list_models(*, as_json: bool) -> None:
    """List the models, who had them learnt, on how many records, and which one is in force.

    \b
    Example:
      gateway identity models list
    """
    with session() as current:
        shelf = model_operations(current.assembly, current.principal).list_models()
        zone = current.assembly.site.time_zone
    rows: list[dict[str, Any]] = [asdict(one) for one in shelf.trained]
    rows.append(dict.fromkeys(_COLUMNS) | {"number": 0, "reason": "shipped"})
    for row in rows:
        row["in_force"] = row["number"] == shelf.in_force
    if as_json:
        print_json({"models": rows, "uses": [asdict(use) for use in shelf.uses]})
        return
    print_table(_COLUMNS, [row | {"in_force": "yes" if row["in_force"] else ""} for row in rows], zone)
    for use in shelf.uses[:1]:
        click.echo(f"model {use.model} in force since {use.since.isoformat()}, by {use.principal}: {use.reason}")


@models.command()
@click.argument("number", type=_number)
@json_option
def show(number: int, *, as_json: bool) -> None:
    """Show what each level of agreement weighs in a model, in bits, beside what is shipped.

    \b
    Example:
      gateway identity models show 1
    """
    with session() as current:
        model = model_operations(current.assembly, current.principal).show(number)
    columns = ("trait", "level", "bits", "shipped")
    weights = [dict(zip(columns, row, strict=True)) for row in weights_of(model)]
    if as_json:
        print_json(_limits(model) | {"weights": weights})
        return
    print_table(columns, weights)
    print_table(("limit", "value"), [{"limit": name, "value": value} for name, value in _limits(model).items()])


def _limits(model: Model) -> dict[str, object]:
    limits = ("version", "automatic", "review", "margin", "prior", "persons", "namesakes")
    known = {f"values_of_{trait}": len(of) for trait, of in model.frequencies.items()}
    return {name: getattr(model, name) for name in limits} | known


@models.command()
@click.argument("number", type=_number)
@reason_option
@json_option
def use(number: int, reason: str, *, as_json: bool) -> None:
    """Let a model decide from the next batch on, without a restart; 0 is the shipped one. Links made before stay.

    \b
    Example:
      gateway identity models use 1 --reason "checked with identity evaluate"
    """
    with session() as current:
        _say(model_operations(current.assembly, current.principal).use(number, reason), as_json=as_json)


@models.command()
@reason_option
@json_option
def revert(reason: str, *, as_json: bool) -> None:
    """Let the model decide that did before the one in force.

    \b
    Example:
      gateway identity models revert --reason "asks too much"
    """
    with session() as current:
        _say(model_operations(current.assembly, current.principal).revert(reason), as_json=as_json)


def _say(number: int, *, as_json: bool) -> None:
    if as_json:
        print_json({"in_force": number})
    else:
        click.echo(f"model {number} is in force")
