"""What the identity desk types: masked until a reason is given, previewed until --yes, exit codes as everywhere."""

import json

import pytest
from click.testing import CliRunner
from messages import AUTHORITY, patient_told, result
from stores import reception

from adapters.assembly import Assembly
from adapters.cli import main
from adapters.pipeline import worker
from adapters.settings import load_settings

ADMISSIONS_DOMAIN = "2.16.840.1.113883.19.750.1"


@pytest.fixture
def gateway(store, monkeypatch):
    """Call `gateway identity` where a patient is known and a contradiction was doubted; give exit code and text."""
    monkeypatch.setenv("GATEWAY_DATABASE_URL", store.url)
    told = patient_told("C1", "8001").replace(b"|ADM|", b"|GAM|")
    doubted = result("C2", "8001", "O1", when=2).replace(b"|LAB|", b"|RIS|").replace(b"FABULAIRE", b"AUTREMENT")
    named = [raw.replace(AUTHORITY.encode(), ADMISSIONS_DOMAIN.encode()) for raw in (told, doubted)]
    assembly = Assembly(load_settings())
    sources = ("admissions", "imaging")
    store.inbox.record([reception(raw, source=source) for raw, source in zip(named, sources, strict=True)])
    assert worker(assembly, lambda: None).run_once() == 2
    assembly.close()

    def call(*arguments):
        done = CliRunner().invoke(main, ["identity", *arguments])
        return done.exit_code, done.output

    return call


def asked(gateway):
    return json.loads(gateway("list", "--json")[1])["questions"]


def test_a_question_is_listed_shown_compared_and_answered(gateway):
    """From the list to the decision and back, values masked unless a reason is given."""
    (question,) = asked(gateway)
    assert question["label"] == "Collision possible : traits stricts contradictoires"
    doubt, adm = question["identity"], question["other"]
    for arguments in (("list",), ("show", doubt), ("compare", doubt, adm), ("list", "--json", "--kind", "collisions")):
        exit_code, printed = gateway(*arguments)
        assert exit_code == 0
        assert "AUTREMENT" not in printed
        assert "AUTREMENT" in gateway(*arguments, "--reveal", "a question")[1]
    assert "bloquante" in gateway("compare", doubt, adm)[1]
    assert gateway("decide", "not-same", doubt, adm, "--reason", "two sisters")[0] == 2
    assert len(asked(gateway)) == 1
    exit_code, printed = gateway("decide", "not-same", doubt, adm, "--reason", "two sisters", "--yes")
    assert (exit_code, "personnes distinctes, en vigueur" in printed) == (0, True)
    assert asked(gateway) == []
    assert "two sisters" not in gateway("show", adm, "--json")[1]
    assert "two sisters" in gateway("show", adm, "--json", "--reveal", "a question")[1]
    assert gateway("undo", "1", "--reason", "a mistake", "--yes")[0] == 0
    assert len(asked(gateway)) == 1
    assert gateway("undo", "1", "--reason", "again", "--yes")[0] == 1


def test_what_needs_two_people_is_listed_as_proposed_and_refused_to_who_proposed_it(gateway):
    """A link against a strict trait waits; the proposer's own approval is refused (exit 4)."""
    (question,) = asked(gateway)
    exit_code, printed = gateway(
        "decide", "link", question["identity"], question["other"], "--reason", "married", "--yes", "--json"
    )
    decision = json.loads(printed)
    assert (exit_code, decision["standing"], decision["discordant"]) == (0, "proposed", ["birth_family_name"])
    assert [d["decision"] for d in json.loads(gateway("list", "--kind", "proposed", "--json")[1])["decisions"]] == [1]
    assert gateway("decide", "approve", "1", "--yes")[0] == 4


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (("show", "nobody"), 1),
        (("compare", "one", "one"), 2),
        (("undo", "9", "--reason", "none", "--yes"), 1),
        (("decide", "unlink", "nobody", "--reason", " "), 2),
    ],
)
def test_what_is_not_there_or_not_said_is_an_error_of_its_kind(gateway, arguments, exit_code):
    """Nobody of that id is a no; a call that says too little is a wrong one."""
    assert gateway(*arguments)[0] == exit_code


def test_the_further_decisions_are_typed_like_the_others(gateway):
    """A freeze is proposed; whoever is asked is named in the list; a flag must be one that can be requested."""
    (question,) = asked(gateway)
    doubt, adm = question["identity"], question["other"]
    frozen = gateway("decide", "freeze", adm, "--reason", "two patients", "--yes", "--json")
    assert (frozen[0], json.loads(frozen[1])["standing"]) == (0, "proposed")
    waits = gateway("decide", "ask-information", doubt, "--of", "cardiology", "--reason", "who came", "--yes")
    assert waits[0] == 0
    assert asked(gateway)[0]["waits_for"] == ["cardiology"]
    assert "cardiology" in gateway("list")[1]
    assert gateway("decide", "request-flag", adm, "--flag", "FICT", "--reason", "r", "--yes")[0] == 2
    assert gateway("decide", "request-flag", adm, "--flag", "HOMA", "--reason", "a namesake", "--yes")[0] == 0
    requests = json.loads(gateway("list", "--kind", "requests", "--json")[1])["decisions"]
    assert [(d["kind"], d["subject"], d["overdue"]) for d in requests] == [("request-flag", "HOMA", False)]


def test_a_record_says_where_its_traits_came_from_and_is_listed_for_what_is_notable(gateway):
    """Source, message and time of each trait; a list of records is in French, and is not one of questions."""
    (question,) = asked(gateway)
    shown = json.loads(gateway("show", question["other"], "--json")[1])
    (trace,) = shown["provenance"]
    assert (trace["source"], trace["message"]) == ("admissions", 1)
    assert {"birth_family_name", "birth_date"} <= set(trace["traits"])
    assert "provenance : admissions, message 1, " in gateway("show", question["other"])[1]
    assert json.loads(gateway("list", "--about", "twins", "--json")[1]) == {"about": "twins", "records": []}
    assert gateway("list", "--about", "twins", "--kind", "unknown")[0] == 2
    assert "à noter" in gateway("list", "--about", "homonyms")[1]


def test_what_the_desk_has_to_do_and_has_done_is_told_in_numbers(gateway):
    """Open questions, late ones, and decisions by where they stand; nobody is named."""
    (question,) = asked(gateway)
    told = json.loads(gateway("stats", "--json")[1])
    (waiting,) = told["questions"]
    assert (waiting["question"], waiting["open"], waiting["late"]) == ("identity.collision", 1, 0)
    assert told["decisions"] == []
    gateway("decide", "not-same", question["identity"], question["other"], "--reason", "two sisters", "--yes")
    gateway("undo", "1", "--reason", "an error", "--yes")
    told = json.loads(gateway("stats", "--json")[1])
    assert told["decisions"] == [{"decision": "not-same", "proposed": 0, "in-force": 0, "undone": 1}]
    exit_code, printed = gateway("stats")
    assert (exit_code, "ouvertes" in printed, question["identity"] in printed) == (0, True, False)


def test_many_records_are_decided_on_by_one_act(gateway):
    """Of several others at once it is proposed to a second person; one decision names them all."""
    (question,) = asked(gateway)
    arguments = ("decide", "not-same", question["identity"], question["other"], question["other"])
    assert gateway(*arguments, "--reason", "sisters", "--yes")[0] == 1
    assert gateway("decide", "not-same", question["identity"], "--reason", "sisters", "--yes")[0] == 2
