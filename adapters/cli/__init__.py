"""The command line. Exit codes: 0 done; 1 the answer is no; 2 wrong call or configuration; 3 trouble; 4 refused."""

import errno
import sys
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from traceback import extract_tb
from typing import Any

import click

from gateway.errors import AccessRefused, ConfigurationError, GatewayError, TroubleError

EXIT_NO = 1
EXIT_WRONG = 2
EXIT_TROUBLE = 3
EXIT_REFUSED = 4
EXIT_FAULT = 70
"""A fault of this program; the service ends with it too."""

_OURS = Path(__file__).parents[1]


COMMANDS = (
    "serve",
    "status",
    "demo",
    "send",
    "explain",
    "messages",
    "worklist",
    "bus",
    "audit",
    "retention",
    "config",
    "migrate",
)
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
        except (click.exceptions.Exit, click.Abort, click.ClickException):
            raise
        except UnicodeEncodeError:
            click.echo("gateway: arguments in UTF-8 are expected", err=True)
            ctx.exit(EXIT_WRONG)
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # the reader had enough: click ends in silence
            click.echo(f"gateway: {type(error).__name__}: {error.strerror}", err=True)
            ctx.exit(EXIT_TROUBLE)
        except Exception as fault:  # noqa: BLE001 - a traceback's texts may hold a patient's data
            click.echo(f"gateway: a fault of this program: {_place(fault)}", err=True)
            ctx.exit(EXIT_FAULT)


def _place(fault: Exception) -> str:
    """Give what went wrong and where, without a word of its text."""
    frames = extract_tb(fault.__traceback__)
    frame = next((f for f in reversed(frames) if Path(f.filename).is_relative_to(_OURS)), frames[-1])
    return f"{type(fault).__name__} at {Path(frame.filename).name}:{frame.lineno} in {frame.name}"


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
    in trouble; 4 access refused; 70 a fault of this program.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # an old terminal shows ? where it has no such sign
