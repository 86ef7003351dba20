"""What was kept for its time goes, and what waits for too long is seen, beside a service that runs and is killed."""

import time
from datetime import UTC, datetime, timedelta

import httpx
from gateways import Gateway, Wire, code, gateway_in, write_site
from messages import appointment, fhir_appointment, patient_told, result
from sqlalchemy import text

FHIR = {"Content-Type": "application/fhir+json"}
PURGED = "the body was purged"
SEEN_SECONDS = 30.0


def age(gateway: Gateway, days: int) -> None:
    """Let all that was received so far have been received so many days ago."""
    then = datetime.now(UTC) - timedelta(days=days)
    at = then.replace(tzinfo=None) if gateway.database_url.startswith("sqlite") else then
    with gateway.database() as database, database.write() as connection:
        for statement in ("UPDATE message SET received_at = :at", "UPDATE outbox SET created_at = :at"):
            connection.execute(text(statement), {"at": str(at)})


def by_matter(told):
    return {row["matter"]: row["count"] for row in told["purged"]}


def test_a_purge_beside_the_service_leaves_record_proof_and_appointments(tmp_path, database_url):
    """Bodies go and say so; lists, audit, worklists and appointments answer as before; what comes after is kept."""
    with gateway_in(tmp_path, database_url=database_url) as gateway:
        with Wire(gateway.mllp) as wire:
            for raw in (patient_told("C1", "800101"), result("C2", "800101", "O1", when=1)):
                assert code(wire.ask(raw)) == "AA"
        made = httpx.post(gateway.http + "/fhir/Appointment", content=fhir_appointment("R1", "800101"), headers=FHIR)
        assert made.status_code == 201
        gateway.settled()
        age(gateway, days=31)
        with Wire(gateway.mllp) as wire:
            wire.ask(patient_told("C3", "800102", when=9))
        summary = gateway.settled()

        looked = gateway.json("retention", "run", "--dry-run")
        assert (looked["dry_run"], by_matter(looked)["message-body"]) == (True, 3)
        assert by_matter(gateway.json("retention", "run")) == by_matter(looked)
        assert by_matter(gateway.json("retention", "run"))["message-body"] == 0

        assert gateway.summary() == summary
        assert PURGED in gateway.run("messages", "show", "2").stdout
        assert gateway.json("messages", "show", "2")["content"] == []
        refused = gateway.run("messages", "replay", "2", "--reason", "a test", exit_code=1)
        assert "ResourcePurged" in refused.stderr
        assert PURGED not in gateway.run("messages", "show", "4").stdout
        read = httpx.get(gateway.http + "/fhir/Appointment/" + made.json()["id"])
        assert (read.status_code, read.json()["status"]) == (200, "booked")
        assert read.json()["identifier"][0]["value"] == "R1"
        purges = gateway.json("audit", "search", "--action", "gateway:store:purged")
        told = {e["detail"]["matter"]: e["detail"]["count"] for e in purges}
        assert told == {matter: count for matter, count in by_matter(looked).items() if count}
        assert all(e["principal"].startswith("account:") for e in purges)
        assert gateway.json("audit", "verify")["ok"]


def test_only_an_operator_purges(tmp_path):
    """Without the right the purge, and the look at what is due, are refused and audited."""
    gateway = Gateway(tmp_path)
    gateway.run("migrate")
    access = tmp_path / "site" / "access.toml"
    access.write_text(access.read_text(encoding="utf-8").replace('["*"]', '["messages:read"]'), encoding="utf-8")
    for options in ([], ["--dry-run"]):
        assert "AccessRefused" in gateway.run("retention", "run", *options, exit_code=4).stderr
    refused = gateway.rows("SELECT action FROM audit_event WHERE action = 'user:access:refused'")
    assert len(refused) == 2


def waiting_item(gateway: Gateway):
    """Give the convocation that is shown, once there is one."""
    deadline = time.monotonic() + SEEN_SECONDS
    while not (found := gateway.rows("SELECT title, version FROM work_item WHERE kind = 'convocation'")):
        assert time.monotonic() < deadline, gateway.log[-2_000:]
        time.sleep(0.1)
    (item,) = found
    return item


def test_what_waits_too_long_is_seen_once_whatever_dies(tmp_path, database_url):
    """Killed around the moment at which it is due, the service shows it once; the booking makes it the normal item."""
    site = write_site(tmp_path / "site")
    held = site / "site.toml"
    held.write_text(held.read_text(encoding="utf-8").replace("[authorities]", "held_hours = 0.0005\n[authorities]"))
    gateway = Gateway(tmp_path, site=site, database_url=database_url)
    try:
        gateway.start()
        with Wire(gateway.mllp) as wire:
            wire.ask(patient_told("C1", "800101"))
            wire.ask(appointment("S13", "C2", "800101", "R1", when=5, starts=3_000))
        gateway.settled()
        for seconds in (1.5, 0.7, 0.3):
            time.sleep(seconds)
            gateway.kill()
            gateway.start()
        assert waiting_item(gateway) == ("convocation.change-unknown", 1)
        gateway.kill()
        gateway.start()
        (listed,) = (m for m in gateway.json("messages", "list") if m["control_id"] == "C2")
        assert listed["waiting"] == 1
        with Wire(gateway.mllp) as wire:
            wire.ask(appointment("S12", "C3", "800101", "R1", when=1))
        gateway.settled()
        assert waiting_item(gateway) == ("convocation.to-send", 2)
        assert gateway.rows(
            "SELECT version FROM outbox WHERE item_id IN (SELECT id FROM work_item WHERE kind = "
            "'convocation') ORDER BY version"
        ) == [(1,), (2,)]
        assert len(gateway.json("audit", "search", "--action", "gateway:fact:overdue")) == 1
        assert gateway.json("audit", "verify")["ok"]
    finally:
        gateway.kill()
