"""`gateway identity scan`."""

import time
from collections.abc import Callable
from dataclasses import asdict

import click

from adapters.cli.output import json_option, print_json
from adapters.cli.session import session
from adapters.pipeline import identity_operations
from adapters.store.alike import Scanned
from adapters.store.identity_desk import Proposed

PROGRESS_SECONDS = 1.0


@click.command()
@click.option(
    "--questions",
    type=click.IntRange(0),
    default=1_000,
    show_default=True,
    help="Ask about stored identities that are alike, until so many questions are asked; 0 asks nothing.",
)
@click.option("--after", default="", metavar="ID", help="Begin behind this identity, where a former scan stopped.")
@json_option
def scan(questions: int, after: str, *, as_json: bool) -> None:
    """Let every stored identity be found by its likeness, and ask about those that are alike.

    First every identity is filed under its blocking keys, as what is stored from now on is when it comes. Then the
    identity desk is asked about those that may be one person; nobody is linked, whatever the site says, and nothing is
    asked twice, nor what people have decided. Both go in batches and may be stopped and begun anew; where the number
    of questions is reached, the identity that was looked at last is named, for --after. Needs the right `operate`.

    \b
    Examples:
      gateway identity scan --json
      gateway identity scan --questions 200
    """
    filed, asked = Scanned(0, 0, 0), Proposed(0, 0, after)
    tell = _progress()
    with session() as current:
        operations = identity_operations(current.assembly, current.principal)
        for filed in operations.scan():
            tell(f"{filed.looked} of {filed.records} filed")
        for asked in operations.propose(after) if questions else ():
            tell(f"{asked.looked} of {filed.records} compared, {asked.asked} questions")
            if asked.asked >= questions:
                break
    if as_json:
        print_json(asdict(filed) | {"compared": asked.looked, "asked": asked.asked, "last": asked.last})
        return
    click.echo(f"{filed.looked} identities looked at, {filed.filed} filed anew")
    click.echo(f"{asked.looked} compared, {asked.asked} questions asked{_rest(asked, questions)}")


def _rest(asked: Proposed, questions: int) -> str:
    return f"; go on with --after {asked.last}" if questions and asked.asked >= questions else ""


def _progress() -> Callable[[str], None]:
    """Say on standard error, once a second, how far it is."""
    told = time.monotonic()

    def tell(words: str) -> None:
        nonlocal told
        if time.monotonic() - told >= PROGRESS_SECONDS:
            told = time.monotonic()
            click.echo(words, err=True)

    return tell
