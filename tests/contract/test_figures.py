"""How the queues fare, on each store: in numbers, of the queues that one may read, and of nobody in person."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from messages import patient_told, result
from stores import SITE
from test_item_clock import keeper, late  # noqa: F401 - a fixture
from test_item_desk import NADIA, desk

from adapters.cli import main
from adapters.operations import Operations
from adapters.store.audit import AuditQuery
from adapters.store.figures import QueueFigures, queue_figures
from gateway.audit import AuditAction
from gateway.errors import AccessRefused
from gateway.principal import Right
from gateway.worklist import ItemKind

QUEUES = list(SITE.secretariats)


def figures(store, since: timedelta = timedelta(days=1)) -> dict[str, QueueFigures]:
    now = datetime.now(UTC)
    return {f.secretariat: f for f in queue_figures(store.database, QUEUES, since=now - since, now=now)}


def operations(store, principal) -> Operations:
    return Operations(principal, store.inbox, store.search, store.desk, store.worklist, store.trail)


def test_figures_tell_what_came_what_was_done_and_what_is_late(late):  # noqa: F811
    """Two critical results came by no rule: both are late and told on; one is then answered and done."""
    store = late("O1", "O2")
    keeper(store).turn(datetime.now(UTC))
    mine = figures(store)["accueil"]
    assert (mine.received, mine.unrouted, mine.done, mine.escalated, mine.open, mine.overdue) == (2, 2, 0, 2, 2, 2)
    assert mine.oldest is not None
    cover = figures(store)["cardiologie"]
    assert (cover.received, cover.unrouted, cover.escalated, cover.open) == (2, 0, 2, 2)
    item = store.worklist.items(["accueil"], kind=ItemKind.RESULT)[0].item
    physician = desk(store, replace(NADIA, profession="physician"))
    physician.acknowledge_clinically(item.id)
    assert (figures(store)["accueil"].open, figures(store)["accueil"].overdue) == (2, 1)
    physician.done(item.id)
    mine = figures(store)["accueil"]
    assert (mine.done, mine.open, mine.overdue) == (1, 1, 1)
    assert figures(store, timedelta(seconds=-1))["accueil"].received == 0


def test_figures_are_of_ones_own_queues_and_audited(store):
    """Who works for one secretariat sees one; who may read all sees all; who may read none is refused."""
    now = datetime.now(UTC)

    def shown(principal):
        return [
            f.secretariat for f in operations(store, principal).show_figures(store.database, QUEUES, since=now, now=now)
        ]

    assert shown(NADIA) == ["accueil"]
    assert shown(replace(NADIA, rights=frozenset(Right))) == QUEUES
    assert len(store.trail.search(AuditQuery(action=AuditAction.FIGURES_SHOWN))) == 2
    with pytest.raises(AccessRefused):
        shown(replace(NADIA, rights=frozenset()))


def test_the_command_prints_figures_for_people_and_programs(store, monkeypatch):
    """A line for each queue of the site, in French; with --json, the same by name."""
    store.process(patient_told("C1", "8001"), result("R1", "8001", "O1", when=2))
    monkeypatch.setenv("GATEWAY_DATABASE_URL", store.url)
    printed = CliRunner().invoke(main, ["stats"])
    assert printed.exit_code == 0, printed.output
    assert printed.output.splitlines()[0].split("  ")[0] == "corbeille"
    assert "general" in printed.output
    told = json.loads(CliRunner().invoke(main, ["stats", "--since", "1h", "--json"]).output)
    assert {"secretariat", "received", "overdue", "oldest"} <= told[0].keys()


def test_lists_say_what_is_late_and_whether_somebody_was_told(late, monkeypatch):  # noqa: F811
    """« en retard », then « en retard, relancée »; the item's page says by when it was to be done."""
    store = late("O1")
    monkeypatch.setenv("GATEWAY_DATABASE_URL", store.url)
    listed = ["worklist", "list", "--kind", "result"]
    assert "en retard  " in CliRunner().invoke(main, listed).output
    keeper(store).turn(datetime.now(UTC))
    assert CliRunner().invoke(main, listed).output.count("en retard, relancée") == 2
    item = store.worklist.items(["accueil"], kind=ItemKind.RESULT)[0].item
    page = CliRunner().invoke(main, ["worklist", "show", item.id]).output
    assert "à faire avant le 2026-03-02 09:30:00 CET : en retard, relancée" in page
    assert "relance : délai dépassé" in page
    (told,) = [i for i in json.loads(CliRunner().invoke(main, [*listed, "--json"]).output) if i["id"] == item.id]
    assert (told["overdue"], told["escalated"], told["deadline"]) == (True, 1, "ladder")
