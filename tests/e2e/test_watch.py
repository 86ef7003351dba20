"""What operations see of a real service: metrics, health, status, alarms, and intake that refuses before it fails."""

import json
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from gateways import Gateway, Wire, code, fields, gateway_in
from messages import fhir_appointment, patient_told, result
from prometheus_client.parser import text_string_to_metric_families
from services import free_port, running_postgres
from sink import a_sink
from sqlalchemy import text

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
IPP = "IPP-8001"
PATIENT = ("FABULAIRE", "ODILE", IPP, "C1", "19580321")  # nothing that a counter or a clock may show by chance
MAX_BACKLOG = 20


def until(holds, seconds=30.0):
    """Give what holds once it does; fail when it does not in time."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, holds
        time.sleep(0.1)
    return found


def get(gateway, path):
    return httpx.get(gateway.http + path, timeout=20)


def scrape(gateway):
    """Give every sample: (name, labels) -> value."""
    answer = get(gateway, "/metrics")
    assert answer.status_code == 200
    families = list(text_string_to_metric_families(answer.text))
    return {(s.name, *(v for _, v in sorted(s.labels.items()))): s.value for f in families for s in f.samples}


def metric(gateway, *name):
    return scrape(gateway).get(name)


def alarms(gateway, state):
    """Give name and subject of the alarms that the log tells of, in order."""
    told = [json.loads(line) for line in gateway.log.splitlines() if f'"alarm.{state}"' in line]
    return [event["alarm"] for event in told]


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A gateway that has taken a result, the same again, and what is no HL7."""
    with gateway_in(tmp_path_factory.mktemp("busy")) as gateway:
        with Wire(gateway.mllp) as wire:
            for raw in (patient_told("C1", IPP), result("C2", IPP, "O1"), result("C2", IPP, "O1")):
                assert code(wire.ask(raw)) == "AA"
            assert code(wire.ask(b"no hl7")) == "AR"
        body = fhir_appointment("R1", IPP)
        headers = {"content-type": "application/fhir+json"}
        assert httpx.post(f"{gateway.http}/fhir/Appointment", content=body, headers=headers).status_code == 201
        gateway.settled()
        until(lambda: gateway.rows("SELECT 1 FROM source_seen WHERE source = 'agenda-fhir'"))
        until(lambda: metric(gateway, "gateway_messages_ended_total", "processed") == 3)
        until(lambda: metric(gateway, "gateway_answers_total", "AA", "agenda-fhir", "http"))
        until(lambda: metric(gateway, "gateway_quarantined") == 1)
        yield gateway


def test_metrics_tell_what_happened(busy):
    """Answers by source and code, ends by state, times, and what waits: nothing."""
    found = scrape(busy)
    answers = {key[1:]: value for key, value in found.items() if key[0] == "gateway_answers_total"}
    assert answers == {
        ("AA", "admissions", "mllp"): 1,
        ("AA", "laboratory", "mllp"): 2,
        ("AR", "other", "mllp"): 1,
        ("AA", "agenda-fhir", "http"): 1,
    }
    states = ("processed", "duplicate", "ignored", "quarantined")
    assert [found[("gateway_messages_ended_total", s)] for s in states] == [3, 1, 0, 1]
    assert found[("gateway_acknowledgment_seconds_count", "mllp")] == 4
    assert found[("gateway_acknowledgment_seconds_count", "http")] == 1
    assert found[("gateway_end_to_end_seconds_count",)] == 3
    waiting = ("gateway_backlog", "gateway_oldest_pending_seconds", "gateway_outbox", "gateway_oldest_outbox_seconds")
    assert [found[(name,)] for name in waiting] == [0, 0, 0, 0]
    up = ("gateway_store_up", "gateway_broker_up", "gateway_intake_open")
    assert [found[(name,)] for name in up] == [1, 1, 1]
    assert 0 <= found[("gateway_source_last_seen_seconds", "laboratory")] < 120
    assert ("gateway_source_last_seen_seconds", "imaging") not in found


def test_every_metric_is_in_the_readme(busy):
    """A metric without a row in the README's table, or a row without its metric, fails this test."""
    families = text_string_to_metric_families(get(busy, "/metrics").text)
    told = {f.name + ("_total" if f.type == "counter" else "") for f in families}
    rows = {row.split("`")[1].partition("{")[0] for row in README.splitlines() if row.startswith("| `gateway_")}
    assert told | OF_TLS == rows


