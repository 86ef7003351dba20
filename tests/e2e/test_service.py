"""The service as a whole: real processes, real sockets, every command beside it."""

import base64
import json
import re
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import click
import httpx
import pytest
from click.testing import CliRunner
from gateways import Gateway, Wire, code, fields, gateway_in, write_site
from messages import (
    admission,
    appointment,
    billing,
    document,
    fhir_appointment,
    merge,
    message,
    patient_told,
    pid,
    result,
    stay_moved,
)

from adapters.cli import main

MAX_FRAME = 65_536
CANARY = "CANARIVAL"
"""Stands where a value of the message is wrong, and must come back in no answer, log or error."""

FHIR = {"Content-Type": "application/fhir+json"}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """A gateway that has had a small morning: work of each kind, and some that ends otherwise."""
    with gateway_in(tmp_path_factory.mktemp("gateway"), GATEWAY_MAX_FRAME_BYTES=str(MAX_FRAME)) as gateway:
        with Wire(gateway.mllp) as wire:
            answers = [wire.ask(raw) for raw in MORNING]
        assert [code(a) for a in answers] == ["AA"] * len(MORNING)
        gateway.settled()
        yield gateway


MORNING = (
    patient_told("M1", "800101"),
    admission("M2", "800101", "V1", when=1),
    result("M3", "800101", "O1", when=2, flag="HH", value="7.1"),
    appointment("S12", "M4", "800101", "R1", when=3),
    document("T02", "M5", "800101", "D1", when=4),
    patient_told("M6", "800102", when=5),
    merge("M7", "800101", "800102", when=6),
    result("M8", "800199", "O2", when=7),
    billing("M9", "800101"),
    patient_told("M1", "800101"),
)


def only(rows):
    """Give the one element."""
    (row,) = rows
    return row


# -- starting and stopping ---------------------------------------------------------------------------------------------


def test_the_ready_file_tells_where_it_serves(gateway):
    """The file is there whole once both listeners take connections, and names the process."""
    assert set(gateway.ready) == {"mllp", "mllps", "http", "pid"}
    assert gateway.ready["pid"] == gateway.process.pid
    assert re.fullmatch(r"127\.0\.0\.1:\d+", gateway.ready["mllp"])
    assert httpx.get(gateway.http + "/fhir/metadata").json()["resourceType"] == "CapabilityStatement"
    assert [f.name for f in gateway.folder.iterdir() if f.name.startswith("ready")] == ["ready.json"]


def test_the_ready_file_is_never_seen_half_written(tmp_path):
    """Whoever watches for the file finds complete JSON at first sight, and no file once the service has ended."""
    gateway = Gateway(tmp_path)
    gateway.ready_file.write_text("left by a service that was killed")
    try:
        gateway.start()
        assert gateway.ready["pid"] == gateway.process.pid
        assert gateway.terminate() == 0
        assert not gateway.ready_file.exists()
    finally:
        gateway.kill()


def test_a_ready_file_that_a_killed_service_left_is_taken_away(tmp_path):
    """Whoever waits for the ready file of the next service does not meet the last one's."""
    ready = tmp_path / "ready.json"
    ready.write_text('{"pid": 1}', encoding="utf-8")
    nowhere = Gateway(tmp_path, GATEWAY_HTTP_HOST="999.1.1.1")
    nowhere.run("serve", "--ready-file", ready, exit_code=2)
    assert not ready.exists()
    refused = Gateway(tmp_path).run("serve", "--ready-file", tmp_path / "none" / "ready.json", exit_code=2)
    assert "--ready-file" in refused.stderr


def test_a_terminated_service_finishes_what_is_in_hand(tmp_path):
    """After SIGTERM what was read is on disk and answered, nothing else is taken, all is sealed, and the exit is 0."""
    with gateway_in(tmp_path) as gateway, Wire(gateway.mllp) as wire:
        wire.send(*(result(f"C{n}", f"8{n:03}", f"O{n}") for n in range(400)))
        answers = [wire.answer()]
        gateway.process.terminate()
        answers += wire.answers_to_the_end()
        assert gateway.wait() == 0
        assert {code(a) for a in answers} == {"AA"}
        told = [fields(a, "MSA")[2] for a in answers]
        assert [row[0] for row in gateway.rows("SELECT control_id FROM message ORDER BY id")] == told
        assert gateway.rows("SELECT count(*) FROM audit_unsealed") == [(0,)]
        assert json.loads(gateway.log.splitlines()[-1])["event"] == "service.stopped"
        gateway.start()
        assert gateway.settled()["processed"] == len(told)
        assert gateway.terminate() == 0


