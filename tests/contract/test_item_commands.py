"""What a secretary types: acts on items, exit codes as everywhere, JSON for a program."""

import json

import pytest
from click.testing import CliRunner
from messages import AUTHORITY, patient_told, result
from stores import reception

from adapters.assembly import Assembly
from adapters.cli import main
from adapters.pipeline import worker
from adapters.settings import load_settings

DOMAIN = "2.16.840.1.113883.19.750.1"


@pytest.fixture
def gateway(store, monkeypatch):
    """Call `gateway worklist` where a patient has a result; give exit code and text."""
    monkeypatch.setenv("GATEWAY_DATABASE_URL", store.url)
    told = patient_told("C1", "8001").replace(b"|ADM|", b"|GAM|"), result("C2", "8001", "O1", when=2)
    named = [raw.replace(AUTHORITY.encode(), DOMAIN.encode()) for raw in told]
    assembly = Assembly(load_settings())
    sources = ("admissions", "laboratory")
    store.inbox.record([reception(raw, source=source) for raw, source in zip(named, sources, strict=True)])
    assert worker(assembly, lambda: None).run_once() == 2
    assembly.close()

    def call(*arguments):
        done = CliRunner().invoke(main, ["worklist", *arguments])
        return done.exit_code, done.output

    return call


def only(gateway, kind="result"):
    (item,) = json.loads(gateway("list", "--kind", kind, "--json")[1])
    return item


def test_an_item_is_claimed_worked_on_and_done(gateway):
    """Each act says how the item stands; its history tells all of them."""
    item = only(gateway)["id"]
    exit_code, printed = gateway("claim", item)
    assert (exit_code, "en cours, account:" in printed) == (0, True)
    assert gateway("claim", item)[0] == 1
    assert gateway("comment", item, "--text", "rappelé")[0] == 0
    assert gateway("acknowledge", item)[0] == 0
    assert gateway("acknowledge", item, "--clinically")[0] == 4
    assert gateway("done", item, "--note", "lu")[0] == 0
    assert gateway("reopen", item, "--reason", "erreur")[0] == 0
    (undone,) = json.loads(gateway("undo", item, "--json")[1])
    assert (undone["done"], undone["item"]["state"]) == (True, "done")
    shown = gateway("show", item)[1]
    for words in ("prise en charge", "rappelé", "réception accusée", "faite", "rouverte", "action annulée"):
        assert words in shown
    steps = json.loads(gateway("show", item, "--json")[1])["history"]
    assert [s["deed"] for s in steps[1:]] == ["claim", "comment", "acknowledge", "done", "reopen", "undo"]


def test_an_item_is_forwarded_and_put_on_hold(gateway):
    """On its new queue it lies until the day."""
    item = only(gateway)["id"]
    assert gateway("forward", item, "--to", "radiology", "--note", "chez vous")[0] == 0
    assert gateway("hold", item, "--until", "2099-03-09T08:00", "--reason", "attend")[0] == 0
    shown = only(gateway)
    assert (shown["secretariat"], shown["state"]) == ("radiology", "on-hold")
    assert shown["on_hold_until"].startswith("2099-03-09T07:00")
    assert gateway("hold", item, "--until", "2001-03-09", "--reason", "attend")[0] == 1
    assert gateway("forward", item, "--to", "nowhere", "--note", "?")[0] == 1


def test_several_items_are_acted_on_by_one_call(gateway):
    """What could not be done is said beside what was, and the exit code says so."""
    item = only(gateway)["id"]
    call = gateway(
        "add", "call", "cardiology", "--patient", "8001", "--text", "rappeler", "--priority", "urgent", "--json"
    )
    made = json.loads(call[1])
    assert (call[0], made["reason"], made["source_message"]) == (0, "ajoutée à la main", None)
    exit_code, printed = gateway("claim", item, made["id"], "nobody", "--json")
    outcomes = json.loads(printed)
    assert (exit_code, [o["done"] for o in outcomes]) == (1, [True, True, False])
    assert outcomes[2]["error"] == "ResourceNotFound"
    assert gateway("add", "call", "cardiology", "--patient", "nobody", "--text", "rappeler")[0] == 1
