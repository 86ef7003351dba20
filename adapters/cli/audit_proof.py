"""`gateway audit verify`, `export` and `prove`."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import mkstemp
from typing import Any

import click

from adapters import proof
from adapters.audit_key import read_public
from adapters.audit_key import verify as check
from adapters.cli.output import NUMBER, json_option, print_json
from adapters.cli.session import session
from gateway.audit_export import entries_of, head_of, verify_export
from gateway.checkpoint import Signed, checkpoints_in
from gateway.errors import ConfigurationError
from gateway.verification import Verification
from mappings.texts import text

MOST_LINE = 1 << 26
"""Octets of one line of an export that are read; a longer one cannot be read."""

PROGRESS_SECONDS = 1.0

file_ = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--export", "exported", type=file_, metavar="FILE", help="Verify this export; no gateway is needed.")
@click.option(
    "--key",
    "public",
    type=file_,
    multiple=True,
    metavar="PEM",
    help="A public key that you trust; may be given again.",
)
@click.option(
    "--checkpoints",
    "kept",
    type=file_,
    multiple=True,
    metavar="FILE",
    help="Checkpoints that a sink kept; a syslog file will do.",
)
@json_option
@click.pass_context
def verify(
    ctx: click.Context, exported: Path | None, public: tuple[Path, ...], kept: tuple[Path, ...], *, as_json: bool
) -> None:
    """Check the whole log, or an export of it; exit 1 and name the first place that does not hold.

    Says also what it could not check: without a key that you have from elsewhere, and without checkpoints that left the
    machine, a log that was rewritten by who has both the database and the key cannot be told from the true one.

    \b
    Examples:
      gateway audit verify
      gateway audit verify --checkpoints /mnt/witness/checkpoints --json
      gateway audit verify --export audit.ndjson --key audit-key.pem --checkpoints /mnt/witness/checkpoints
    """
    trusted = {read_public(file) for file in public} or None
    outside = _checkpoints(kept)
    if exported is not None:
        found = _offline(exported, trusted, outside)
    else:
        with session() as current:
            found = proof.operations(current.assembly, current.principal).verify(trusted, outside, _progress())
    if as_json:
        print_json(_told(found))
    else:
        for line in _lines(found):
            click.echo(line)
    if not found.ok:
        ctx.exit(1)


def _offline(exported: Path, trusted: set[str] | None, outside: list[Signed]) -> Verification:
    lines = partial(_lines_of, exported)
    progress = _progress()
    return verify_export(lambda: entries_of(lines()), head_of(lines()), check, trusted, outside, progress)


def _lines_of(file: Path) -> Iterator[bytes]:
    with file.open("rb") as opened:
        yield from iter(partial(opened.readline, MOST_LINE), b"")


def _checkpoints(files: Iterable[Path]) -> list[Signed]:
    try:
        return checkpoints_in(line for file in files for line in _lines_of(file))
    except ValueError:
        raise ConfigurationError("checkpoints, one a line, are expected", path="--checkpoints") from None


def _progress() -> Callable[[int], None]:
    """Give what says on stderr, once a second, how far it has come."""
    told = time.monotonic()

    def say(events: int) -> None:
        nonlocal told
        if time.monotonic() - told >= PROGRESS_SECONDS:
            click.echo(f"{events} événements lus", err=True)
            told = time.monotonic()

    return say


def _told(found: Verification) -> dict[str, Any]:
    return {
        "ok": found.ok,
        "events": found.events,
        "sealed": found.sealed,
        "checkpoints": found.checkpoints,
        "outside": found.outside,
        "first_bad": asdict(found.first_bad) if found.first_bad else None,
        "unchecked": [asdict(each) for each in found.unchecked],
    }


def _lines(found: Verification) -> Iterator[str]:
    if found.first_bad is not None:
        bad = found.first_bad
        until = f" à {bad.until}" if bad.until and bad.until > bad.sequence else ""
        event = f", événement {bad.event}" if bad.event else ""
        yield f"chaîne rompue au maillon {bad.sequence}{until}{event} : {text('audit-problem', bad.problem)}"
        yield f"les {found.sealed} événements qui précèdent sont intacts"
        return
    yield f"chaîne intacte : {found.sealed} événements scellés"
    yield f"points de contrôle signés : {found.checkpoints} du journal, {found.outside} conservés ailleurs"
    for each in found.unchecked:
        yield f"non vérifié : {each.count} {text('audit-unchecked', each.what)}"


@click.command()
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="File to be made, or its folder.")
@json_option
def export(output: Path, *, as_json: bool) -> None:
    """Write the whole log, with checkpoints and public keys, so that it can be verified without the gateway.

    The file (mode 0600) appears when it is whole; one that is there already is never written over. The export is itself
    audited. Needs the right `audit:export`.

    \b
    Examples:
      gateway audit export -o audit.ndjson
      gateway audit export -o /mnt/archive/
    """
    with session() as current:
        lines = proof.operations(current.assembly, current.principal).export(_progress())
        file = output / f"audit-{current.assembly.site.id}.ndjson" if output.is_dir() else output
        _write(file, (line + b"\n" for line in lines))
    if as_json:
        print_json({"file": str(file), "bytes": file.stat().st_size})
    else:
        click.echo(f"journal exporté : {file}, {file.stat().st_size} octets")


@click.command()
@click.argument("event", type=NUMBER)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="File to be made.")
@json_option
def prove(event: int, output: Path, *, as_json: bool) -> None:
    """Write the proof that an event is in the log, for a third party who has the public key and nothing else of it.

    deploy/verify_proof.py checks it: a page of Python that needs nothing of the gateway. The proof holds the event, and
    is itself audited. Needs the right `audit:export`.

    \b
    Examples:
      gateway audit prove 4711 -o proof.json
      python3 deploy/verify_proof.py proof.json audit-key.pem
    """
    with session() as current:
        proven = proof.operations(current.assembly, current.principal).prove(event)
    _write(output, [json.dumps(proven, ensure_ascii=False, indent=2).encode(), b"\n"])
    if as_json:
        print_json({"file": str(output), "bytes": output.stat().st_size})
    else:
        click.echo(f"preuve établie : {output}")


def _write(file: Path, parts: Iterable[bytes]) -> None:
    """Make a file appear whole, on disk.

    Raises:
        ConfigurationError: there is such a file, or it cannot be written.

    """
    try:
        handle, name = mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(handle, "wb") as opened:
                opened.writelines(parts)
                opened.flush()
                os.fsync(handle)
            _name(Path(name), file)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        rule = f"a file that is not there yet, in a writable folder, is expected: {error.strerror}"
        raise ConfigurationError(rule, path="--output") from None


def _name(whole: Path, file: Path) -> None:
    """Give a file its name; where the filesystem can link, one that is there is not written over by any race."""
    try:
        file.hardlink_to(whole)
    except FileExistsError:
        raise
    except OSError:
        if file.exists():
            raise
        whole.rename(file)
