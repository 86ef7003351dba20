"""What compliance reads: who dealt with data, what is worth a look, what a patient may be told; in French."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sites import demo_site

from gateway.audit import AuditAction, AuditEvent
from gateway.audit_report import Anomaly, Deal, Limits, anomalies, deal, dealings, masked
from gateway.principal import Principal, PrincipalKind
from gateway.site import Access
from mappings.audit_story import profession_of, told, who
from mappings.texts import keys

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
LIMITS = Limits("Europe/Paris")
ACCOUNTS = {"nadia": Principal("nadia", PrincipalKind.PERSON, "secretary")}
CLIENTS = {"agenda": Principal("agenda", PrincipalKind.MACHINE)}
SITE = demo_site(access=Access(accounts=ACCOUNTS, clients=CLIENTS))


def act(action=AuditAction.ITEM_SHOWN, minutes=0.0, number=1, **changes):
    """Give an act of nadia's, so many minutes after Monday's nine o'clock."""
    known = {"principal": "account:nadia", "patients": ("p-1",), "id": number}
    return AuditEvent(MONDAY + timedelta(minutes=minutes), action, **(known | changes))


def found(*acts, serves=None):
    return [(case.anomaly, case.events) for case in anomalies(acts, serves, LIMITS)]


@pytest.mark.parametrize("action", AuditAction)
def test_every_act_is_one_of_three_dealings(action):
    """To list and to show is to see, to publish is to tell, all else is to act."""
    done = action.rpartition(":")[2]
    seen = {
        "listed",
        "shown",
        "read",
        "searched",
        "compared",
        "explained",
        "followed",
        "reported",
        "disclosed",
        "exported",
    }
    expected = Deal.TOLD if done == "published" else Deal.SAW if done in seen else Deal.CHANGED
    assert deal(act(action)) is expected


def test_dealings_are_by_actor_and_kind_in_the_order_of_their_beginning():
    """How often each act, from when to when, on whose records; the gateway's own processing is nobody's."""
    told_to = {"principal": "relay", "entities": ("item/1", "secretariat/accueil")}
    read = dealings(
        [
            act(AuditAction.IDENTITY_CREATED, 0, principal="gateway"),
            act(AuditAction.ITEM_PUBLISHED, 1, **told_to),
            act(AuditAction.WORKLIST_LISTED, 2, patients=("p-1", "p-9")),
            act(AuditAction.ITEM_DONE, 3),
            act(AuditAction.ITEM_SHOWN, 4),
            act(AuditAction.ITEM_SHOWN, 5),
        ],
        frozenset({"p-1"}),
    )
    assert [(d.who, d.deal) for d in read] == [
        ("queue:accueil", Deal.TOLD),
        ("account:nadia", Deal.SAW),
        ("account:nadia", Deal.CHANGED),
    ]
    saw = read[1]
    assert (saw.last - saw.first, saw.patients) == (timedelta(minutes=3), {"p-1"})
    assert saw.acts == {AuditAction.WORKLIST_LISTED: 1, AuditAction.ITEM_SHOWN: 2}
    assert dealings([act(patients=("p-1", "p-9"))], None)[0].patients == {"p-1", "p-9"}


def test_an_ordinary_day_is_no_case():
    """Forty patients in an hour of a working day, one refusal, an item of one's own secretariat."""
    shown = [
        act(minutes=n, number=n, patients=(f"p-{n}",), entities=("item/1", "secretariat/accueil")) for n in range(40)
    ]
    assert found(*shown, act(AuditAction.ACCESS_REFUSED, 41, patients=()), serves=frozenset({"accueil"})) == []


def test_values_that_were_shown_are_a_case_with_their_reason():
    """Each by itself, with what was said."""
    (case,) = anomalies([act(detail={"revealed": True, "reason": "appel de la famille"})], None, LIMITS)
    assert (case.anomaly, case.reason, case.patients) == (Anomaly.REVEALED, "appel de la famille", 1)
    assert found(act(detail={"revealed": False, "reason": ""})) == []


def test_refusals_again_and_again_are_one_case():
    """Five within an hour are, four are not, nor are five over a day."""
    refused = [act(AuditAction.ACCESS_REFUSED, n, n, patients=()) for n in range(1, 6)]
    assert found(*refused) == [(Anomaly.REFUSED, (1, 2, 3, 4, 5))]
    assert found(*refused[:4]) == []
    assert found(*(act(AuditAction.ACCESS_REFUSED, 59 * n, n, patients=()) for n in range(1, 6))) == []


