"""What other rules would do with what came, and which configuration was in force, on each store."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest
from messages import appointment, document, patient_told, result
from stores import SITE, at_once

from adapters.configuring import record
from adapters.routing_operations import RoutingOperations
from adapters.store import routed
from adapters.store.audit import AuditQuery
from adapters.store.configurations import Configurations
from adapters.store.routed import RoutedObjects
from adapters.store.search import MessageFilter
from gateway.audit import AuditAction
from gateway.errors import AccessRefused
from gateway.principal import Principal, PrincipalKind, Right
from gateway.rehearsal import considered
from gateway.routing import Rule

OPERATOR = Principal("account:ops", PrincipalKind.PERSON, "operator", rights=frozenset({Right.OPERATE}))
RESULTS = Rule("results", "Résultats", ("cardiologie", "accueil"), ("result",), {"event": ("final", "critical")})
OTHER = replace(SITE, rules=(RESULTS, Rule("never", "", ("identite",), ("call",), {})), version="other")


def rehearsal(store, last=None, principal=OPERATOR, **period):
    objects = RoutedObjects(store.database)
    acts = RoutingOperations(principal, store.trail, objects, store.search, SITE)
    return acts.simulate(OTHER, MessageFilter(**period), last)


def events(store, action):
    return [e for e in store.trail.search(AuditQuery()) if e.action == action]


@pytest.fixture
def filled(store):
    store.process(patient_told("C1", "8001"), appointment("S12", "C2", "8001", "R1", when=1))
    store.process(
        result("C3", "8001", "O1", when=2), result("C4", "8001", "O2", when=3), document("T02", "C5", "8001", "D1")
    )
    return store


def test_a_rehearsal_counts_what_would_move_and_changes_nothing(filled, monkeypatch):
    """Two results would go elsewhere; the appointment and the document stay; no item, version or route is touched."""
    monkeypatch.setattr(routed, "CHUNK", 2)
    before = [(v.item.id, v.item.version, v.item.secretariat) for v in filled.worklist.items(None)]
    found = rehearsal(filled)
    assert found.objects == len(before) == 4
    ((move, count),) = found.moves.items()
    assert (move.kind, count, move.before.secretariats, move.after.secretariats) == (
        "result",
        2,
        ("accueil",),
        ("cardiologie", "accueil"),
    )
    assert len(found.examples[move]) == 2
    assert found.by_rule == Counter({"results": 2, "default": 2})
    assert found.unrouted == (4, 2)
    assert found.unused == ("never",)
    assert [(v.item.id, v.item.version, v.item.secretariat) for v in filled.worklist.items(None)] == before
    (event,) = events(filled, AuditAction.ROUTING_SIMULATED)
    assert (event.principal, event.detail["objects"], event.detail["moved"]) == ("account:ops", 4, 2)


def test_a_rehearsal_is_of_the_last_messages_or_of_a_period(filled):
    """By the number of messages, and by when they came."""
    assert rehearsal(filled, last=2).objects == 2
    assert rehearsal(filled, since=datetime(2999, 1, 1, tzinfo=UTC)).objects == 0
    assert rehearsal(filled, until=datetime(2000, 1, 1, tzinfo=UTC)).objects == 0


def test_what_another_site_would_do_is_the_operators_to_ask(filled):
    """A refusal is audited."""
    with pytest.raises(AccessRefused):
        rehearsal(filled, principal=replace(OPERATOR, rights=frozenset({Right.WORKLIST_READ_ALL})))
    assert [e.detail["act"] for e in events(filled, AuditAction.ACCESS_REFUSED)] == [AuditAction.ROUTING_SIMULATED]


def test_the_rehearsal_is_what_the_rules_then_do(filled):
    """The same reports told again, by a worker that has taken up the other rules: the items are where it was said."""
    said = rehearsal(filled)
    worker = filled.worker()
    worker.renew(replace(filled.decider(), site=OTHER), OTHER)
    filled.take(*(result(f"C{n}", "8001", f"O{n - 4}", when=n, value="9") for n in (5, 6)))
    while worker.run_once():
        pass
    results = [v.item for v in filled.worklist.items(None) if v.item.kind == "result" and v.item.open]
    assert Counter(item.secretariat for item in results) == Counter({"cardiologie": 2, "accueil": 2})
    assert {item.rule for item in results} == {"results"}
    assert said.moves.total() == 2
    routed_by = {e.detail["rules"] for e in events(filled, AuditAction.ITEM_CREATED) if e.detail["rule"] == "results"}
    assert routed_by == {"other"}


def test_each_rule_says_why_it_does_not_hold(filled):
    """In the rules' order, up to the one that does."""
    item = next(v.item for v in filled.worklist.items(None) if v.item.kind == "result")
    focus = RoutedObjects(filled.database).one(item.focus)
    by_unit = Rule("unit", "", ("cardiologie",), ("result",), {"unit": ("none",)})
    site = replace(SITE, rules=(replace(RESULTS, kinds=("call",)), by_unit, RESULTS, by_unit))
    asked = considered(focus, site)
    assert [(c.rule.name, c.failing) for c in asked] == [("results", "kind"), ("unit", "unit"), ("results", "")]
    assert asked[0].value == "result"


def test_a_configuration_in_force_is_kept_once_and_audited_with_what_it_changed(store, twin):
    """Two processes that start at once with one configuration keep it once; the next says what differs."""
    first = replace(SITE, version="first")
    kept = at_once(*(partial(record, s.database, first, "account:ops") for s in (store, twin)))
    assert sorted(kept) == [False, True]
    assert record(store.database, replace(OTHER, label="Autre"), "account:ops")
    one, two = Configurations(store.database).all()
    assert (one.number, one.version, two.number, two.version) == (1, "first", 2, "other")
    assert two.description["label"] == "Autre"
    begun, changed = events(store, AuditAction.CONFIGURATION_CHANGED)
    assert begun.detail == {"configuration": "first", "changed": 0}
    assert (changed.detail["before"], changed.detail["configuration"]) == ("first", "other")
    assert "rules[results].to: - > cardiologie, accueil" in changed.detail["changes"]
