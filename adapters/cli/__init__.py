"""The command line. Exit codes: 0 done; 1 the answer is no; 2 wrong call or configuration; 3 trouble; 4 refused."""

from importlib import import_module
from typing import Any

import click

from gateway.errors import AccessRefused, ConfigurationError, GatewayError, TroubleError

EXIT_NO = 1
EXIT_WRONG = 2
EXIT_TROUBLE = 3
EXIT_REFUSED = 4


COMMANDS = ("serve", "demo", "send", "explain", "messages", "worklist", "audit", "config", "migrate")
"""Each is a module of this package and the command of that name in it."""


class _Gateway(click.Group):
    """Loads only the command that is called, and says our own errors in one line, with an exit code of their kind."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Give the commands in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Give a command by name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"adapters.cli.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except GatewayError as error:
            click.echo(f"gateway: {error.name}: {error}", err=True)
            ctx.exit(_exit_code(error))


def _exit_code(error: GatewayError) -> int:
    match error:
        case AccessRefused():
            return EXIT_REFUSED
        case ConfigurationError():
            return EXIT_WRONG
        case TroubleError():
            return EXIT_TROUBLE
        case _:
            return EXIT_NO


@click.group(cls=_Gateway, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="secretariat-gateway")
def main() -> None:
    """Secretariat gateway: HL7 v2 and FHIR in, work on the right secretariat's queue, proof of everything.

    All commands read the same settings: GATEWAY_... variables, over the TOML file that GATEWAY_CONFIG names.

    \b
    Exit codes: 0 done; 1 the answer is no; 2 wrong call or configuration; 3 the store or the broker is
    in trouble; 4 access refused.
    """
