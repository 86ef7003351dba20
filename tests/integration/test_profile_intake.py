"""A source that asks for a profile, from its frame to what an operator sees of it: real store, pipeline, commands."""

import json
from shutil import copytree

import pytest
from click.testing import CliRunner
from messages import patient_told
from sites import PID, frame, header

from adapters import pipeline
from adapters.assembly import Assembly
from adapters.cli.explain import explain
from adapters.cli.messages import messages
from adapters.due_acknowledgments import DueAcknowledgments
from adapters.intake import Hl7Intake
from adapters.mllp.listener import Peer
from adapters.ops.commit import WatchedCommit
from adapters.ops.meter import Meter, counters
from adapters.settings import load_settings
from gateway import er7
from mappings.site import DEMO

DEPARTING = frame(header("ADT^A28", version="2.5^FRA^2.11"), "EVN||20260310", PID.replace("|F|", "|X|"), "PV1||N")
CONFORMING = frame(header("ADT^A28", version="2.5^FRA^2.11", control_id="M2"), "EVN||20260310", PID + "|", "PV1||N")


@pytest.fixture(params=["advisory", "enforced"])
def asked(request, tmp_path, monkeypatch):
    """The mode, and a gateway on the demonstration's site whose admissions ask for pam-fr in that mode."""
    copytree(DEMO, tmp_path, dirs_exist_ok=True)
    lines = f'role = "admissions"\nprofile = "pam-fr"\nprofile_mode = "{request.param}"'
    text = (DEMO / "sources.toml").read_text().replace('role = "admissions"', lines, 1)
    (tmp_path / "sources.toml").write_text(text.replace('"CHU-DEMO"', '"CHU"'))
    monkeypatch.setenv("GATEWAY_SITE", str(tmp_path))
    monkeypatch.setenv("GATEWAY_DATABASE_URL", f"sqlite:///{tmp_path / 'gateway.db'}")
    assembly = Assembly(load_settings())
    assembly.prepare_database(assembly.account_principal())
    yield request.param, assembly
    assembly.close()


async def taken(assembly: Assembly, *frames: bytes) -> tuple[list[er7.Message], Meter]:
    """The answers to frames that were received and processed, and what was counted."""
    meter = Meter([source.id for source in assembly.site.sources])
    group = WatchedCommit(assembly.inbox.record, meter, lambda: None)
    group.start()
    intake = Hl7Intake(assembly.site, group, lambda: None, DueAcknowledgments(assembly.inbox.outcomes))
    answers = [er7.read(await intake.receive(f, Peer("127.0.0.1", 1))) for f in frames]
    await group.stop()
    worker = pipeline.worker(assembly, lambda: None)
    while worker.run_once():
        pass
    return answers, meter


def counted(meter: Meter) -> dict[tuple[str, ...], float]:
    families = {family.name: family for family in counters(meter.take_traffic().tallies)}
    return {tuple(s.labels.values()): s.value for s in families["gateway_profile_departures"].samples}


async def test_what_departs_is_answered_noted_counted_and_told(asked, tmp_path):
    """Advisory: AA, processed, and the list says that it departs. Enforced: AE with the place, and quarantine."""
    mode, assembly = asked
    (first, second), meter = await taken(assembly, DEPARTING, CONFORMING)
    code, state = ("AA", "processed") if mode == "advisory" else ("AE", "quarantined")
    assert [first.text("MSA-1"), second.text("MSA-1")] == [code, "AA"]
    assert counted(meter) == {("admissions", "pam-fr", "pid-sex"): 1}
    listed = json.loads(CliRunner().invoke(messages, ["list", "--json"]).output)
    assert [m["state"] for m in listed] == [state, "processed"]
    line, other = CliRunner().invoke(messages, ["list"]).output.splitlines()[1:]
    shown = json.loads(CliRunner().invoke(messages, ["show", "1", "--json"]).output)
    place = json.loads(CliRunner().invoke(messages, ["show", "1", "--path", "pid-5.1", "--json"]).output)["content"]
    assert [field | {"label": ""} for field in place[0]["fields"]] == [{"path": "PID-5.1", "label": "", "value": "(6)"}]
    departure = {"path": "PID-8", "rule": "one of F, M, U (pam-fr pid-sex; PAM.FR 2.11.2, PID-8)"}
    if mode == "advisory":
        assert "departs from its source's profile, at 1 place" in line
        assert shown["notes"]["departures"] == [departure]
    else:
        assert first.text("ERR-2.3") == "8"
        assert (shown["path"], shown["rule"], shown["error"]) == ("PID-8", departure["rule"], "ValueUnknown")
    assert "departs" not in other
    (tmp_path / "m.hl7").write_bytes(DEPARTING)
    explained = json.loads(CliRunner().invoke(explain, [str(tmp_path / "m.hl7"), "--json"]).output)
    assert (explained["answer"], explained["departures"]) == (code, [departure])
    assert f"profile   PID-8: {departure['rule']}" in CliRunner().invoke(explain, [str(tmp_path / "m.hl7")]).output


async def test_a_source_that_asks_for_nothing_is_checked_for_nothing(asked):
    """Another source's message is not held to the profile."""
    _, assembly = asked
    (answer,), meter = await taken(assembly, patient_told("C1", "1"))
    assert (answer.text("MSA-1"), counted(meter)) == ("AA", {})
