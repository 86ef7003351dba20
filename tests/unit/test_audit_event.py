"""A stored act is shown as R4 AuditEvents that other systems take: by BALP's patterns, and by the French profile."""

import json
import tomllib
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from fhir.resources.R4B.auditevent import AuditEvent as R4AuditEvent
from sites import ADMISSIONS, demo_site

from adapters.fhir.validation import validate
from gateway.audit import AuditAction, AuditEvent
from gateway.audit_codes import codes
from gateway.facts import Identifier, IdentifierKind
from gateway.principal import Principal, PrincipalKind
from gateway.site import Access
from mappings.fhir.audit_event import TDE, Context, View, shares
from mappings.fhir.audit_event import projected as projection

NADIA = Principal("nadia", PrincipalKind.PERSON, "secretary")
SITE = demo_site(access=Access(accounts={"nadia": NADIA}))
KNOWN = {"p-1": Identifier("1.2.250.1.999.1", "8001", IdentifierKind.PATIENT)}
CONTEXT = Context(SITE, KNOWN)
AT = datetime(2026, 3, 2, 9, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
PROFILES = tomllib.loads(Path(__file__).with_name("audit_profiles.toml").read_text(encoding="utf-8"))["profile"]


def event(action, **changes):
    """Give an act with everything that one can have."""
    known = {
        "at": AT,
        "action": action,
        "principal": "account:nadia",
        "patients": ("p-1", "p-2"),
        "message": 12,
        "entities": ("item/i-1", "secretariat/accueil", "decision/3"),
        "correlation": "MSG-1",
        "detail": {"found": 3, "ok": True, "state": "", "reason": "DUPONT was mistaken for DURAND"},
        "id": 41,
    }
    return AuditEvent(**(known | changes))


EVENTS = [
    *(event(action) for action in AuditAction),
    event(AuditAction.STATUS_SHOWN, patients=(), entities=(), correlation="", detail={}, message=None),
    event(AuditAction.IDENTITY_MERGED, principal="gateway"),
    event("somebody:else:altered", principal=""),
]


def projected(act, view):
    """Give all AuditEvents of an event."""
    return [projection(act, share, CONTEXT, view) for share in shares(act, view)]


def reached(resource, path):
    """Give what a path leads to, each repetition by itself."""
    found = [resource]
    for step in path.split("."):
        found = [value[step] for value in found if step in value]
        found = [each for value in found for each in (value if isinstance(value, list) else [value])]
    return found


def departures(resource, rule):
    """Give where a resource departs from a rule."""
    first, _, rest = rule["path"].partition(".")
    wanted = rule.get("where", {})
    chosen = (
        [e for e in resource.get(first, []) if all(reached(e, p) == [v] for p, v in wanted.items())] if wanted else []
    )
    if wanted and not rest:
        groups = [chosen]
    elif wanted:
        groups = [reached(each, rest) for each in chosen]
    elif rest and isinstance(resource.get(first), list):
        groups = [reached(each, rest) for each in resource[first]]
    else:
        groups = [reached(resource, rule["path"])]
    return [
        (rule, group)
        for group in groups
        if not rule.get("min", 0) <= len(group) <= rule.get("max", 99)
        or any(value not in rule.get("one_of", [value]) for value in group)
    ]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile["view"])
def test_every_act_is_valid_r4_and_keeps_the_profile(profile):
    """Whatever was done by whomever, its AuditEvents keep the resource's definition and the profile's rules."""
    for act in EVENTS:
        for resource in projected(act, View(profile["view"])):
            validate(resource, R4AuditEvent)
            found = [d for rule in profile["rules"] for d in departures(resource, rule)]
            assert found == [], (act.action, found)


def test_a_rule_finds_what_departs_from_it():
    """The rules of this file are able to say no."""
    (resource,) = projected(event(AuditAction.APPOINTMENT_READ), View.TDE)
    resource["agent"] *= 2
    resource["agent"][0] = {"requestor": True}
    del resource["period"]
    resource["source"]["observer"]["type"] = "Basket"
    rules = {p["view"]: p["rules"] for p in PROFILES}
    assert [r["path"] for rule in rules["tde"] for r, _ in departures(resource, rule)] == [
        "period.start",
        "agent",
        "agent.who",
        "source.observer.type",
    ]
    assert [r["path"] for rule in rules["balp"] for r, _ in departures(resource, rule)] == ["agent.who", "entity"]