OF_TLS = {"gateway_mllps_certificate_days", "gateway_mllps_certificate_refused"}
"""Metrics of a listener that serves TLS, which this gateway has not."""


def test_nothing_of_a_patient_is_in_what_is_watched(busy):
    """No trait, identifier or control ID in metrics, health or status."""
    shown = [get(busy, path).text for path in ("/metrics", "/health/live", "/health/ready")]
    shown += [busy.run("status").stdout, busy.run("status", "--json").stdout]
    for page in shown:
        assert page
        assert not [value for value in PATIENT if value in page.replace(busy.http, "")]


def test_scrapes_cost_the_store_nothing(busy):
    """Fifty scrapes and checks are answered at once, from the last look."""
    began = time.monotonic()
    with httpx.Client() as client:
        for _ in range(50):
            assert client.get(f"{busy.http}/metrics").status_code == 200
            assert client.get(f"{busy.http}/health/ready").status_code == 200
    assert time.monotonic() - began < 10


def test_status_beside_a_service(busy):
    """Who serves, what came from whom, which secretariat has how much."""
    found = busy.json("status")
    (serving,) = found["serving"]
    assert (serving["pid"], serving["role"], serving["taking_in"]) == (busy.ready["pid"], "all", True)
    sources = {each["source"]: each for each in found["sources"]}
    assert sources["laboratory"]["last_5_minutes"] == sources["laboratory"]["last_hour"] == 2
    assert sources[None]["last_hour"] == 1
    silent = {"last_seen": None, "last_5_minutes": 0, "last_hour": 0, "missing": 0}
    assert sources["imaging"] == {"source": "imaging", **silent}
    queues = {each["secretariat"]: each for each in found["secretariats"]}
    assert queues["cardiology"]["open"] == len(busy.json("worklist", "list", "cardiology"))
    assert queues["cardiology"]["oldest"]
    assert (found["pipeline"]["backlog"], found["outbox"]["broker_up"], found["quarantine"]["messages"]) == (0, True, 1)
    assert found["schema"]
    assert "taking in" in busy.run("status").stdout


def test_status_again_and_again(busy):
    """With --watch it is shown until interrupted; with --json, a line each time."""
    process = busy.begin("status", "--watch", "0.1", "--json")
    try:
        shown = [json.loads(process.stdout.readline()) for _ in range(3)]
    finally:
        process.kill()
        process.communicate()
    assert shown[0]["at"] < shown[1]["at"] < shown[2]["at"]


def test_status_needs_a_right_and_leaves_an_event(busy, tmp_path):
    """An account without the right is refused, and each command is audited once."""
    site = tmp_path / "site"
    stranger = Gateway(tmp_path, database_url=busy.database_url)
    (site / "access.toml").write_text('[accounts."*"]\nrights = ["audit:read"]\n')
    stranger.run("status", exit_code=4)
    before = len(busy.json("audit", "search", "--action", "user:status:shown"))
    busy.run("status")
    assert len(busy.json("audit", "search", "--action", "user:status:shown")) == before + 1


def test_status_when_nobody_serves(tmp_path):
    """Before the first service, after an orderly end and soon after a kill, nobody serves, and all is shown."""
    gateway = Gateway(tmp_path)
    assert gateway.json("status")["serving"] == []
    gateway.start()
    assert len(gateway.json("status")["serving"]) == 1
    gateway.terminate()
    assert "! nobody" in gateway.run("status").stdout
    gateway.start()
    gateway.kill()
    until(lambda: gateway.json("status")["serving"] == [])


# -- health ------------------------------------------------------------------------------------------------------------


