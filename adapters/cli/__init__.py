"""The command line. Exit codes: 0 done; 1 the answer is no; 2 wrong call or configuration; 3 trouble; 4 refused."""

from typing import Any

import click

from adapters.cli.audit import audit
from adapters.cli.config import config, migrate
from adapters.cli.demo import demo
from adapters.cli.explain import explain
from adapters.cli.messages import messages
from adapters.cli.send import send
from adapters.cli.serve import serve
from adapters.cli.worklist import worklist
from gateway.errors import AccessRefused, ConfigurationError, GatewayError, TroubleError

EXIT_NO = 1
EXIT_WRONG = 2
EXIT_TROUBLE = 3
EXIT_REFUSED = 4


class _Gateway(click.Group):
    """Says our own errors in one line, with an exit code of their kind."""

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
    r"""Secretariat gateway: HL7 v2 and FHIR in, work on the right secretariat's queue, proof of everything.

    All commands read the same settings: GATEWAY_... variables, over the TOML file that GATEWAY_CONFIG names.

    \b
    Exit codes: 0 done; 1 the answer is no; 2 wrong call or configuration; 3 the store or the broker is
    in trouble; 4 access refused.
    """


for _command in (serve, demo, send, explain, messages, worklist, audit, config, migrate):
    main.add_command(_command)
