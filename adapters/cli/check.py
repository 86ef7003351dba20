"""`gateway check`."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import click

from adapters.cli.output import json_option, print_json, print_table, printable
from adapters.hl7v2.conformance import MOST_FINDINGS, Finding, Report, Severity, Unchecked, check_standard
from adapters.settings import load_settings
from gateway import er7, profile
from gateway.errors import ConfigurationError, GatewayError, SenderError
from gateway.profile import Profile
from mappings.hl7v2.batch import is_batch, read_file, split
from mappings.hl7v2.header import header_of
from mappings.site import site_profiles

SUFFIXES = frozenset({".hl7", ".er7", ".txt"})
"""Files of a folder that are taken for messages."""


class Verdict(StrEnum):
    """How a message stands, the worst that is true of it."""

    UNREADABLE = "unreadable"
    """The gateway's own reader refuses it."""
    DEPARTS = "departs"
    """Something is not as the standard or the profile wants it."""
    PARTLY = "partly"
    """Nothing departs, as far as could be looked; a part could not be checked."""
    REMARKS = "remarks"
    """Only lengths and codes of tables, where sites have their own."""
    CONFORMS = "conforms"


@dataclass(frozen=True, slots=True)
class Checked:
    """One message of a file.

    Attributes:
        file: where it stands.
        message: which of the file, from 1.
        type: ``ADT^A01``; empty if unreadable.
        verdict: how it stands.
        findings: where it departs.
        unchecked: what nobody could look at.

    """

    file: str
    message: int
    type: str
    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--profile", "name", default="", metavar="NAME", help="Check against this message profile as well.")
@click.option("--charset", default="", help="Read the files in this character set, whatever MSH-18 says.")
@click.option("--findings", "detailed", is_flag=True, help="Tell the findings of many files too, not only the table.")
@json_option
@click.pass_context
def check(ctx: click.Context, files: Sequence[Path], name: str, charset: str, *, detailed: bool, as_json: bool) -> None:
    """Report where HL7 v2 messages depart from the standard and from a profile, by path and rule.

    The standard is as hl7apy's tables have it. No value is told. A folder stands for the .hl7, .er7 and .txt files in
    it, at any depth. One message is told finding by finding; many are counted in a table, by folder and verdict:
    unreadable (not even the gateway's reader takes it), departs, partly (a part could not be checked, such as Z
    segments that no profile knows), remarks (lengths and codes of tables only), conforms. Nothing is stored, sent or
    changed.

    Exit 0: no message departs; 1: some do, or cannot be read; 2: wrong call.

    \b
    Examples:
      gateway check admission.hl7 --profile pam-fr
      gateway check /var/spool/samples --findings
      gateway check results/*.hl7 --json
    """
    asked = _profile(name) if name else None
    checked = [one for file in _files(files) for one in _checked(file, asked, charset)]
    if as_json:
        print_json({"messages": [asdict(one) for one in checked], "verdicts": _counts(checked)})
    else:
        _print(checked, detailed=detailed or len(checked) == 1)
    ctx.exit(1 if any(one.verdict in {Verdict.DEPARTS, Verdict.UNREADABLE} for one in checked) else 0)


def _profile(name: str) -> Profile:
    known = site_profiles(load_settings().site)
    if name not in known:
        raise ConfigurationError(f"one of {', '.join(sorted(known))} is expected", path="--profile")
    return known[name]


def _files(given: Sequence[Path]) -> Iterator[Path]:
    for path in given:
        if path.is_dir():
            yield from sorted(f for f in path.rglob("*") if f.suffix.lower() in SUFFIXES and f.is_file())
        else:
            yield path


def _messages(content: bytes) -> list[bytes]:
    """The messages of a file; of a batch those inside it, for its headers and trailers are no part of any.

    One that the gateway could not cut up is one thing that it cannot read.
    """
    parts = split(content)
    if is_batch(parts[0]):
        with suppress(SenderError):
            return list(read_file(parts[0]).messages) or parts
    return parts


def _checked(file: Path, asked: Profile | None, charset: str) -> Iterator[Checked]:
    for number, raw in enumerate(_messages(file.read_bytes()), start=1):
        try:
            message = er7.read(raw, charset=charset)
        except GatewayError as error:
            finding = Finding(error.path, error.rule, "gateway")
            yield Checked(str(file), number, "", Verdict.UNREADABLE, (finding,))
            continue
        report = _beside_profile(message, asked, check_standard(message))
        kind = header_of(message).message_type
        yield Checked(str(file), number, kind, _verdict(report), report.findings, report.unchecked)


def _beside_profile(message: er7.Message, asked: Profile | None, report: Report) -> Report:
    """The report with the profile's findings; what the profile knows of has been checked."""
    if asked is None:
        return report
    kind = header_of(message).message_type
    if not asked.covers(message, kind):
        uncovered = Unchecked("MSH-9", f"{asked.name} does not cover this message")
        return Report(report.findings, (*report.unchecked, uncovered))
    departures = profile.check(message, kind, asked, MOST_FINDINGS)
    said = (Finding(d.path, f"{d.broken.says} ({d.broken.id}; {d.broken.source})", asked.name) for d in departures)
    known = {rule.place.segment for rule in asked.rules_of(kind)}
    return Report((*report.findings, *said), tuple(u for u in report.unchecked if u.path.split("[")[0] not in known))


def _verdict(report: Report) -> Verdict:
    if any(finding.severity is Severity.ERROR for finding in report.findings):
        return Verdict.DEPARTS
    if report.unchecked:
        return Verdict.PARTLY
    return Verdict.REMARKS if report.findings else Verdict.CONFORMS


def _counts(checked: Sequence[Checked]) -> dict[str, int]:
    counts = Counter(one.verdict for one in checked)
    return {verdict.value: counts[verdict] for verdict in Verdict}


def _print(checked: Sequence[Checked], *, detailed: bool) -> None:
    for one in checked if detailed else ():
        click.echo(printable(f"{one.file}#{one.message}  {one.type}  {one.verdict}"))
        for finding in one.findings:
            click.echo(f"  {finding.severity:8} {finding.path:14} {finding.rule} [{finding.by}]")
        for unchecked in one.unchecked:
            click.echo(f"  {'?':8} {unchecked.path:14} {unchecked.why}")
    if len(checked) != 1:
        print_table(("folder", "messages", *(v.value for v in Verdict)), list(_table(checked)))


def _table(checked: Sequence[Checked]) -> Iterator[Mapping[str, Any]]:
    """One line a folder, and one for all."""
    folders: dict[str, list[Checked]] = {}
    for one in checked:
        folders.setdefault(str(Path(one.file).parent), []).append(one)
    for folder, those in sorted(folders.items()):
        yield {"folder": folder, "messages": len(those), **_counts(those)}
    if len(folders) != 1:
        yield {"folder": "all", "messages": len(checked), **_counts(checked)}