def test_not_ready_while_the_store_is_away(tmp_path):
    """PostgreSQL stopped: alive, not ready, AE; PostgreSQL back: ready and AA, without a restart."""
    with running_postgres() as server, gateway_in(tmp_path, database_url=server.url()) as gateway:
        assert get(gateway, "/health/ready").json()["ready"]
        shown = gateway.begin("status", "--watch", "0.1", "--json")
        assert json.loads(shown.stdout.readline())["schema"]
        server.halt()
        refused = until(lambda: (r := get(gateway, "/health/ready")).status_code == 503 and r)
        assert refused.json()["ready"] is False
        assert refused.json()["checks"]["store"] is False
        assert get(gateway, "/health/live").json() == {"live": True}
        found = scrape(gateway)
        assert found[("gateway_store_up",)] == 0
        assert ("gateway_backlog",) not in found
        with Wire(gateway.mllp) as wire:
            assert code(wire.ask(patient_told("C1", "8001"))) == "AE"
            server.go_on()
            until(lambda: get(gateway, "/health/ready").status_code == 200)
            assert code(wire.ask(patient_told("C1", "8001"))) == "AA"
        lines = iter(lambda: json.loads(shown.stdout.readline()), None)
        assert next(line for line in lines if "trouble" in line)["trouble"] == "StorageUnavailable"
        assert next(line for line in lines if "schema" in line)["serving"]
        shown.kill()
        shown.communicate()
        until(lambda: metric(gateway, "gateway_answers_total", "AE", "admissions", "mllp") == 1)


# -- alarms ------------------------------------------------------------------------------------------------------------


def test_an_alarm_is_raised_and_resolved_once_across_restarts(tmp_path):
    """A disk below its alarm's limit: told once to log, metric, audit trail and webhook, whatever is killed."""
    low = {"GATEWAY_ALARM_DISK_FREE_BYTES": str(2**60), "GATEWAY_ALARM_CALM_SECONDS": "0"}
    with a_sink() as sink:
        sink.answers = [500]  # told again
        gateway = Gateway(tmp_path, GATEWAY_ALARM_WEBHOOK=sink.url, **low)
        try:
            gateway.start()
            until(lambda: len(sink.received) == 2)
            until(lambda: metric(gateway, "gateway_alarm", "disk_low", "") == 1)
            gateway.kill()
            gateway.start()
            until(lambda: metric(gateway, "gateway_alarm", "disk_low", "") == 1)
            shown = gateway.json("status")["alarms"]
            assert [(alarm["alarm"], alarm["subject"]) for alarm in shown] == [("disk_low", None)]
            time.sleep(3)
            gateway.kill()
            gateway.environment["GATEWAY_ALARM_DISK_FREE_BYTES"] = "1"
            gateway.start()
            until(lambda: len(sink.received) == 3)
            until(lambda: metric(gateway, "gateway_alarm", "disk_low", "") == 0)
            time.sleep(2)
        finally:
            gateway.kill()
    assert [(body["alarm"], body["state"]) for body in sink.received] == [
        ("disk_low", "raised"),
        ("disk_low", "raised"),
        ("disk_low", "resolved"),
    ]
    assert sink.received[0] == sink.received[1]
    assert sink.received[0]["site"] == "essai"
    assert (alarms(gateway, "raised"), alarms(gateway, "resolved")) == (["disk_low"], ["disk_low"])
    events = gateway.json("audit", "search", "--action", "gateway:alarm")
    assert [event["action"] for event in events] == ["gateway:alarm:raised", "gateway:alarm:resolved"]
    assert "secret-path" not in gateway.log


def test_a_broker_that_is_away_is_told(tmp_path):
    """Without a broker the gateway takes in and is ready; what waits for it, and that it is away, are alarms."""
    settings = {"GATEWAY_ALARM_BROKER_AWAY_SECONDS": "1", "GATEWAY_ALARM_OUTBOX_SECONDS": "1"}
    nowhere = f"amqp://guest:guest@127.0.0.1:{free_port()}/"
    with gateway_in(tmp_path, broker_url=nowhere, **settings) as gateway:
        with Wire(gateway.mllp) as wire:
            assert code(wire.ask(result("C1", "8001", "O1"))) == "AA"
        until(lambda: sorted(alarms(gateway, "raised")) == ["broker_away", "outbox"])
        until(lambda: metric(gateway, "gateway_alarm", "broker_away", "") == 1)
        assert metric(gateway, "gateway_broker_up") == 0
        assert metric(gateway, "gateway_outbox") > 0
        assert get(gateway, "/health/ready").status_code == 200
        assert "! broker away" in gateway.run("status").stdout


# -- back-pressure -----------------------------------------------------------------------------------------------------


