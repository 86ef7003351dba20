"""`gateway serve`."""

import asyncio
from pathlib import Path

import click

from adapters.cli.session import session
from adapters.service import Role
from adapters.service import serve as run_service


@click.command()
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help='Written whole once everything listens: {"mllp": "HOST:PORT", "http": "http://HOST:PORT", "pid": N}.',
)
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.ALL.value,
    show_default=True,
    help="What this process does; several processes share one PostgreSQL database.",
)
@click.option("--while-stdin", is_flag=True, help="End also when standard input closes.")
def serve(ready_file: Path | None, role: str, *, while_stdin: bool) -> None:
    """Serve: MLLP and HTTP in, work items and the audit trail out, until SIGTERM.

    Makes the schema of an empty database by itself. Logs JSON lines on standard error, without patient data.

    \b
    Examples:
      gateway serve
      GATEWAY_MLLP_PORT=0 GATEWAY_HTTP_PORT=0 gateway serve --ready-file ready.json
      GATEWAY_DATABASE_URL=postgresql+psycopg://gateway@db/gateway \\
        GATEWAY_BROKER_URL=amqp://gateway@broker/ gateway serve
      gateway serve --role work          # one more worker, here or on another host
    """
    with session() as current:
        asyncio.run(run_service(current.assembly, current.principal, ready_file, Role(role), while_stdin=while_stdin))
