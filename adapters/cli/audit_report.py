"""`gateway audit report`: what compliance makes of the audit trail, each report an audited act."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from adapters.audit_operations import AuditOperations, Breach, audit_operations
from adapters.cli.audit_filter import period_options
from adapters.cli.form import Form, emit, form_options
from adapters.cli.output import print_table
from adapters.cli.period import instant
from adapters.cli.session import Session, session
from gateway.audit_report import Case, Deal, Limits
from gateway.site import Site
from mappings.audit_story import who
from mappings.texts import text


@click.group()
def report() -> None:
    """Report on the audit trail: a breach, anomalies, what a patient may be told."""


def _answers(current: Session) -> AuditOperations:
    return audit_operations(current.assembly, current.principal)


def _period(current: Session, since: str, until: str) -> tuple[datetime | None, datetime | None]:
    zone = current.assembly.site.time_zone
    return instant(since, zone, "--since"), instant(until, zone, "--until")


def _needed(since: datetime | None) -> datetime:
    if since is None:
        raise click.UsageError("--since: a time is expected")
    return since


@report.command()
@click.option("--patient", default="", help="Whose data: an identifier's value. Who saw or touched them is told.")
@click.option("--actor", "principal", default="", help="Whose dealings, e.g. account:martin. Whose data is told.")
@period_options
@form_options
def breach(patient: str, principal: str, since: str, until: str, form: Form, output: Path | None) -> None:
    """Tell who saw or touched a patient's data, or whose data somebody saw or touched, since a time (RGPD 33).

    The gateway's own processing is left out; what it told to queues of the bus is in. Needs the right `audit:report`.

    \b
    Examples:
      gateway audit report breach --patient 8001234567 --since 2026-03-01
      gateway audit report breach --actor account:martin --since 30d --format csv -o violation.csv
    """
    if bool(patient) is bool(principal):
        raise click.UsageError("one of --patient, --actor is expected")
    with session() as current:
        begin, end = _period(current, since, until)
        found = _answers(current).breach(patient, principal, _needed(begin), end)
        site = current.assembly.site
    if form is not Form.TABLE:
        emit(_breach_rows(found, site), form, output)
        return
    people = {each.who for each in found.dealings if each.deal is not Deal.TOLD}
    queues = {each.who for each in found.dealings if each.deal is Deal.TOLD}
    zone = ZoneInfo(site.time_zone)
    last = (end or datetime.now(UTC)).astimezone(zone)
    click.echo(f"{site.label} : du {_needed(begin).astimezone(zone):%d/%m/%Y %H:%M} au {last:%d/%m/%Y %H:%M}")
    click.echo(f"dossiers concernés : {len(found.patients)}")
    click.echo(f"comptes et systèmes : {len(people)}, files informées : {len(queues)}")
    columns = ("qui", "comment", "premier", "dernier", "actes", "dossiers")
    print_table(columns, [{**row, "actes": _acts(row["actes"])} for row in _breach_rows(found, site)], site.time_zone)
    if principal:
        click.echo("")
        rows = [{"domaine": i.authority, "identifiant": i.value} for i in found.patients.values()]
        print_table(("domaine", "identifiant"), sorted(rows, key=lambda row: (row["domaine"], row["identifiant"])))


def _breach_rows(found: Breach, site: Site) -> list[dict[str, Any]]:
    return [
        {
            "qui": who(each.who, site),
            "comment": text("deal", each.deal),
            "premier": each.first,
            "dernier": each.last,
            "actes": {text("audit", action): times for action, times in each.acts.items()},
            "dossiers": len(each.patients),
        }
        for each in found.dealings
    ]


def _acts(acts: dict[str, int]) -> str:
    return ", ".join(f"{name} ({times})" for name, times in acts.items())


@report.command()
@period_options
@click.option(
    "--opens", default=7, show_default=True, type=click.IntRange(0, 23), help="Hour from which work is usual."
)
@click.option("--closes", default=20, show_default=True, type=click.IntRange(1, 24), help="Hour from which it is not.")
@click.option(
    "--bulk", default=60, show_default=True, type=click.IntRange(1), help="Patients that one opens in an hour."
)
@click.option("--refusals", default=5, show_default=True, type=click.IntRange(1), help="Refusals in an hour.")
@form_options
def anomalies(since: str, until: str, form: Form, output: Path | None, **usual: int) -> None:
    """Tell what is worth a look, for the regular review of the log (CNIL 2021-122): by case, in order of time.

    Values shown for a reason, refusals again and again, data looked at out of hours or in bulk, items opened from
    outside their secretariat, what was exported. Nobody is ranked. Needs the right `audit:report`.

    \b
    Examples:
      gateway audit report anomalies --since 7d
      gateway audit report anomalies --since 2026-03-01 --until 2026-04-01 --format csv -o revue.csv
    """
    with session() as current:
        begin, end = _period(current, since, until)
        site = current.assembly.site
        found = _answers(current).anomalies(_needed(begin), end, Limits(site.time_zone, **usual))
    rows = [_case_row(case, site) for case in found]
    if form is not Form.TABLE:
        emit(rows, form, output)
        return
    columns = ("cas", "de", "à", "qui", "dossiers", "motif", "traces")
    print_table(columns, [{**row, "traces": _numbers(row["traces"])} for row in rows], site.time_zone)


SHOWN = 5
"""Numbers of events that a table shows of a case."""


def _numbers(numbers: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, numbers[:SHOWN]))
    return f"{shown} … ({len(numbers)})" if len(numbers) > SHOWN else shown


def _case_row(case: Case, site: Site) -> dict[str, Any]:
    return {
        "cas": text("anomaly", case.anomaly),
        "de": case.first,
        "à": case.last,
        "qui": who(case.who, site),
        "dossiers": case.patients,
        "motif": case.reason,
        "traces": case.events,
    }


@report.command()
@click.option("--patient", required=True, help="An identifier's value: IPP, INS or a department's number.")
@period_options
@form_options
def patient(patient: str, since: str, until: str, form: Form, output: Path | None) -> None:
    """Write for a patient who dealt with their data: day, profession, what was done, how often; no hour and no name.

    Needs the right `audit:disclose`.

    \b
    Example:
      gateway audit report patient --patient 8001234567 --format csv -o releve.csv
    """
    with session() as current:
        found = _answers(current).disclose(patient, *_period(current, since, until))
    rows = [
        {
            "jour": f"{each.day:%d/%m/%Y}",
            "profession": each.profession,
            "acte": text("audit", each.action),
            "fois": each.times,
        }
        for each in found
    ]
    if form is not Form.TABLE:
        emit(rows, form, output)
        return
    print_table(("jour", "profession", "acte", "fois"), rows)