@contextmanager
def pipeline_held(gateway):
    """Nothing takes effect for the time of the block, while intake goes on: the table of identities is locked."""
    with gateway.database() as database, database.engine.connect() as connection:
        connection.execute(text("LOCK TABLE identity IN SHARE ROW EXCLUSIVE MODE"))
        yield
        connection.rollback()


def appointment_posted(gateway, number):
    headers = {"content-type": "application/fhir+json"}
    body = fhir_appointment(number, "8001")
    return httpx.post(f"{gateway.http}/fhir/Appointment", content=body, headers=headers, timeout=30)


def test_a_backlog_at_its_limit_is_refused_until_it_is_worked_off(postgres_database, tmp_path):
    """AE and 503 beyond the limit, nothing of it kept; alarms; everything else goes on; then AA again by itself."""
    settings = {
        "GATEWAY_MAX_BACKLOG": str(MAX_BACKLOG),
        "GATEWAY_ALARM_BACKLOG": "10",
        "GATEWAY_ALARM_CALM_SECONDS": "0",
    }
    with (
        a_sink() as sink,
        gateway_in(tmp_path, database_url=postgres_database, GATEWAY_ALARM_WEBHOOK=sink.url, **settings) as gateway,
        Wire(gateway.mllp) as wire,
    ):
        with pipeline_held(gateway):
            taken = 0
            while code(answer := wire.ask(patient_told(f"C{taken}", f"8{taken:03}"))) == "AA":
                taken += 1
                time.sleep(0.05)
            assert code(answer) == "AE"
            assert fields(answer, "ERR")[3].startswith("207^")
            assert "send again later" in fields(answer, "ERR")[8]
            assert taken >= MAX_BACKLOG
            refused = appointment_posted(gateway, "R1")
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
            assert (
                get(gateway, "/health/ready").json()["checks"] | {"intake": False, "store": True}
                == get(gateway, "/health/ready").json()["checks"]
            )
            assert get(gateway, "/fhir/metadata").status_code == 200
            assert metric(gateway, "gateway_intake_open") == 0
            until(lambda: metric(gateway, "gateway_alarm", "intake_refusing", "") == 1)
            serving = {process["role"]: process for process in gateway.json("status")["serving"]}
            assert (serving["all"]["intake"], serving["work"]["intake"]) == ("backlog", None)
            assert "! taking nothing in: backlog" in gateway.run("status").stdout
            assert gateway.summary()["received"] == taken
        until(lambda: code(wire.ask(patient_told("AGAIN", "8001"))) == "AA")
        assert appointment_posted(gateway, "R1").status_code == 201
        until(lambda: get(gateway, "/health/ready").status_code == 200)
        until(lambda: len(sink.received) == 4)
        processed = gateway.settled()["processed"]  # by a worker process, which has no HTTP server of its own
        until(lambda: metric(gateway, "gateway_messages_ended_total", "processed") == processed)
        assert metric(gateway, "gateway_end_to_end_seconds_count") == processed
        time.sleep(2)
    told = [(body["alarm"], body["state"]) for body in sink.received]
    assert sorted(told) == [(a, s) for a in ("backlog", "intake_refusing") for s in ("raised", "resolved")]
    assert sorted(alarms(gateway, "raised")) == sorted(alarms(gateway, "resolved")) == ["backlog", "intake_refusing"]


def test_a_short_disk_is_refused_from_the_start(tmp_path):
    """With too little free, nothing is taken in and everything else is served; with enough, it is taken."""
    gateway = Gateway(tmp_path, GATEWAY_MIN_FREE_BYTES=str(2**60))
    try:
        gateway.start()
        with Wire(gateway.mllp) as wire:
            assert code(wire.ask(patient_told("C1", "8001"))) == "AE"
        assert appointment_posted(gateway, "R1").status_code == 503
        assert gateway.summary()["received"] == 0
        assert get(gateway, "/health/ready").json()["checks"]["intake"] is False
        gateway.terminate()
        gateway.environment["GATEWAY_MIN_FREE_BYTES"] = "1"
        gateway.start()
        with Wire(gateway.mllp) as wire:
            assert code(wire.ask(patient_told("C1", "8001"))) == "AA"
    finally:
        gateway.kill()
