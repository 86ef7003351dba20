"""`gateway demo`."""

import os
import signal
import sys
from pathlib import Path

import click

from adapters.cli.output import json_option, print_json
from adapters.demo.run import run_demo

EXIT_TERMINATED = 128 + signal.SIGTERM


@click.command()
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Leave database and log in this folder.")
@click.option("--pace", default=0.0, type=click.FloatRange(min=0), help="Seconds between two messages.")
@json_option
@click.pass_context
def demo(ctx: click.Context, keep: Path | None, pace: float, *, as_json: bool) -> None:
    """Play a morning at the hospital into a real gateway, and show what came of it.

    Exit 0 only if everything ended as the scenario says. GATEWAY_DATABASE_URL (an empty database) and
    GATEWAY_BROKER_URL are taken where they are set; otherwise SQLite in a folder of its own, and the embedded bus.

    \b
    Examples:
      gateway demo
      gateway demo --keep ./morning
      GATEWAY_BROKER_URL=amqp://guest:guest@127.0.0.1/ gateway demo --pace 0.3
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_TERMINATED))  # the service of our own ends with us
    result = run_demo(keep=keep, pace=pace, environment=os.environ, letter=True)
    if as_json:
        print_json({"ok": result.ok, "summary": result.summary, "differences": result.differences})
    else:
        click.echo(result.page)
    for difference in result.differences:
        click.echo(f"NOT AS THE SCENARIO SAYS: {difference}", err=True)
    if result.log is not None:
        click.echo(f"The database and the service's log are in {result.log.parent}", err=True)
    ctx.exit(0 if result.ok else 1)
