"""`gateway identity`."""

import click

from adapters.cli import identity_desk


@click.group()
def identity() -> None:
    """Decide who is who: open questions, records side by side, decisions that can be undone."""


for command in identity_desk.COMMANDS:
    identity.add_command(command)
