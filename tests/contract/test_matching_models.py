"""Models learnt from stored identities: kept, put in force without a restart, taken back, refused where doubtful."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner
from population.files import two_files
from population.mixes import MIXES
from sqlalchemy import select, update
from stores import Store
from test_store_alike import AUTHORITY, LABORATORY, admitted, of_laboratory, process, worker

from adapters.cli import main
from adapters.model_operations import ModelOperations
from adapters.store import schema
from adapters.store.audit import AuditQuery
from adapters.store.cohort import Cohort
from adapters.store.models import Models
from gateway.audit import AuditAction
from gateway.errors import AccessRefused, ResourceNotFound, StateConflict
from gateway.facts import Identifier, Patient, Traits
from gateway.identity import Identity
from gateway.pipeline import Changes
from gateway.principal import Principal, PrincipalKind, Right
from gateway.state import SHIPPED, State
from gateway.told import NEVER

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
TRAITS = tuple(Traits.__dataclass_fields__)


def models(store: Store, *rights: Right) -> ModelOperations:
    """Give what somebody may do with the models."""
    who = Principal("account:nadia", PrincipalKind.PERSON, rights=frozenset(rights))
    return ModelOperations(who, Models(store.database), Cohort(store.database), store.trail)


def fill(store: Store, persons: int) -> int:
    """Store what admissions and the laboratory hold of invented people; give how many records."""
    files, state, told = two_files(7, MIXES["plaine"], persons), State(), 0
    for authority, rows_ in ((AUTHORITY, files.left), (LABORATORY, files.right)):
        for row in rows_:
            told += 1
            id_ = f"{(told * 2654435761) % 2**32:08x}-0000-4000-8000-{told:012x}"
            key = Identifier(authority, f"{row.rec_id}")
            traits = Traits(**{t: row.traits.get(t, "") for t in TRAITS})
            known = NEVER.then("admissions", 0, NOW)
            state.put_identity(Identity(id_, key, id_, known, authoritative=True, patient=Patient((key,), traits)))
    with store.database.write() as connection:
        store.work.flush(connection, state, Changes(), NOW)
    return told


def asked_about(store: Store, number: str) -> dict[str, Any]:
    """Give what is asked about the laboratory's record of that number."""
    record = select(schema.identity.c.id).where(schema.identity.c.value == number)
    ((fact,),) = store.rows(select(schema.focus.c.fact).where(schema.focus.c.identity_id.in_(record)))
    return fact


def test_a_model_is_learnt_put_in_force_and_taken_back(store):
    """The service takes it with the next batch; the explanation names the one that decided."""
    stored = fill(store, 1_500)
    own = models(store, Right.IDENTITY_MODEL, Right.IDENTITY_READ)
    serving = worker(store)
    heard: list[tuple[str, int]] = []
    assert own.train("a first year", lambda what, done: heard.append((what, done))) == 1
    assert {"records", "pairs"} == {what for what, _ in heard}
    (kept,) = own.list_models().trained
    assert (kept.records, kept.principal, kept.reason) == (stored, "account:nadia", "a first year")
    assert kept.matches > 200
    versions = []
    for number, act in enumerate((lambda: None, lambda: own.use(1, "checked"), lambda: own.revert("asks much"))):
        act()
        family = f"ESSAI{'ABC'[number]}LON"
        store.take(admitted(f"A{number}", f"8{number}", family=family))
        serving.run_once()
        store.take(of_laboratory(f"L{number}", f"7{number}", family=family))
        serving.run_once()
        versions.append(asked_about(store, f"7{number}")["evidence"]["version"])
    assert versions == ["shipped-1", "trained-1", "shipped-1"]
    assert [use.model for use in own.list_models().uses] == [0, 1]
    actions = [event.action for event in store.trail.search(AuditQuery(principal="account:nadia"))]
    assert actions.count(AuditAction.MODEL_TRAINED) == 1
    assert actions.count(AuditAction.MODEL_PUT_IN_FORCE) == 2