@pytest.mark.parametrize(
    ("at", "usual"),
    [
        (datetime(2026, 3, 2, 6, 0, tzinfo=UTC), True),
        (datetime(2026, 3, 2, 5, 59, tzinfo=UTC), False),
        (datetime(2026, 3, 2, 18, 59, tzinfo=UTC), True),
        (datetime(2026, 3, 2, 19, 0, tzinfo=UTC), False),
        (datetime(2026, 3, 7, 10, 0, tzinfo=UTC), False),
        (datetime(2026, 7, 6, 5, 0, tzinfo=UTC), True),
    ],
)
def test_looking_out_of_hours_is_a_case(at, usual):
    """From seven to twenty o'clock in the site's zone, Monday to Friday, is usual."""
    assert bool(found(act(minutes=(at - MONDAY).total_seconds() / 60))) is not usual


def test_a_night_is_one_case():
    """What was looked at before and after midnight is one; to act is no looking."""
    night = [act(minutes=60 * hour, number=hour) for hour in (13, 15, 17)]
    assert found(*night, act(AuditAction.ITEM_DONE, 60 * 18, 18)) == [(Anomaly.OUT_OF_HOURS, (13, 15, 17))]
    assert len(found(night[0], act(minutes=60 * 37, number=37))) == 2


def test_opening_many_patients_one_by_one_is_a_case():
    """A list of many is not; the same patient again and again is not."""
    opened = [act(minutes=n / 2, number=n, patients=(f"p-{n}",)) for n in range(61)]
    assert found(*opened) == [(Anomaly.BULK, tuple(range(61)))]
    assert found(*opened[:60]) == []
    assert found(act(AuditAction.WORKLIST_LISTED, patients=tuple(f"p-{n}" for n in range(200)))) == []


def test_an_item_opened_from_outside_its_secretariat_is_a_case():
    """Where the site says for whom somebody works."""
    opened = act(entities=("item/1", "secretariat/cardiologie"), number=7)
    assert found(opened, serves=frozenset({"accueil"})) == [(Anomaly.OUT_OF_SERVICE, (7,))]
    assert found(opened, serves=frozenset({"cardiologie"})) == found(opened) == []
    assert found(act(entities=("item/1",)), serves=frozenset({"accueil"})) == []


def test_what_was_written_down_for_others_is_a_case():
    """Exports, reports and patients' lists."""
    for action in (AuditAction.AUDIT_EXPORTED, AuditAction.AUDIT_REPORTED, AuditAction.AUDIT_DISCLOSED):
        assert found(act(action, number=3, patients=())) == [(Anomaly.DISCLOSED, (3,))]


def test_a_patient_is_told_no_hour_and_no_name():
    """Day in the site's zone, profession, act, how often."""
    events = [act(), act(minutes=30), act(minutes=60 * 14 + 30), act(AuditAction.ITEM_CREATED, principal="gateway")]
    professions = {e.principal: profession_of(e.principal, SITE) for e in events}
    shown = [(m.day, m.profession, m.action, m.times) for m in masked(events, professions, "Europe/Paris")]
    assert shown == [
        (date(2026, 3, 2), "secrétaire", "user:item:shown", 2),
        (date(2026, 3, 2), "système", "gateway:item:created", 1),
        (date(2026, 3, 3), "secrétaire", "user:item:shown", 1),
    ]


def test_an_act_is_told_in_french():
    """Who, what, to what, and why; codes that say nothing to a reader are left out."""
    event = act(
        AuditAction.ITEM_FORWARDED,
        message=12,
        entities=("item/i-1", "secretariat/accueil", "decision/3"),
        detail={"to": "cardiologie", "reason": "suivi", "version": 3, "revealed": False},
    )
    said = told(event, SITE)
    assert (said.who, said.what) == ("compte nadia (secrétaire)", "tâche transmise à un autre secrétariat")
    assert said.about == (
        "message n° 12",
        "tâche i-1",
        "Accueil",
        "décision n° 3",
        "motif : suivi",
        "à : Cardiologie",
    )
    assert told(act(detail={"revealed": True, "to": "account:nadia"}), SITE).about == (
        "valeurs affichées",
        "à : compte nadia (secrétaire)",
    )


@pytest.mark.parametrize(
    ("principal", "said"),
    [
        ("gateway", "la passerelle"),
        ("relay", "la passerelle, vers le bus"),
        ("", "personne d’identifié"),
        ("admissions", "Bureau des entrées (source)"),
        ("account:gone", "compte gone (personnel)"),
        ("agenda", "système client agenda (système)"),
        ("queue:identite", "Cellule d’identitovigilance"),
        ("queue:gone", "secrétariat gone"),
    ],
)
def test_an_actor_is_told_in_french(principal, said):
    """Systems by their label, accounts by their profession."""
    assert who(principal, SITE) == said


def test_every_word_of_the_reports_has_its_text():
    """Anomalies and dealings are said in French, and nothing else is."""
    assert keys("anomaly") == set(Anomaly)
    assert keys("deal") == set(Deal)