def test_by_balp_each_patient_has_an_event_of_its_own():
    """One act on two patients is two AuditEvents, each with one of them; without a patient it is one."""
    found = projected(event(AuditAction.WORKLIST_LISTED), View.BALP)
    assert [r["id"] for r in found] == ["41-1", "41-2"]
    assert [reached(r, "entity.what.reference") for r in found] == [
        ["Patient/p-1", "Task/i-1"],
        ["Patient/p-2", "Task/i-1"],
    ]
    assert found[0]["entity"][0]["what"]["identifier"] == {"system": "urn:oid:1.2.250.1.999.1", "value": "8001"}
    assert "identifier" not in found[1]["entity"][0]["what"]
    assert shares(event(AuditAction.ITEM_SHOWN, patients=("p-1",)), View.BALP) == [("41", ("p-1",))]
    assert shares(event(AuditAction.SERVICE_STARTED, patients=()), View.BALP) == [("41", ())]


def test_by_tde_an_act_is_one_event():
    """Both patients, the instant as the beginning of the period, and the profile claimed."""
    (found,) = projected(event(AuditAction.WORKLIST_LISTED), View.TDE)
    assert found["id"] == "41"
    assert found["meta"] == {"profile": [TDE]}
    assert found["period"] == {"start": found["recorded"]} == {"start": "2026-03-02T08:00:00.123456Z"}
    assert len([e for e in found["entity"] if e["type"]["code"] == "1"]) == 2


def test_who_acted_stands_first_and_what_served_second():
    """A person with the profession that the site gives, a source with its label, the relay with the queue it told."""

    def agents(action, principal):
        (found,) = projected(event(action, principal=principal), View.TDE)
        return [(a["altId"], a["requestor"], a["type"]["coding"][0]["code"]) for a in found["agent"]]

    assert agents(AuditAction.ITEM_DONE, "account:nadia") == [
        ("account:nadia", True, "IRCP"),
        ("gateway", False, "110152"),
    ]
    assert agents(AuditAction.MESSAGE_RECEIVED, "admissions")[0] == ("admissions", True, "110153")
    assert agents(AuditAction.ITEM_CREATED, "gateway") == [("gateway", True, "110150")]
    assert agents(AuditAction.ITEM_PUBLISHED, "relay")[1] == ("queue:accueil", False, "110152")
    (done,) = projected(event(AuditAction.ITEM_DONE), View.TDE)
    assert reached(done["agent"][0], "role.coding.code") == ["secretary"]
    (received,) = projected(event(AuditAction.MESSAGE_RECEIVED, principal="admissions"), View.TDE)
    assert received["agent"][0]["name"] == ADMISSIONS.label


def test_no_free_words_leave_the_log():
    """What somebody said in words of their own stays in the log; codes and counts are shown."""
    for view in View:
        text = json.dumps(projected(event(AuditAction.MESSAGE_DISCARDED), view))
        assert "DUPONT" not in text
        assert '"found"' in text


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (AuditAction.MESSAGE_RECEIVED, ("110107", None, "C", "0")),
        (AuditAction.ITEM_PUBLISHED, ("110106", None, "E", "0")),
        (AuditAction.MESSAGE_QUARANTINED, ("110110", None, "E", "4")),
        (AuditAction.WORKLIST_LISTED, ("110112", None, "E", "0")),
        (AuditAction.ITEM_SHOWN, ("110110", None, "R", "0")),
        (AuditAction.ITEM_DONE, ("110110", None, "U", "0")),
        (AuditAction.ITEM_ADDED, ("110110", None, "C", "0")),
        (AuditAction.APPOINTMENT_READ, ("rest", "read", "R", "0")),
        (AuditAction.APPOINTMENT_SEARCHED, ("rest", "search-type", "E", "0")),
        (AuditAction.AUDIT_SEARCHED, ("110101", None, "E", "0")),
        (AuditAction.ACCESS_REFUSED, ("110113", "110132", "E", "8")),
        (AuditAction.SERVICE_STARTED, ("110100", "110120", "E", "0")),
        (AuditAction.STORE_PURGED, ("110100", None, "D", "0")),
        ("nonsense", ("110110", None, "U", "0")),
    ],
)
def test_an_act_has_the_codes_of_the_standards(action, expected):
    """Kind, what more is known of it, what was done, how it ended."""
    found = codes(action)
    assert (found.type.code, found.subtype and found.subtype.code, found.action, found.outcome) == expected


def test_every_action_keeps_the_grammar():
    """Three parts: who acts, on what, what was done."""
    for action in AuditAction:
        subject, thing, done = action.split(":")
        assert subject in {"source", "gateway", "relay", "user"}
        assert thing
        assert done
