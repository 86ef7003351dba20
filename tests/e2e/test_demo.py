"""The demonstration as a newcomer runs it: a real service, real sockets, not a word of a patient in its log."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pika
import pytest
from sqlalchemy import create_engine, text

from adapters.assembly import Assembly
from adapters.bus.topology import ITEM_HEADER, VERSION_HEADER, queue_name
from adapters.demo.aftermath import Aftermath, look
from adapters.demo.check import differences
from adapters.demo.page import WIDTH, page
from adapters.demo.patients import SENSITIVE
from adapters.demo.play import Answer
from adapters.demo.run import DemoResult, ServiceFailed, last_morning, run_demo, service_environment
from adapters.demo.scenario import morning
from adapters.demo.steps import PARIS, Step
from adapters.settings import load_settings
from adapters.store.database import Database
from gateway.audit import Break
from gateway.errors import ConfigurationError
from gateway.outbox import IDENTITY_QUEUE
from mappings.site import DEMO, load_site

SCENARIO = morning(last_morning(datetime.now(PARIS)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where the run leaves its database and log."""
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def result(folder) -> DemoResult:
    """One run of the demonstration, on SQLite and the embedded bus."""
    return run_demo(keep=folder, pace=0, environment=_plain_environment())


def _plain_environment() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY_")}


def _leaks(content: bytes) -> list[str]:
    text = content.decode("utf-8", errors="replace").casefold()
    latin = content.decode("latin-1").casefold()
    return sorted(value for value in SENSITIVE if value.casefold() in text or value.casefold() in latin)


def test_the_morning_ends_as_the_scenario_says(result) -> None:
    """Answers, endings, queues, priorities, convocations, identity decisions, audit and bus are all as expected."""
    assert result.differences == ()
    assert result.ok


def test_the_page_tells_a_newcomer_everything(result) -> None:
    """Messages, quarantine, queues with reasons, identities, an audit story and the verification are on the page."""
    words = " ".join(result.page.split())
    for told in (
        "CHU démo",
        "messages received = ",
        "In quarantine, and why",
        "cardiology: Secrétariat de cardiologie",
        "immédiat résultat Résultat critique (Ionogramme) ← Secrétariat de cardiologie",
        "né(e) KERVALENN, 1er prénom MAELWENN, nom utilisé TREGOBAN, le 21/03/1958, sexe F, identité qualifiée",
        "Résultat critique demandé par la cardiologie, patient en chirurgie : copie là où il se trouve",
        "aucune règle : corbeille par défaut de l’établissement",
        "Collision possible : traits stricts contradictoires",
        "identités rapprochées (même INS qualifiée)",
        "identité confirmée par le bureau des entrées",
        "audit chain intact",
        "scenario as it should be",
    ):
        assert told in words
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


def test_a_service_that_does_not_come_up_is_told_with_its_last_words(tmp_path) -> None:
    """Where the service cannot start, the error holds the end of its log."""
    occupied = Database(f"sqlite:///{tmp_path / 'gateway.db'}")
    occupied.claim_service()
    try:
        with pytest.raises(ServiceFailed) as failed:
            run_demo(keep=tmp_path, pace=0, environment=_plain_environment())
    finally:
        occupied.close()
    assert "StoreInUse" in failed.value.rule


def test_a_terminated_demonstration_ends_its_service(tmp_path) -> None:
    """SIGTERM leaves no service behind that nobody knows of."""
    command = [sys.executable, "-m", "adapters.cli", "demo", "--pace", "1", "--keep", tmp_path]
    with subprocess.Popen(command, env=_plain_environment(), stdout=subprocess.DEVNULL) as demo:
        ready = tmp_path / "ready.json"
        deadline = time.monotonic() + 30
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        service = json.loads(ready.read_text(encoding="utf-8"))["pid"]
        demo.terminate()
    assert demo.returncode == 128 + signal.SIGTERM
    assert not Path(f"/proc/{service}").exists()


@pytest.fixture(scope="module")
def aftermath(result, folder) -> Aftermath:
    """What is in the gateway after the run."""
    assembly = Assembly(load_settings(service_environment({}, folder)))
    try:
        return look(assembly, assembly.account_principal(), SCENARIO)
    finally:
        assembly.close()


def _with_queue(aftermath: Aftermath, views: tuple) -> Aftermath:
    return replace(aftermath, queues=aftermath.queues | {"cardiology": views})


def _broken(aftermath: Aftermath) -> Aftermath:
    broken = replace(aftermath.verification, first_bad=Break(7, 7, "event changed"))
    return replace(aftermath, verification=broken)