def test_a_second_service_on_the_same_file_is_refused(gateway):
    """It says why in one line and exits 3; the first one, and commands beside it, go on."""
    second = gateway.run("serve", exit_code=3)
    said = second.stderr.splitlines()
    assert [line for line in said if line.startswith("gateway:")] == [
        "gateway: StoreInUse: GATEWAY_DATABASE_URL: another process serves this SQLite file"
    ]
    assert "Traceback" not in second.stderr
    with Wire(gateway.mllp) as wire:
        assert code(wire.ask(patient_told("SECOND", "800101", when=20))) == "AA"
    assert gateway.json("messages", "list", "--summary")["received"] > len(MORNING)


def test_a_moved_stay_and_a_document_that_is_cut_up_take_effect(tmp_path):
    """A44 is answered AA and its item is the other patient's; a PDF in lines of Base64 is taken whole."""
    pdf = bytes(range(256)) * 4
    cut = base64.b64encode(pdf)
    lines = b"\r".join(cut[at : at + 76] for at in range(0, len(cut), 76))
    with gateway_in(tmp_path) as gateway, Wire(gateway.mllp) as wire:
        wire.send(
            patient_told("E1", "800901"),
            admission("E2", "800902", "N9", when=1),
            stay_moved("E3", "800901", "800902", "N9", when=2),
            document("T02", "E4", "800901", "D9", when=3, pdf=pdf).replace(cut, lines),
        )
        assert [code(wire.answer()) for _ in range(4)] == ["AA"] * 4
        assert gateway.settled()["processed"] == 4
        holder = (
            "SELECT identity.value FROM work_item JOIN identity ON identity.id = identity_id WHERE kind = 'admission'"
        )
        assert gateway.rows(holder) == [("800901",)]
        ((fact,),) = gateway.rows("SELECT fact FROM focus WHERE fact_type = 'DocumentReported'")
        assert json.loads(fact)["size"] == len(pdf)


# -- bad input ---------------------------------------------------------------------------------------------------------

A28 = patient_told("BAD", "800900", family=CANARY)
BAD_FRAMES = {
    # what, frame, code, ERR-3.1, ERR-2
    "not HL7": (b"bonjour " + CANARY.encode(), "AR", "100", ""),
    "an empty frame": (b"", "AR", "100", ""),
    "a header cut short": (b"MSH|^~", "AR", "207", "MSH^1^3"),
    "delimiters doubled": (A28.replace(b"MSH|^~\\&", b"MSH|^^\\&"), "AR", "102", "MSH^1^2"),
    "a control ID beyond measure": (A28.replace(b"|BAD|", b"|" + b"9" * 300 + b"|"), "AE", "102", "MSH^1^10"),
    "no message type": (A28.replace(b"ADT^A28^ADT_A05", b""), "AR", "200", "MSH^1^9"),
    "an unknown message type": (A28.replace(b"ADT^A28^ADT_A05", b"ZZZ^Z01"), "AR", "200", "MSH^1^9^1^1"),
    "an unknown trigger event": (A28.replace(b"A28^ADT_A05", b"A23"), "AR", "201", "MSH^1^9^1^2"),
    "an unknown version": (A28.replace(b"|2.5^FRA^2.11", b"|9.9"), "AR", "203", "MSH^1^12"),
    "an unknown processing ID": (A28.replace(b"|P|2.5", b"|X|2.5"), "AR", "202", "MSH^1^11"),
    "an undeclared source": (A28.replace(b"|ADM|", b"|NOBODY|"), "AR", "207", "MSH^1^3"),
    "an undecodable charset": (
        A28.replace(b"|2.5^FRA^2.11", b"|2.5^FRA^2.11||||||UNICODE UTF-8").replace(b"ODILE", b"\xff\xfe\xfd"),
        "AR",
        "102",
        None,
    ),
    "a charset that is none": (A28.replace(b"|2.5^FRA^2.11", b"|2.5^FRA^2.11||||||KLINGON"), "AR", "102", None),
    "no PID": (message("ADT^A28", "BAD", f"NTE|{CANARY}", application="ADM"), "AE", "100", "PID^1"),
    "no patient identifier": (message("ADT^A28", "BAD", f"PID|||||{CANARY}^X", application="ADM"), "AE", "101", None),
    "no date": (message("ADT^A28", "BAD", pid("1", born=CANARY), application="ADM"), "AE", "102", None),
    "two messages": (A28 + A28, "AE", "100", None),
    "a batch that cannot be cut up": (b"BHS|^~\\&|ADM\rNTE|" + CANARY.encode() + b"\r" + A28, "AE", "100", None),
}


