"""Rules are taken up by a service that runs, between two batches; what is wrong changes nothing, and is said."""

import os
import signal
import time

import pytest
from gateways import Gateway, Wire
from messages import UNIT, patient_told, result

RULE = f"""[[rule]]
name = "potassium"
label = "Potassium"
kinds = ["result"]
when = {{ unit = ["{UNIT}"] }}
to = ["general"]
"""


def reload(gateway: Gateway, event: str) -> None:
    """Let the service read its site again, and return once it says what became of that."""
    said = gateway.log.count(event)
    os.kill(gateway.process.pid, signal.SIGHUP)
    deadline = time.monotonic() + 20
    while gateway.log.count(event) == said:
        assert time.monotonic() < deadline, gateway.log[-2_000:]
        time.sleep(0.05)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_changed_rules_are_taken_up_without_a_restart(tmp_path, database_url, workers):
    """What comes after the signal goes by the new rules; nothing that comes meanwhile is lost, whoever works."""
    gateway = Gateway(tmp_path, database_url=database_url, GATEWAY_WORKERS=workers)
    rules = tmp_path / "site" / "routing.toml"
    try:
        gateway.start()
        with Wire(gateway.mllp) as wire:
            wire.ask(patient_told("C1", "8001"))
            wire.ask(result("C2", "8001", "O1", when=2))
            gateway.settled()
            rules.write_text(RULE.replace("general", "nowhere"), encoding="utf-8")
            reload(gateway, '"configuration.refused"')
            rules.write_text(RULE, encoding="utf-8")
            os.kill(gateway.process.pid, signal.SIGHUP)
            for n in range(20):
                wire.ask(result(f"D{n}", "8001", f"P{n}", when=3 + n))
            reload(gateway, '"configuration.renewed"')
            taken = len(gateway.rows("SELECT 1 FROM configuration"))
            for n in range(20):
                wire.ask(result(f"E{n}", "8001", f"Q{n}", when=30 + n))
                time.sleep(0.02)
        gateway.settled()
        items = gateway.rows("SELECT rule, count(*) FROM work_item WHERE kind = 'result' GROUP BY rule ORDER BY rule")
        assert sum(count for _, count in items) == 41
        assert {rule for rule, _ in items} <= {"potassium", "unit-of-cardiology"}
        last = gateway.rows("SELECT rule FROM work_item WHERE kind = 'result' ORDER BY created_at DESC, id LIMIT 1")
        assert last == [("potassium",)]
        assert taken == 2
        history = gateway.json("config", "history", "--json")
        assert {"path": "rules[potassium].to", "before": "", "after": "general"} in history[1]["changes"]
        assert gateway.terminate() == 0
    finally:
        gateway.kill()


def test_what_needs_a_restart_is_refused_and_said(tmp_path):
    """Another source is no matter of rules."""
    gateway = Gateway(tmp_path)
    sources = tmp_path / "site" / "sources.toml"
    try:
        gateway.start()
        sources.write_text(
            sources.read_text().replace('role = "department"', 'role = "department"\nlabel = "Autre"', 1)
        )
        reload(gateway, '"configuration.refused"')
        assert "a restart is expected to change sources[" in gateway.log
        assert gateway.terminate() == 0
    finally:
        gateway.kill()