def test_too_little_is_refused_and_said(store):
    """Nothing is kept; the trail has the reason."""
    process(store, admitted("A", "8001"), of_laboratory("B", "L7"))
    own = models(store, Right.IDENTITY_MODEL, Right.IDENTITY_READ)
    with pytest.raises(StateConflict, match="few-records, few-matches"):
        own.train("too early", lambda *_: None)
    assert own.list_models().trained == []
    (event,) = store.trail.search(AuditQuery(action=AuditAction.MODEL_TRAINED))
    assert event.detail["refused"].startswith("few-records,few-matches")


def test_only_what_is_there_and_fit_is_put_in_force(store):
    """No unknown number, not the one in force, none that relaxes a limit or is another program's."""
    fill(store, 1_500)
    own = models(store, Right.IDENTITY_MODEL, Right.IDENTITY_READ)
    number = own.train("a first year", lambda *_: None)
    with pytest.raises(ResourceNotFound):
        own.use(9, "a slip")
    with pytest.raises(StateConflict, match="already"):
        own.use(0, "the shipped one is")
    with pytest.raises(StateConflict, match="no other"):
        own.revert("there is none")
    own.use(number, "checked")
    kept = own.show(number).to_dict()
    process(store, admitted("A", "8000"))
    for n, (changed, said) in enumerate((({"automatic": 0.0}, "relaxed"), ({"spell": 1.0}, "outdated")), 1):
        with store.database.write() as connection:
            connection.execute(update(schema.matching_model).values(content=kept | changed))
        process(store, of_laboratory(f"L{n}", f"L{n}"))
        assert asked_about(store, f"L{n}")["evidence"]["version"] == SHIPPED.version
        own.use(0, "back")
        with pytest.raises(StateConflict, match=said):
            own.use(number, "again")
        with store.database.write() as connection:
            connection.execute(update(schema.matching_model).values(content=kept))
        own.use(number, "as it was")


def test_who_lacks_the_right_neither_trains_nor_chooses(store):
    """The right to operate, or to decide on identities, is not enough; refusals are in the trail."""
    own = models(store, Right.OPERATE, Right.IDENTITY_LINK, Right.IDENTITY_READ)
    for act in (lambda: own.train("r", lambda *_: None), lambda: own.use(0, "r"), lambda: own.revert("r")):
        with pytest.raises(AccessRefused):
            act()
    assert own.list_models().in_force == 0
    refused = store.trail.search(AuditQuery(action=AuditAction.ACCESS_REFUSED))
    assert {event.detail["act"] for event in refused} == {
        AuditAction.MODEL_TRAINED.value,
        AuditAction.MODEL_PUT_IN_FORCE.value,
    }


def test_the_commands_show_what_a_model_weighs(store, monkeypatch):
    """Bits beside those shipped, limits, and how many values are known; no value."""
    fill(store, 1_500)
    monkeypatch.setenv("GATEWAY_DATABASE_URL", store.url)

    def call(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["identity", *arguments])
        return done.exit_code, done.stdout

    assert call("train", "--reason", "a first year", "--json") == (0, '{\n  "model": 1\n}\n')
    assert call("models", "use", "1", "--reason", "checked")[0] == 0
    listed = json.loads(call("models", "list", "--json")[1])
    assert [(one["number"], one["in_force"]) for one in listed["models"]] == [(1, True), (0, False)]
    shown = json.loads(call("models", "show", "1", "--json")[1])
    assert shown["version"] == "trained-1"
    assert {one["trait"] for one in shown["weights"]} == set(SHIPPED.weights)
    names = [row[0]["birth_family_name"] for row in store.rows(select(schema.identity.c.patient["traits"]))]
    printed = call("models", "show", "1")[1]
    assert not [name for name in names if len(name) > 3 and name in printed]
    assert call("models", "revert", "--reason", "asks much") == (0, "model 0 is in force\n")
