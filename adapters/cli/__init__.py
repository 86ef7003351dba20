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


COMMANDS = {
    "serve": "Serve: MLLP and HTTP in, work items and the audit trail out, until SIGTERM.",
    "status": "Show how the gateway is: who serves, backlog, sources, queues, broker, alarms under way. Numbers only.",
    "demo": "Play a morning at the hospital into a real gateway, and show what came of it.",
    "send": "Send HL7 v2 messages by MLLP and print each acknowledgment.",
    "explain": "Say what the gateway would do with FILE now, and why: segments, answer, translation, identity, route.",
    "check": "Report where HL7 v2 messages depart from the standard and from a profile, by path and rule.",
    "messages": "Find and show received messages, and act on them: each act with a reason, and a right of its own.",
    "worklist": "Read the secretariats' worklists (corbeilles), and act on their items.",
    "stats": "Show how the secretariats' queues fare, in numbers: of queues, never of persons.",
    "convocation": "Convene patients: letters, what became of them, and who did not come.",
    "orders": "List what was ordered and has no result yet.",
    "identity": "Decide who is who: open questions, records side by side, decisions that can be undone.",
    "bus": "Look at the bus: its topology, and what its consumers could not take.",
    "audit": "Search and tell the audit trail, report on it, and prove it.",
    "retention": "Purge what has been kept for its time.",
    "routing": "Say why an item is where it is, and what other rules would do.",
    "config": "Look at the configuration.",
    "migrate": "Bring the database's schema to this program's revision.",
}
"""Each is a module of this package and the command of that name in it, with what its help says first."""


class _Described(click.Group):
    """Commands in their own order."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Give the commands in the order in which a newcomer meets them."""
        return list(self.commands)


class _Gateway(click.Group):
    """Loads only the command that is called, and says our own errors in one line, with an exit code of their kind."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Give the commands in the order in which a newcomer meets them."""
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        described = {name: click.Command(name, help=purpose) for name, purpose in COMMANDS.items()}
        _Described(commands=described).format_commands(ctx, formatter)

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