_SPOILED: dict[str, tuple[Callable[[Aftermath], Aftermath], str]] = {
    "a message lost": (lambda a: replace(a, messages=a.messages[1:]), "messages in the inbox"),
    "two messages exchanged": (lambda a: replace(a, messages=a.messages[::-1]), "message "),
    "a wrong count": (lambda a: replace(a, summary=a.summary | {"pending": 1}), "the summary"),
    "an item lost": (lambda a: _with_queue(a, a.queues["cardiology"][1:]), "cardiology: missing result stat"),
    "an item doubled": (lambda a: _with_queue(a, a.queues["cardiology"] * 2), "cardiology: unexpected"),
    "a queue upside down": (lambda a: _with_queue(a, a.queues["cardiology"][::-1]), "does not stand first"),
    "two live convocations": (lambda a: replace(a, live=a.live | {"RDV-4101": 2}), "2 live convocations, not 1"),
    "a merge not followed": (lambda a: replace(a, decisions=()), "gateway:identity:merged: 0 times"),
    "no story": (lambda a: replace(a, story=()), "audit story"),
    "a broken chain": (_broken, "the audit chain breaks"),
    "an unconfirmed message": (lambda a: replace(a, waiting=3), "3 bus messages"),
}


@pytest.mark.parametrize("spoil", _SPOILED)
def test_what_is_not_as_the_scenario_says_is_told(result, aftermath, spoil) -> None:
    """Each kind of difference is found, and shown on the page; without one there is none."""
    assert differences(SCENARIO, result.answers, aftermath) == ()
    change, told = _SPOILED[spoil]
    spoiled = change(aftermath)
    found = differences(SCENARIO, result.answers, spoiled)
    assert any(told in difference for difference in found)
    assert "DIFFERENCES" in page(load_site(DEMO), SCENARIO, result.answers, spoiled, found)


def test_a_wrong_answer_is_told(result, aftermath) -> None:
    """An answer that the scenario does not expect is a difference."""
    answers = (replace(result.answers[0], code="AE"), *result.answers[1:])
    assert "answered AE, not AA" in differences(SCENARIO, answers, aftermath)[0]


DELIVERY_SECONDS = 60.0
"""How long the broker may take to deliver what it has confirmed; just restarted, it takes its time."""


def _delivered(url: str, expected: dict[str, set[str]]) -> dict[str, list[tuple[str, str, int]]]:
    """Message id, item and version of everything on the queues, in order; taken off them.

    What is expected is waited for; what comes beside it is taken too.
    """
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()
        return {secretariat: list(_taken(channel, secretariat, ids)) for secretariat, ids in expected.items()}


def _taken(channel: Any, secretariat: str, expected: set[str]) -> Iterator[tuple[str, str, int]]:
    missing, deadline = set(expected), time.monotonic() + DELIVERY_SECONDS
    for method, properties, _ in channel.consume(queue_name(secretariat), inactivity_timeout=0.5):
        if method is None:
            if missing and time.monotonic() < deadline:
                continue
            break
        missing.discard(properties.message_id)
        channel.basic_ack(method.delivery_tag)
        assert _leaks(repr((properties, method.routing_key)).encode()) == []
        yield properties.message_id, properties.headers[ITEM_HEADER], properties.headers[VERSION_HEADER]
    channel.cancel()


def test_a_broker_that_goes_away_in_the_middle_loses_nothing(rabbitmq, postgres_database) -> None:
    """On PostgreSQL, with RabbitMQ stopped for a third of the morning, every item's every version arrives in order."""
    answered = []

    def interrupt(_step: Step, answer: Answer) -> None:
        answered.append(answer)
        if len(answered) == 20:
            rabbitmq.stop()
        elif len(answered) == 50:
            rabbitmq.start()

    servers = {"GATEWAY_DATABASE_URL": postgres_database, "GATEWAY_BROKER_URL": rabbitmq.url}
    environment = _plain_environment() | servers
    done = run_demo(keep=None, pace=0, environment=environment, progress=interrupt)
    assert done.differences == ()
    engine = create_engine(postgres_database)
    with engine.connect() as connection:
        sent = connection.execute(text("SELECT secretariat, message_id, item_id, version FROM outbox")).all()
    engine.dispose()
    queues = (*load_site(DEMO).secretariats, IDENTITY_QUEUE)
    expected = {s: {row.message_id for row in sent if row.secretariat == s} for s in queues}
    taken = _delivered(rabbitmq.url, expected)
    assert {(row.secretariat, row.message_id) for row in sent} == {(s, m[0]) for s, told in taken.items() for m in told}
    for told in taken.values():
        first_sightings = list(dict.fromkeys(told))
        for item in {item for _, item, _ in told}:
            versions = [version for _, of, version in first_sightings if of == item]
            assert versions == sorted(set(versions))
