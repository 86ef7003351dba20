"""An operator's day with the commands, beside a service that runs."""

import json

import pytest
from gateways import Gateway, Wire, code, gateway_in, write_site
from messages import message, patient_told, pid, result

from gateway.principal import Right

REASON = ("--reason", "a test")
PATIENT = "800301"
FAMILY = "FABULAIRE"
MOVED = message(
    "ADT^A43^ADT_A43", "OP-MOVED", "EVN||20260302080000", pid(PATIENT), "MRG|8002^^^CHU^PI", application="ADM"
)
"""Nobody but a person can decide it."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """A gateway with a patient, two errors, and a message that was refused."""
    with gateway_in(tmp_path_factory.mktemp("gateway")) as gateway:
        with Wire(gateway.mllp) as wire:
            raws = [patient_told("OP-1", PATIENT), MOVED, MOVED.replace(b"OP-MOVED", b"OP-MOVED-2")]
            assert [code(wire.ask(raw)) for raw in raws] == ["AA"] * 3
            assert code(wire.ask(patient_told("OP-REFUSED", PATIENT).replace(b"19580321", b"18-03"))) == "AE"
        gateway.settled()
        yield gateway


def number_of(gateway, control_id):
    """Give the number of the newest message with this control ID."""
    return gateway.json("messages", "list", "--control-id", control_id)[-1]["id"]


def conserved(gateway):
    summary = gateway.summary()
    return summary["received"] == sum(count for name, count in summary.items() if name != "received")


def test_messages_are_found_by_every_condition(gateway):
    """Conditions combine, a relative time is understood, and an older page is asked for by the number that is told."""
    numbers = [m["id"] for m in gateway.json("messages", "list", "--patient", PATIENT, "--since", "2h")]
    assert numbers == [number_of(gateway, c) for c in ("OP-1", "OP-MOVED", "OP-MOVED-2", "OP-REFUSED")]
    asked = ("messages", "list", "--source", "admissions", "--type", "ADT^A43", "--error", "PersonNeeded")
    assert [m["control_id"] for m in gateway.json(*asked)] == ["OP-MOVED", "OP-MOVED-2"]
    assert gateway.json(*asked, "--until", "2026-01-01") == []
    page = gateway.run(*asked, "--limit", 1, "--json")
    before = page.stderr.split("--before ")[1].strip()
    assert [m["control_id"] for m in gateway.json(*asked, "--limit", 1, "--before", before)] == ["OP-MOVED"]
    assert "yesterday" not in gateway.run("messages", "list", "--since", "yesterday", exit_code=2).stdout
    searched = gateway.json("audit", "search", "--patient", PATIENT, "--action", "user:message:listed")
    assert searched
    assert PATIENT not in json.dumps(searched)


def test_an_error_is_assigned_and_resolved(gateway):
    """The error list counts by kind and tells the owner; a resolved error leaves it and stays in quarantine."""
    number = number_of(gateway, "OP-MOVED-2")
    errors = gateway.json("messages", "errors")
    assert {"error": "PersonNeeded", "count": 2}.items() <= errors["groups"][0].items()
    gateway.run("messages", "assign", number, "--to", "martin", *REASON)
    assert gateway.json("messages", "errors", "--owner", "account:martin")["messages"][0]["id"] == number
    assert "account:martin" in gateway.run("messages", "errors").stdout
    gateway.run("messages", "resolve", number, *REASON)
    assert number not in [m["id"] for m in gateway.json("messages", "errors")["messages"]]
    assert gateway.json("messages", "show", number)["state"] == "quarantined"
    assert "already" in gateway.run("messages", "resolve", number, *REASON, exit_code=1).stderr
    resolved = gateway.json("audit", "search", "--message", number, "--action", "user:message:resolved")
    assert [event["detail"] for event in resolved] == [{"reason": "a test"}]


def test_what_is_held_is_not_replayed_with_many_until_it_is_released(gateway):
    """A hold is on the hold list with its reason; bulk replay leaves it out and says so."""
    number = number_of(gateway, "OP-MOVED")
    gateway.run("messages", "hold", number, "--reason", "asked the sender")
    assert "asked the sender" in gateway.run("messages", "held").stdout
    many = ("messages", "replay", "--state", "quarantined", "--source", "admissions", *REASON)
    preview = gateway.json(*many, "--dry-run")
    assert preview == {
        "replayed": False,
        "count": 0,
        "first": [],
        "left_out": {"held": 1, "refused": 1, "resolved": 1},
    }
    said = gateway.run(*many, "--dry-run").stdout
    assert "1 refused with a NAK" in said
    gateway.run("messages", "replay", number, *REASON, exit_code=1)
    gateway.run("messages", "release", number, *REASON)
    assert "--yes" in gateway.run(*many, exit_code=2).stderr
    assert gateway.json(*many, "--yes")["count"] == 1
    gateway.settled()
    assert len(gateway.json("audit", "search", "--message", number, "--action", "gateway:message:quarantined")) == 2
    gateway.run("messages", "hold", number_of(gateway, "OP-1"), *REASON, exit_code=1)


def test_a_message_is_edited_and_takes_effect_beside_its_original(gateway, tmp_path):
    """The bytes are given out with a reason, refused while they are wrong, and linked both ways once they are good."""
    original = number_of(gateway, "OP-REFUSED")
    gateway.run("messages", "show", original, "--raw", exit_code=2)
    raw = gateway.run("messages", "show", original, "--raw", "--reveal", "to edit").stdout
    assert FAMILY in raw
    file = tmp_path / "edited.hl7"
    file.write_text(raw, encoding="utf-8")
    act = ("messages", "edit-and-replay", original, "--file", file, *REASON)
    assert "PID-7" in gateway.run(*act, exit_code=1).stderr
    file.write_text(raw.replace("18-03", "19580321"), encoding="utf-8", newline="\n")
    number = gateway.json(*act)["message"]
    gateway.settled()
    shown = gateway.json("messages", "show", number)
    assert (shown["state"], shown["transport"], shown["edited_from"]) == ("processed", "operator", original)
    assert FAMILY not in json.dumps(shown)
    kept = gateway.json("messages", "show", original)
    assert (kept["edited_as"], kept["state"]) == ([number], "quarantined")
    assert kept["resolved_at"]
    file.write_text("no hl7", encoding="utf-8")
    assert "NotHl7" in gateway.run(*act, exit_code=1).stderr
    file.write_bytes(result("OP-OTHER", PATIENT, "O1"))
    assert "SourceUndeclared" in gateway.run(*act, exit_code=1).stderr
    assert conserved(gateway)


def test_a_discarded_message_is_shown_and_may_be_replayed(gateway):
    """It ends as ignored by a rule of its own; replayed singly, it is in quarantine again."""
    with Wire(gateway.mllp) as wire:
        assert code(wire.ask(MOVED.replace(b"OP-MOVED", b"OP-TEST"))) == "AA"
    gateway.settled()
    number = number_of(gateway, "OP-TEST")
    gateway.run("messages", "discard", number, *REASON)
    shown = gateway.json("messages", "show", number)
    assert (shown["state"], shown["rule"]) == ("ignored", "discarded")
    gateway.run("messages", "replay", number, *REASON)
    gateway.settled()
    assert gateway.json("messages", "show", number)["state"] == "quarantined"
    assert conserved(gateway)


ACTS = {
    "hold": (2,),
    "release": (2,),
    "discard": (2,),
    "resolve": (2,),
    "assign": (2, "--to", "martin"),
    "replay": ("--state", "quarantined"),
    "edit-and-replay": (2, "--file", __file__),
}


def test_each_act_needs_a_right_of_its_own(gateway, tmp_path):
    """An account with every right but one is refused that act alone (4), and each refusal is audited."""
    rights = {right.value for right in Right}
    for act, arguments in ACTS.items():
        right = f"messages:{act.split('-')[0]}"
        folder = tmp_path / act
        site = write_site(folder / "site")
        given = json.dumps(sorted(rights - {right}))
        (site / "access.toml").write_text(f'[accounts."*"]\nrights = {given}\n', encoding="utf-8")
        stranger = Gateway(folder, site=site, database_url=gateway.database_url)
        assert right in stranger.run("messages", act, *arguments, *REASON, exit_code=4).stderr
    refused = gateway.json("audit", "search", "--action", "user:access:refused")
    assert len({event["detail"]["act"] for event in refused}) == len(ACTS)
