"""``gateway identity``: who is who, what people decide of it, and how well patients are matched."""

import click

from adapters.cli import identity_decisions, identity_desk
from adapters.cli.identity_evaluate import evaluate
from adapters.cli.identity_load import load
from adapters.cli.identity_models import models, train
from adapters.cli.identity_scan import scan
from adapters.cli.identity_stats import stats


@click.group()
def identity() -> None:
    """Decide who is who: open questions, records side by side, decisions that can be undone.

    \b
    Examples:
      gateway identity list
      gateway identity evaluate --left a.csv --right b.csv --truth truth.csv --fields map.toml
    """


for command in (*identity_desk.COMMANDS, *identity_decisions.COMMANDS, evaluate, load, scan, stats, train, models):
    identity.add_command(command)