@pytest.mark.parametrize(("frame", "expected", "condition", "place"), BAD_FRAMES.values(), ids=BAD_FRAMES)
def test_a_bad_frame_is_refused_and_kept(gateway, frame, expected, condition, place):
    """The answer names code, place and rule and no value; the bytes are quarantined; every connection goes on."""
    with Wire(gateway.mllp) as wire, Wire(gateway.mllp) as other:
        last = only(gateway.rows("SELECT coalesce(max(id), 0) FROM message"))[0]
        answer = wire.ask(frame)
        assert code(answer) == expected, answer
        error = fields(answer, "ERR")
        assert error[3].split("^")[0] == condition
        if place is not None:
            assert error[2] == place
        assert error[8]
        assert CANARY.encode() not in answer
        number, raw = only(gateway.rows("SELECT message_id, raw FROM message_body WHERE message_id > :last", last=last))
        assert bytes(raw) == frame
        assert gateway.rows("SELECT state FROM outcome WHERE message_id = :n", n=number) == [("quarantined",)]
        for n, each in enumerate((wire, other)):
            assert code(each.ask(patient_told(f"AFTER-{number}-{n}", "800101", when=30))) == "AA"


def test_an_oversize_frame_is_refused_and_nothing_of_it_kept(gateway):
    """A frame beyond the limit gets its answer, and the next one on the same connection is taken."""
    before = gateway.summary()["received"]
    with Wire(gateway.mllp) as wire:
        answer = wire.ask(A28 + f"NTE|{CANARY * MAX_FRAME}".encode())
        assert (code(answer), fields(answer, "ERR")[3].split("^")[0]) == ("AR", "102")
        assert str(MAX_FRAME).encode() in answer
        assert gateway.summary()["received"] == before
        assert code(wire.ask(patient_told("AFTER-OVERSIZE", "800101", when=31))) == "AA"


@pytest.mark.parametrize("cut", [1, 10, len(A28), len(A28) + 1])
def test_a_connection_dropped_in_a_frame_promises_nothing(gateway, cut):
    """What was not complete is not kept, and the other connections go on."""
    before = gateway.summary()["received"]
    with Wire(gateway.mllp) as other:
        with Wire(gateway.mllp) as wire:
            wire.socket.sendall((b"\x0b" + A28)[:cut])
        assert code(other.ask(patient_told(f"AFTER-CUT-{cut}", "800101", when=32))) == "AA"
    assert gateway.summary()["received"] == before + 1


def test_a_connection_reset_in_mid_load_costs_nobody_else(gateway):
    """A peer that sends on and never reads its answers ends alone; what it was not answered may be kept or not."""
    with Wire(gateway.mllp) as other:
        for _ in range(3):
            with Wire(gateway.mllp) as wire:
                wire.send(*(patient_told(f"RESET-{n}", "800101", when=33) for n in range(50)))
        assert code(other.ask(patient_told("AFTER-RESET", "800101", when=34))) == "AA"
    gateway.hung_up()
    summary = gateway.settled()
    assert summary["received"] == sum(count for name, count in summary.items() if name != "received")


def changed(**changes):
    """Give an appointment's JSON with elements changed."""
    return json.dumps({**json.loads(fhir_appointment("F-BAD", "800900")), **changes}).encode()


