"""Who sees what, as the service's own acts give it, on each store; and what the audit trail keeps of it."""

from dataclasses import replace

import pytest
from messages import patient_told, result
from stores import SITE

from adapters.operations import Operations
from adapters.store.audit import AuditQuery
from gateway.audit import AuditAction
from gateway.errors import AccessRefused
from gateway.principal import Principal, PrincipalKind, Right
from gateway.sight import Sight

QUEUE = SITE.default_secretariat
NADIA = Principal(
    "account:nadia", PrincipalKind.PERSON, "secretary", frozenset({QUEUE}), frozenset({Right.WORKLIST_READ})
)
DESK = replace(NADIA, id="account:desk", profession="reception")
OPERATOR = Principal(
    "account:ops", PrincipalKind.PERSON, "operator", rights=frozenset({Right.WORKLIST_READ_ALL, Right.MESSAGES_READ})
)


def acts(store, who, *sensitive):
    return Operations(who, store.inbox, store.search, store.desk, store.worklist, store.trail, sensitive)


def only(store, who, *sensitive):
    views = acts(store, who, *sensitive).list_worklist("", kind=None, states=(), limit=10)
    (view,) = [v for v in views if v.item.kind == "result"]
    return view


@pytest.fixture
def filled(store):
    store.process(patient_told("C1", "8001"), result("C2", "8001", "O1", when=2))
    return store


def protected(store):
    """The patient asks for secrecy in the house (PD1-12)."""
    raw = patient_told("C3", "8001", when=5, event="A31")
    store.process(raw + b"PD1||||||||||||Y\r")
    return store


def test_the_secretary_sees_the_examination_and_reception_does_not(filled):
    """Lists and items alike."""
    assert [(only(filled, who).sight, only(filled, who).item.detail) for who in (NADIA, DESK, OPERATOR)] == [
        (Sight.MEDICAL, "Potassium"),
        (Sight.ADMINISTRATIVE, ""),
        (Sight.ADMINISTRATIVE, ""),
    ]
    item = only(filled, NADIA).item.id
    assert acts(filled, DESK).show_item(item)[0].item.detail == ""
    assert acts(filled, DESK).show_item(item)[0].person.traits.birth_family_name == "FABULAIRE"


def test_of_a_sensitive_service_an_operator_sees_no_patient(filled):
    """Nor does the history say what was there."""
    view = only(filled, OPERATOR, QUEUE)
    assert (view.sight, view.person.traits.birth_family_name, view.item.title) == (Sight.MASKED, "", "")
    shown, history = acts(filled, OPERATOR, QUEUE).show_item(view.item.id)
    assert (shown.sight, {step.title for step in history}) == (Sight.MASKED, {""})
    assert only(filled, NADIA, QUEUE).sight is Sight.MEDICAL


def test_a_patient_who_is_kept_secret_is_seen_by_the_care_team_alone(filled):
    """PD1-12 = Y masks the patient from then on to everybody else."""
    protected(filled)
    assert only(filled, OPERATOR).sight is Sight.MASKED
    assert only(filled, NADIA).person.traits.birth_family_name == "FABULAIRE"


def test_breaking_the_glass_is_a_right_and_an_act_of_its_own(filled):
    """With the reason, the patient and the item; without the right it is refused, and that is kept too."""
    protected(filled)
    item = only(filled, NADIA).item.id
    with pytest.raises(AccessRefused):
        acts(filled, OPERATOR).show_item(item, "urgence")
    doctor = replace(OPERATOR, id="account:doc", rights=frozenset({Right.WORKLIST_BREAK_GLASS}))
    view, _ = acts(filled, doctor).show_item(item, "urgence vitale")
    assert (view.item.detail, view.person.traits.birth_family_name) == ("Potassium", "FABULAIRE")
    refused, broken = [e for e in filled.trail.search(AuditQuery()) if e.principal in {"account:doc", "account:ops"}][
        -2:
    ]
    assert (refused.action, refused.detail["act"]) == (AuditAction.ACCESS_REFUSED, AuditAction.GLASS_BROKEN)
    assert (broken.action, broken.detail["reason"]) == (AuditAction.GLASS_BROKEN, "urgence vitale")
    assert broken.patients == (filled.worklist.item(item).item.identity,)


def test_a_message_shown_without_its_values_names_no_patient(filled):
    """The items that it changed are named, not whose they are."""
    shown = acts(filled, OPERATOR).show_message(2, "")
    assert [(v.item.kind, v.person.id, v.person.traits.birth_family_name) for v in shown.items] == [("result", "", "")]
