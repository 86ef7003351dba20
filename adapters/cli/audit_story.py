"""`gateway audit story`: what happened, in French, for whoever is no technician."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from adapters.audit_key import read_signer
from adapters.audit_operations import audit_operations
from adapters.cli.audit_filter import asked_query, period_options
from adapters.cli.form import NEW_FILE, Form, emit, form_options, new_file, put, write_new
from adapters.cli.output import NUMBER, printable
from adapters.cli.session import Session, session
from adapters.proof import key_file
from gateway.audit import AuditEvent
from gateway.errors import ConfigurationError
from gateway.site import Site
from mappings.audit_story import Told, told, who

_SUBJECTS = {"patient": "du patient", "principal": "de", "item": "de la tâche", "message": "du message n°"}


@click.command()
@click.option("--patient", default="", help="An identifier's value: IPP, INS or a department's number.")
@click.option("--actor", "principal", default="", help="Who acted, e.g. account:martin or a source.")
@click.option("--item", default="", metavar="ID", help="A work item.")
@click.option("--message", type=NUMBER, help="Number of a received message.")
@period_options
@click.option(
    "--limit", default=1_000, show_default=True, type=click.IntRange(1, 100_000), help="At most so many, the newest."
)
@form_options
@click.option("--pdf", type=NEW_FILE, callback=new_file, help="Write it as PDF to this file, which is new.")
def story(limit: int, form: Form, output: Path | None, pdf: Path | None, **asked: Any) -> None:
    """Tell what happened to a patient, an item or a message, or what somebody did: who, what, to what, and why.

    In French, in order, day by day. It is itself audited; CSV, NDJSON and PDF need the right `audit:report`. Beside the
    PDF stands its Ed25519 signature (.sig), made with the key of the audit trail by who may read that.

    \b
    Examples:
      gateway audit story --patient 8001234567
      gateway audit story --actor account:martin --since 2026-03-01
      gateway audit story --message 12
      gateway audit story --patient 8001234567 --pdf recit.pdf
      gateway audit story --item 859ff440-7ae3-4a94-bec7-dcb39d1a8366 --format csv -o tache.csv
    """
    named = {name: asked[name] for name in _SUBJECTS if asked[name]}
    if len(named) != 1:
        raise click.UsageError("one of --patient, --actor, --item, --message is expected")
    with session() as current:
        site = current.assembly.site
        answers = audit_operations(current.assembly, current.principal)
        query = asked_query(asked, site.time_zone, limit)
        found = answers.write(query) if form.written or pdf else answers.search(query)
        ((subject, name),) = named.items()
        head = f"{_SUBJECTS[subject]} {name}"
        if pdf:
            _write_pdf(current, head, found, pdf)
    if pdf:
        return
    if form is not Form.TABLE:
        emit([_row(event, site) for event in found], form, output)
        return
    put("".join(f"{line}\n" for line in _lines(head, [told(e, site) for e in found], site)), output)
    if len(found) == limit:
        click.echo("older ones: --until an earlier time, or a larger --limit", err=True)


def _write_pdf(current: Session, head: str, found: Sequence[AuditEvent], file: Path) -> None:
    """Write the PDF, and beside it its signature where the key can be had."""
    from adapters.story_pdf import Sheet, story_pdf  # noqa: PLC0415 - a library, where it is used

    site, key = current.assembly.site, key_file(current.assembly)
    pdf = story_pdf(Sheet(head, datetime.now(UTC), who(current.principal.id, site)), found, site)
    write_new(file, pdf)
    if key is None:
        click.echo("not signed: GATEWAY_AUDIT_KEY names no key", err=True)
        return
    try:
        write_new(file.with_name(f"{file.name}.sig"), read_signer(key).signature(pdf))
    except ConfigurationError as error:
        click.echo(f"not signed: {error}", err=True)


def _row(event: AuditEvent, site: Site) -> dict[str, Any]:
    said = told(event, site)
    return {"n°": event.id, "quand": said.at, "qui": said.who, "quoi": said.what, "sur": list(said.about)}


def _lines(subject: str, acts: Sequence[Told], site: Site) -> Iterator[str]:
    zone = ZoneInfo(site.time_zone)
    yield f"{site.label} : récit {subject}, {len(acts)} traces"
    for day, each in groupby(acts, key=lambda act: act.at.astimezone(zone).date()):
        yield ""
        yield f"Le {day:%d/%m/%Y}"
        for act in each:
            about = f" ({', '.join(act.about)})" if act.about else ""
            yield printable(f"  {act.at.astimezone(zone):%H:%M:%S}  {act.who} : {act.what}{about}")