BAD_BODIES = {
    "no JSON": (b'{"resourceType": ' + CANARY.encode(), 400, None),
    "not UTF-8": (b'{"resourceType": "\xff"}', 400, None),
    "no object": (b'["' + CANARY.encode() + b'"]', 400, None),
    "a wrong type": (changed(start=CANARY), 422, "Appointment.start"),
    "a number for a text": (changed(description=1), 422, "Appointment.description"),
    "an unknown status": (changed(status=CANARY), 422, "Appointment.status"),
    "another resource": (changed(resourceType="Observation"), 422, "resourceType"),
    "an unknown element": (changed(**{CANARY: 1}), 422, "Appointment"),
    "no participant": (changed(participant=[]), 422, "Appointment.participant"),
    "no patient": (
        changed(contained=None, participant=[{"status": "accepted", "actor": {"display": CANARY}}]),
        422,
        None,
    ),
}


@pytest.mark.parametrize(("body", "status", "place"), BAD_BODIES.values(), ids=BAD_BODIES)
def test_a_bad_resource_is_refused_and_kept(gateway, body, status, place):
    """The answer is an OperationOutcome that names place and rule and no value; the body is quarantined as it came."""
    last = only(gateway.rows("SELECT max(id) FROM message"))[0]
    answer = httpx.post(gateway.http + "/fhir/Appointment", content=body, headers=FHIR)
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
    issue = answer.json()["issue"][0]
    assert issue["severity"] == "error"
    assert issue["diagnostics"]
    if place is not None:
        assert issue["expression"] == [place]
    assert CANARY not in answer.text
    assert CANARY not in str(answer.headers)
    number, raw = only(gateway.rows("SELECT message_id, raw FROM message_body WHERE message_id > :last", last=last))
    assert bytes(raw) == body
    assert gateway.rows("SELECT state FROM outcome WHERE message_id = :n", n=number) == [("quarantined",)]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/fhir/Observation", 404),
        ("POST", f"/fhir/{CANARY}", 404),
        ("GET", f"/{CANARY}", 404),
        ("DELETE", "/fhir/Appointment", 405),
        ("GET", f"/fhir/Appointment/{CANARY}", 404),
        ("GET", f"/fhir/Appointment?patient={CANARY}", 400),
        ("GET", "/fhir/_status/999999", 404),
        ("PUT", "/fhir/Appointment", 400),
    ],
)
def test_what_is_not_offered_is_refused(gateway, method, path, status):
    """An unknown resource, interaction or parameter gets an OperationOutcome without what was asked for."""
    body = fhir_appointment("F-X", "800900") if method in {"PUT", "POST"} else None
    answer = httpx.request(method, gateway.http + path, content=body, headers=FHIR if body else {})
    assert (answer.status_code, answer.json()["resourceType"]) == (status, "OperationOutcome")
    assert CANARY not in answer.text + str(answer.headers)


def test_an_appointment_goes_in_and_comes_back(gateway):
    """A FHIR appointment is created, moved by its identifier, read and cancelled; its convocation follows."""
    url = gateway.http + "/fhir/Appointment"
    query = {"identifier": "urn:oid:1.2.250.1.999.11|F1"}
    created = httpx.post(url, content=fhir_appointment("F1", "800101"), headers=FHIR)
    assert created.status_code == 201
    moved = httpx.put(url, params=query, content=fhir_appointment("F1", "800101", starts=4_000), headers=FHIR)
    assert (moved.status_code, moved.headers["ETag"]) == (200, 'W/"2"')
    assert moved.headers["Location"] == created.headers["Location"]
    read = httpx.get(gateway.http + created.headers["Location"]).json()
    assert read["start"] == moved.json()["start"] != created.json()["start"]
    assert httpx.get(url, params=query).json()["total"] == 1
    body = fhir_appointment("F1", "800101", starts=4_000, status="cancelled")
    assert httpx.put(url, params=query, content=body, headers=FHIR).status_code == 200
    steps = gateway.rows(
        "SELECT h.version, h.state FROM work_item_history h JOIN work_item i ON i.id = h.item_id"
        " WHERE i.focus_id = :focus ORDER BY h.version",
        focus=read["id"],
    )
    assert steps == [(1, "new"), (2, "new"), (3, "withdrawn")]


