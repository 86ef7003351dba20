"""`gateway routing`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from adapters.cli.item_lines import reason
from adapters.cli.output import NUMBER, json_option, print_json, print_table
from adapters.cli.period import instant
from adapters.cli.session import Session, session
from adapters.routing_operations import RoutingOperations
from adapters.store.routed import RoutedObjects
from adapters.store.search import MessageFilter
from gateway.rehearsal import Considered, Rehearsal, considered
from gateway.routing import Route
from mappings.site import load_site
from mappings.texts import text, title


@click.group()
def routing() -> None:
    """Say why an item is where it is, and what other rules would do."""


@routing.command()
@click.argument("site", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--since", default="", help="What was told of since then: 2h, 7d, or an ISO date and time.")
@click.option("--last", type=NUMBER, help="Only what the last so many messages told of.")
@json_option
def simulate(site: Path, since: str, last: int | None, *, as_json: bool) -> None:
    """Say where the rules of SITE would send what came lately, against those in force; nothing is changed.

    SITE is a folder like the one that GATEWAY_SITE names. Objects are routed as they stand now: appointments, reports,
    documents, stays and questions that ask for work. Once SITE is in force, an item that exists moves with the next
    message about its object, not before.

    \b
    Examples:
      gateway routing simulate /etc/gateway/site.new --since 7d
      gateway routing simulate /etc/gateway/site.new --last 10000 --json
    """
    with session() as current:
        then = load_site(site)
        period = MessageFilter(
            since=instant(since, current.assembly.site.time_zone, "--since"), until=datetime.now(UTC)
        )
        found = _operations(current).simulate(then, period, last)
        versions = current.assembly.site.version, then.version
    if as_json:
        print_json(_json(found, versions))
    else:
        _print(found, versions)


def _operations(current: Session) -> RoutingOperations:
    parts = current.assembly
    parts.operations(current.principal)  # an empty database gets its schema
    return RoutingOperations(current.principal, parts.trail, RoutedObjects(parts.database), parts.search, parts.site)


def _json(found: Rehearsal, versions: tuple[str, str]) -> dict[str, Any]:
    return {
        "now": versions[0],
        "then": versions[1],
        "objects": found.objects,
        "moved": found.moves.total(),
        "moves": [
            {
                "kind": move.kind,
                "count": count,
                "now": _route(move.before),
                "then": _route(move.after),
                "examples": found.examples[move],
            }
            for move, count in found.moves.most_common()
        ],
        "by_rule": dict(found.by_rule.most_common()),
        "unrouted": {"now": found.unrouted[0], "then": found.unrouted[1]},
        "unused": list(found.unused),
    }


def _route(route: Route) -> dict[str, Any]:
    return {"to": list(route.secretariats), "rule": route.rule, "priority": route.priority}


def _print(found: Rehearsal, versions: tuple[str, str]) -> None:
    click.echo(f"{found.objects} objects, by the rules {versions[0]} (in force) and {versions[1]}")
    rows = [
        {
            "count": count,
            "kind": move.kind,
            "now": _said(move.before),
            "then": _said(move.after),
            "for example": found.examples[move][0],
        }
        for move, count in found.moves.most_common()
    ]
    if rows:
        print_table(("count", "kind", "now", "then", "for example"), rows)
    click.echo(f"moved: {found.moves.total()}; caught by no rule: {found.unrouted[0]} now, {found.unrouted[1]} then")
    if found.unused:
        click.echo(f"rules that route none of them: {', '.join(found.unused)}")


def _said(route: Route) -> str:
    raised = f" ({route.priority})" if route.priority else ""
    return f"{' + '.join(route.secretariats)}{raised} by {route.rule}"


@routing.command()
@click.argument("item")
@json_option
def explain(item: str, *, as_json: bool) -> None:
    """Say why an item is on its queue and on no other: each rule in its order, and what of it does not hold.

    The rules are those in force now; an item that came by older ones names the one that brought it.

    \b
    Example:
      gateway routing explain 0b9f6c1e-7d0c-4b4e-9d53-5f2f6f0a3c11
    """
    with session() as current:
        told = current.operations.show_item(item)[0].item
        about = RoutedObjects(current.assembly.database).one(told.focus)
        asked = considered(about, current.assembly.site) if about else []
    if as_json:
        print_json(
            {
                "item": told.id,
                "secretariat": told.secretariat,
                "rule": told.rule,
                "reason": reason(told),
                "forwarded_from": list(told.hand.passed),
                "considered": [
                    {"rule": c.rule.name, "to": list(c.rule.to), "failing": c.failing or None, "value": c.value}
                    for c in asked
                ],
            }
        )
        return
    click.echo(f"{title(told.title)} : {told.secretariat} ({reason(told)})")
    if told.hand.passed:
        click.echo(f"transmise par {', '.join(told.hand.passed)}")
    print_table(("règle", "vers", "pourquoi"), [_considered(each) for each in asked])


def _considered(each: Considered) -> dict[str, object]:
    return {"règle": each.rule.name, "vers": ", ".join(each.rule.to), "pourquoi": _why(each)}


def _why(each: Considered) -> str:
    if not each.failing:
        return text("condition", "holds")
    expected = each.rule.kinds if each.failing == "kind" else each.rule.when[each.failing]
    given = each.value or text("condition", "nothing")
    return f"{text('condition', each.failing)} : {given} ; attendu : {', '.join(expected)}"
