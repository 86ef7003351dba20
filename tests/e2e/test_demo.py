"""The demonstration, run as a newcomer runs it: a real service, real sockets, and not a word of a patient in its log."""

import os
import sqlite3
from pathlib import Path

import pytest

from adapters.demo.page import WIDTH
from adapters.demo.patients import SENSITIVE
from adapters.demo.run import DemoResult, run_demo
from gateway.errors import ConfigurationError


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the run leaves its database and log."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def result(folder) -> DemoResult:
    """One run of the demonstration, on SQLite and the embedded bus."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY_")}
    return run_demo(keep=folder, pace=0, environment=environment)


def _leaks(content: bytes) -> list[str]:
    text = content.decode("utf-8", errors="replace").casefold()
    latin = content.decode("latin-1").casefold()
    return sorted(value for value in SENSITIVE if value.casefold() in text or value.casefold() in latin)


def test_the_morning_ends_as_the_scenario_says(result) -> None:
    """Answers, endings, queues, priorities, convocations, identity decisions, audit and bus are all as expected."""
    assert result.differences == ()
    assert result.ok


def test_the_page_tells_a_newcomer_everything(result) -> None:
    """Messages, quarantine, each queue with reasons, identities, one audit story and the verification are on the page."""
    for told in (
        "CHU démo",
        "messages received = ",
        "In quarantine, and why",
        "cardiology: Secrétariat de cardiologie",
        "  immédiat  Résultat critique (Ionogramme)",
        "Résultat critique demandé par la cardiologie, patient en chirurgie",
        "aucune règle : corbeille par défaut de l’établissement",
        "Collision possible : traits stricts contradictoires",
        "identités rapprochées [qualified-ins]",
        "identité confirmée par le bureau des entrées",
        "audit chain  intact",
        "scenario     as it should be",
    ):
        assert told in result.page
    assert max(map(len, result.page.splitlines())) <= WIDTH


def test_the_log_holds_nothing_of_a_patient(result) -> None:
    """Not one name, identifier, date of birth, address or telephone of the morning stands in the service's log (P6)."""
    log = result.log.read_bytes()
    assert log.count(b'"message.ended"') >= 60
    assert _leaks(log) == []


def test_the_answers_hold_nothing_of_a_patient(result) -> None:
    """Acknowledgments, their ERR segments and OperationOutcomes name path and rule, never a value (P6)."""
    acknowledgments = [a for a in result.answers if a.body.startswith(b"MSH")]
    outcomes = [a for a in result.answers if b'"OperationOutcome"' in a.body]
    assert any(b"\rERR|" in a.body for a in acknowledgments)
    assert len(outcomes) >= 3
    assert [leak for a in (*acknowledgments, *outcomes) for leak in _leaks(a.body)] == []


def test_what_the_bus_shows_outside_its_bodies_holds_nothing_of_a_patient(result, folder) -> None:
    """Ids, order keys, queue names and versions of the outbox tell nobody who the patient is (P6)."""
    with sqlite3.connect(folder / "gateway.db") as connection:
        rows = connection.execute("SELECT message_id, secretariat, order_key, item_id, version FROM outbox").fetchall()
    connection.close()
    assert len(rows) >= 40
    assert [leak for row in rows for leak in _leaks("|".join(map(str, row)).encode())] == []


def test_the_audit_trail_holds_no_trait(result, folder) -> None:
    """Audit events hold opaque ids, codes and counts: no name, no date of birth, no identifier of a patient (P6)."""
    columns = "principal || ' ' || correlation || ' ' || patients || ' ' || entities || ' ' || detail"
    with sqlite3.connect(folder / "gateway.db") as connection:
        rows = connection.execute(f"SELECT {columns} FROM audit_event").fetchall()
    connection.close()
    assert len(rows) >= 300
    assert [leak for (row,) in rows for leak in _leaks(row.encode())] == []


def test_the_service_is_gone_and_has_cleaned_up(result, folder) -> None:
    """The service ended in order: its last words say so, and no ready file is left."""
    assert b'"service.stopped"' in result.log.read_bytes().splitlines()[-1]
    assert not (folder / "ready.json").exists()


def test_a_database_that_is_in_use_is_refused(result, folder) -> None:
    """The demonstration writes into no database that holds anything."""
    environment = {"GATEWAY_DATABASE_URL": f"sqlite:///{folder / 'gateway.db'}"}
    with pytest.raises(ConfigurationError) as refused:
        run_demo(keep=folder, pace=0, environment=environment)
    assert refused.value.path == "GATEWAY_DATABASE_URL"