def test_of_updates_of_one_version_at_one_time_one_takes_effect(gateway):
    """Whoever names the same version with If-Match at the same moment, one changes it; the others get 412."""
    url, query = gateway.http + "/fhir/Appointment", {"identifier": "urn:oid:1.2.250.1.999.11|F2"}
    assert httpx.post(url, content=fhir_appointment("F2", "800101"), headers=FHIR).status_code == 201

    def move(starts):
        body = fhir_appointment("F2", "800101", starts=starts)
        return httpx.put(url, params=query, content=body, headers={**FHIR, "If-Match": 'W/"1"'}, timeout=30)

    with ThreadPoolExecutor(6) as clients:
        answers = list(clients.map(move, range(4_000, 4_600, 100)))
    assert sorted(answer.status_code for answer in answers) == [200, *[412] * 5]
    (done,) = (answer for answer in answers if answer.status_code == 200)
    stands = httpx.get(url, params=query).json()["entry"][0]["resource"]
    assert (done.headers["ETag"], done.json()["start"]) == ('W/"2"', stands["start"])


# -- commands ----------------------------------------------------------------------------------------------------------


def test_messages_are_listed_and_shown(gateway):
    """The list says how each ended; one is shown with masked values, or with a reason revealed, and what it changed."""
    listed = gateway.json("messages", "list", "--control-id", "M3")
    number = only(listed)["id"]
    assert only(listed) | {"state": "processed", "answer": "AA", "source": "laboratory", "type": "ORU^R01"} == only(
        listed
    )
    shown = gateway.run("messages", "show", number).stdout
    assert "FABULAIRE" not in shown
    assert "PID-5" in shown
    revealed = gateway.json("messages", "show", number, "--reveal", "a test")
    assert "FABULAIRE" in json.dumps(revealed["content"])
    assert {item["kind"] for item in revealed["items"]} == {"result"}
    assert [m["control_id"] for m in gateway.json("messages", "list", "--state", "ignored")] == ["M9"]
    duplicates = gateway.json("messages", "list", "--state", "duplicate", "--control-id", "M1")
    assert only(duplicates)["duplicate_of"] == 1
    reasons = gateway.json("audit", "search", "--action", "user:message:shown")
    assert reasons[-1]["detail"] == {"revealed": True, "reason": "a test"}
    gateway.run("messages", "show", 999_999, exit_code=1)


def test_the_bytes_of_what_is_no_hl7_are_shown_with_a_reason(gateway):
    """What was kept in quarantine can be looked at, and its control characters do nothing to the terminal."""
    with Wire(gateway.mllp) as wire:
        wire.ask(b"\x1b[2Jno message\xff")
    number = gateway.json("messages", "list", "--state", "quarantined")[-1]["id"]
    masked = gateway.run("messages", "show", number).stdout
    assert "no message" not in masked
    revealed = gateway.run("messages", "show", number, "--reveal", "a test").stdout
    assert r"\x1b[2Jno message\xff" in revealed


def test_a_replay_is_taken_by_the_running_service(gateway):
    """A replayed message ends again, changes nothing twice, and the reason is kept."""
    before = gateway.rows("SELECT id, version FROM work_item ORDER BY id")
    number = only(gateway.json("messages", "list", "--control-id", "M3"))["id"]
    gateway.run("messages", "replay", number, "--reason", " ", exit_code=2)
    gateway.run("messages", "replay", number, "--reason", "a unit was mapped")
    gateway.settled()
    assert gateway.rows("SELECT id, version FROM work_item ORDER BY id") == before
    story = gateway.json("audit", "search", "--message", number)
    actions = [event["action"] for event in story]
    assert actions.count("gateway:message:processed") == 2
    replayed = next(event for event in story if event["action"] == "user:message:replayed")
    assert replayed["detail"] == {"reason": "a unit was mapped"}
    assert replayed["principal"].startswith("account:")


def test_worklists_are_listed_shown_and_followed(gateway):
    """A queue is in order of urgency; an item is shown with its versions; the embedded bus delivers each once."""
    listed = gateway.json("worklist", "list")
    assert {"id", "kind", "secretariat", "priority", "state", "patient", "source_message", "created_at"} <= set(
        listed[0]
    )
    assert {"admission", "result", "convocation", "correspondence", "identity"} <= {item["kind"] for item in listed}
    queue = gateway.json("worklist", "list", "cardiology", "--state", "new")
    urgency = [("stat", "urgent", "routine").index(item["priority"]) for item in queue]
    assert urgency == sorted(urgency)
    assert (queue[0]["kind"], queue[0]["priority"], queue[0]["patient"]["ipp"]) == ("result", "stat", "800101")
    shown = gateway.json("worklist", "show", queue[0]["id"])
    assert [step["version"] for step in shown["history"]] == list(range(1, shown["version"] + 1))
    first, second = (
        gateway.run("worklist", "follow", "cardiology", "--count", count, "--for", 30, "--json").stdout
        for count in (3, 2)
    )
    delivered = [json.loads(line) for line in (first + second).splitlines()]
    assert len({d["message_id"] for d in delivered}) == len(delivered) == 5
    assert {d["bundle"]["entry"][1]["resource"]["resourceType"] for d in delivered} == {"Task"}
    gateway.run("worklist", "list", "nobody", exit_code=2)
    gateway.run("worklist", "show", "nothing", exit_code=1)


def test_a_follower_sees_what_comes_while_it_follows(gateway):
    """An item is delivered to a follower that was there before it, within moments."""
    total = only(gateway.rows("SELECT count(*) FROM outbox WHERE secretariat = 'cardiology'"))[0]
    process = gateway.begin(
        "worklist", "follow", "cardiology", "--subscription", "live", "--count", str(total + 1), "--for", "60", "--json"
    )
    try:
        for _ in range(total):
            process.stdout.readline()
        with Wire(gateway.mllp) as wire:
            wire.ask(result("LIVE", "800101", "O-live", when=40))
        sent = time.monotonic()
        last = json.loads(process.stdout.readline())
        assert time.monotonic() - sent < 10
        (expected,) = gateway.rows("SELECT item_id FROM outbox ORDER BY sequence DESC LIMIT 1")
        assert (last["item"],) == expected
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_patients_story_is_found_and_the_chain_holds(gateway):
    """The story holds both merged records' events and not another patient's; verification says how much was checked."""
    story = gateway.json("audit", "search", "--patient", "800102")
    control_ids = {event["correlation"] for event in story if event["action"] == "source:message:received"}
    assert {"M1", "M3", "M6", "M7"} <= control_ids
    assert "M8" not in control_ids
    verified = gateway.json("audit", "verify")
    assert (verified["ok"], verified["first_bad"]) == (True, None)
    assert verified["events"] >= verified["sealed"] > len(MORNING)


def test_tampering_is_told_by_exit_code_and_place(gateway, tmp_path):
    """A changed event makes `audit verify` exit 1 and name it, in JSON and in words."""
    copy = tmp_path / "copy.db"
    with sqlite3.connect(gateway.folder / "gateway.db") as live, sqlite3.connect(copy) as target:
        live.backup(target)
        target.execute("INSERT INTO audit_purge VALUES ('a test')")
        target.execute("UPDATE audit_event SET principal = 'account:other' WHERE id = 5")
    for connection in (live, target):
        connection.close()
    beside = Gateway(tmp_path, site=gateway.folder / "site", database_url=f"sqlite:///{copy}")
    verified = beside.json("audit", "verify", exit_code=1)
    assert (verified["ok"], verified["first_bad"]["event"]) == (False, 5)
    assert verified["first_bad"]["problem"] == "event changed"
    assert "5" in beside.run("audit", "verify", exit_code=1).stdout


def test_explaining_changes_nothing_but_the_audit_trail(gateway, tmp_path):
    """Segments, answer, facts, identity and route are told with reasons; afterwards every other table is as before."""
    tables = [row[0] for row in gateway.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    told_by_service = ("serving", "source_seen", "traffic", "tally")
    kept = [t for t in tables if not t.startswith(("audit", "sqlite", *told_by_service))]

    def content():
        return {table: sorted(gateway.rows(f"SELECT * FROM {table}"), key=repr) for table in kept}

    before = content()
    file = tmp_path / "x.hl7"
    file.write_bytes(result("EXPLAINED", "800777", "O77", flag="HH"))
    told = gateway.json("explain", file)
    assert (told["answer"], told["ends"], told["source"], told["type"]) == ("AA", "processed", "laboratory", "ORU^R01")
    assert {route["secretariat"] for route in told["route"]} == {"cardiology", "entrees"}
    assert all(route["rule"] and route["reason"] for route in told["route"])
    assert next(d["action"] for d in told["identity"]) == "gateway:identity:created"
    assert {"MSH", "PID", "OBR", "OBX"} == {segment["segment"] for segment in told["segments"]}
    assert "FABULAIRE" not in json.dumps(told)
    body = tmp_path / "x.json"
    body.write_bytes(fhir_appointment("F-E", "800777"))
    assert gateway.json("explain", body, "--source", "agenda-fhir")["facts"][0].startswith("AppointmentReported")
    broken = tmp_path / "broken.hl7"
    broken.write_bytes(CANARY.encode())
    assert gateway.json("explain", broken)["answer"] == "AR"
    assert content() == before
    assert len(gateway.json("audit", "search", "--action", "user:message:explained")) == 3


def test_sending_tells_each_acknowledgment(gateway, tmp_path):
    """`send` prints one answer per message, says what was refused, and exits by the worst of them."""
    good, bad = tmp_path / "good.hl7", tmp_path / "bad.hl7"
    good.write_bytes(patient_told("SEND-1", "800101", when=50) + patient_told("SEND-2", "800101", when=51))
    bad.write_bytes(A28.replace(b"A28^ADT_A05", b"A23"))
    address = gateway.ready["mllp"]
    answers = gateway.json("send", good, "--to", address)
    assert [(a["code"], a["control_id"]) for a in answers] == [("AA", "SEND-1"), ("AA", "SEND-2")]
    refused = gateway.run("send", good, bad, "--to", address, exit_code=1).stdout.splitlines()
    assert [line[:2] for line in refused] == ["AA", "AA", "AR"]
    assert "MSH" in refused[2]
    assert CANARY not in refused[2]
    unanswered = gateway.run("send", good, "--to", "127.0.0.1:1", exit_code=3).stdout
    assert unanswered.count("cannot be reached") == 2
    gateway.run("send", good, "--to", "127.0.0.1:99999", exit_code=2)


def test_explaining_answers_as_sending_would(gateway, tmp_path):
    """A frame's bytes around a message, a message too large and a FHIR body that is none are told as the wire would."""
    framed, large, fhir = tmp_path / "framed.hl7", tmp_path / "large.hl7", tmp_path / "appointment.json"
    framed.write_bytes(b"\x0b" + patient_told("EXPLAINED", "800101", when=50) + b"\x1c\r")
    large.write_bytes(A28 + b"ZZZ|" + b"x" * 40_000_000)
    fhir.write_bytes(b'{"resourceType": "Appointment"')
    assert gateway.json("explain", framed)["answer"] == "AA"
    assert gateway.json("explain", large)["error"]["error"] == "LimitExceeded"
    assert gateway.json("explain", fhir, "--source", "agenda-fhir")["answer"] == "400"
    assert "agenda-fhir" in gateway.run("explain", fhir, exit_code=2).stderr


@pytest.mark.parametrize(
    "command",
    [("messages", "show", str(10**20)), ("audit", "search", "--message", str(10**20)), ("messages", "show", "0")],
    ids=" ".join,
)
def test_a_number_that_no_message_can_have_is_refused(gateway, command):
    """A wrong call is told in a line or two."""
    assert "Traceback" not in gateway.run(*command, exit_code=2).stderr


def test_a_fault_is_told_without_its_text(gateway, tmp_path):
    """What nobody foresaw ends in one line with class and place: the text of a fault may hold a patient's name."""
    broken = Gateway(tmp_path)
    broken.run("migrate")
    with closing(sqlite3.connect(tmp_path / "gateway.db")) as connection:
        connection.execute("DROP TABLE audit_seal")
    told = broken.run("audit", "verify", exit_code=70).stderr
    assert "asking.py" in told
    assert "Traceback" not in told
    assert "audit_seal" not in told


WRONG_FILES = {
    "an unknown key": ("sources.toml", "colour = 3\n", ""),
    "no TOML": ("routing.toml", "[[rule\n", ""),
    "an unknown secretariat": ("site.toml", "", 'default_secretariat = "general"'),
}


@pytest.mark.parametrize(("name", "added", "removed"), WRONG_FILES.values(), ids=WRONG_FILES)
def test_a_wrong_site_file_is_refused_with_its_line(tmp_path, name, added, removed):
    """`config check` exits 2 and names path, line and what was expected."""
    gateway = Gateway(tmp_path)
    file = tmp_path / "site" / name
    text = file.read_text(encoding="utf-8")
    text = text.replace(removed, 'default_secretariat = "nobody"') if removed else text + added
    file.write_text(text, encoding="utf-8")
    line = next(n for n, each in enumerate(text.splitlines(), 1) if (added.strip() or "nobody") in each)
    done = gateway.run("config", "check", exit_code=2)
    assert f"{file}:{line}" in done.stderr
    assert len([each for each in done.stderr.splitlines() if each.startswith("gateway: ConfigurationError: ")]) == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [("GATEWAY_MLLP_PORT", "seventy"), ("GATEWAY_BROKER_URL", "http://x"), ("GATEWAY_DATABASE_URL", "mysql://x")],
)
def test_a_wrong_setting_is_refused_by_its_name(tmp_path, variable, value):
    """`serve` exits 2 before it listens, and names the variable."""
    done = Gateway(tmp_path, **{variable: value}).run("serve", exit_code=2)
    assert variable in done.stderr
    assert "Traceback" not in done.stderr


def test_a_good_configuration_is_told(gateway):
    """`config check` lists what the site holds."""
    told = gateway.json("config", "check")
    assert told["secretariats"] == ["cardiology", "entrees", "general"]
    assert "good" in gateway.run("config", "check").stdout


def test_a_database_in_no_folder_is_refused_by_the_check(tmp_path):
    """What `serve` will refuse, `config check` refuses."""
    nowhere = Gateway(tmp_path, database_url=f"sqlite:///{tmp_path}/none/x.db")
    assert "GATEWAY_DATABASE_URL" in nowhere.run("config", "check", exit_code=2).stderr


def test_an_account_without_rights_is_refused_and_audited(gateway, tmp_path):
    """Who is not in the site's access file may do nothing (exit 4); who is may do what stands there."""
    site = write_site(tmp_path / "strict")
    (site / "access.toml").write_text("")
    stranger = Gateway(tmp_path, site=site, database_url=gateway.database_url)
    assert "AccessRefused" in stranger.run("messages", "list", exit_code=4).stderr
    (site / "access.toml").write_text('[accounts."*"]\nrights = ["messages:read"]\n')
    stranger.json("messages", "list", "--summary")
    stranger.run("audit", "verify", exit_code=4)
    refusals = gateway.json("audit", "search", "--action", "user:access:refused")
    assert refusals[-1]["detail"] == {"act": "user:audit:verified"}


def commands(group=main, path=()):
    """Give every command with its path."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("path", list(commands()), ids=" ".join)
def test_every_command_shows_an_example(path):
    """The help of each command holds an example that begins with that command."""
    shown = CliRunner().invoke(main, [*path, "--help"])
    assert shown.exit_code == 0
    assert re.search(r"Examples?:\n(.*\n)*?\s+(\S+=\S+ )*gateway " + " ".join(path), shown.output), shown.output


def test_nothing_of_a_patient_stands_in_the_log(gateway):
    """Whatever was sent, served, refused or asked in this module, the service's log holds no trait or identifier."""
    log = gateway.log
    assert log.count('"message.received"') > len(MORNING)
    told = re.sub(r'"(timestamp|port|pid)":("[^"]*"|\d+)|127\.0\.0\.1:\d+', "", log)
    for value in ("FABULAIRE", "ODILE", "1958", "8001", "8009", CANARY, "Potassium"):
        assert value not in told
    assert all(json.loads(line)["level"] in {"info", "warning"} for line in log.splitlines())


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    """A database that cannot be made is named by its setting, in one line."""
    done = Gateway(tmp_path, database_url=f"sqlite:///{tmp_path}/none/x.db").run("serve", exit_code=None)
    assert done.returncode in {2, 3}
    assert "Traceback" not in done.stderr
