"""The catalogue has every text that the code can ask for, and nothing that it cannot."""

from dataclasses import replace

import pytest
from facts import ANNE, MORNING, appointment, book, document, ipp, patient, result, visit

from gateway.audit import AuditAction, Problem
from gateway.convocation import (
    Content,
    Convocation,
    ConvocationKind,
    Convocations,
    ConvocationState,
    Notice,
    Outcome,
    Step,
)
from gateway.decision import DecisionKind, Flag, Standing
from gateway.demand import ASKED, DIFFERS, LETTER_EXPECTED, MISSING_RESULT, PRE_ADMISSION, TO_COMPLETE, demand
from gateway.differences import Grade
from gateway.dispatch import WAS_DONE
from gateway.evidence import Hindrance
from gateway.facts import (
    Abnormality,
    AppointmentAct,
    AppointmentStatus,
    Carrier,
    DocumentAct,
    Priority,
    Remark,
    ResultStatus,
    Traits,
    VisitState,
)
from gateway.focus import Doubt, Focus, FocusKind, Held, Question
from gateway.handling import Deed
from gateway.identity import contradictions
from gateway.matching.guards import Guard
from gateway.matching.model import Model
from gateway.notes import Note
from gateway.pipeline import SHOWN
from gateway.reach import Addressee, Channel, Reach, Reason
from gateway.told import Told
from gateway.verification import Blind
from gateway.worklist import BY_HAND, ESCALATED, MADE_BY_HAND, ItemKind, ItemState
from mappings.hl7v2.tables import COMPLETIONS
from mappings.texts import keys, text

ANNE_1 = patient(ipp("1"))
EVERY_FACT = [
    *(book(ANNE_1, status=status) for status in AppointmentStatus),
    *(result(ANNE_1, status, abnormality=grade) for status in ResultStatus for grade in Abnormality),
    *(document(ANNE_1, act) for act in DocumentAct),
    *(document(ANNE_1, completion=completion) for completion in COMPLETIONS),
    document(ANNE_1, undelivered=frozenset({Carrier.MAIL})),
    *(visit(ANNE_1, state) for state in VisitState),
    visit(ANNE_1, historic=True),
    *(Question(doubt, answered=answered) for doubt in Doubt for answered in (True, False)),
    Question(Doubt.SEVERAL, waits_for=("cardiologie",)),
]


def asked(fact):
    """Give what an object with this fact asks for."""
    wanted = demand(Focus("f", FocusKind.RESULT, "i", 1, fact, 1, Told("s", 1), MORNING))
    assert wanted is not None
    return wanted


WAITING_FACTS = [
    *(appointment(act, ANNE_1) for act in (AppointmentAct.CHANGE, AppointmentAct.CANCEL)),
    *(document(ANNE_1, act) for act in DocumentAct if act is not DocumentAct.CREATE),
]


def shown(fact):
    """Give what a placeholder asks for on which this fact has waited too long."""
    held = (Held(fact, None, "s", 1),)
    wanted = demand(Focus("f", FocusKind.RESULT, "i", 0, None, 1, Told("s", 1), MORNING, held, overdue=True))
    assert wanted is not None
    return wanted


def convened(fact, outcome, channel, *, incomplete):
    """Give what an appointment or stay asks for whose convocations have come to this."""
    content, steps = Content(MORNING), (Step(ConvocationState.PRINTED, MORNING, "s"),)
    reach = Reach(channel, incomplete=incomplete)
    printed = Convocation(1, Notice.INVITATION, content, reach, steps)
    known = Convocations("f", "i", ConvocationKind.ADMISSION, outcome, reach, (printed,), 1, MORNING)
    return demand(Focus("f", FocusKind.VISIT, "i", 1, fact, 1, Told("s", 1), MORNING), known, "bureau")


CONVENED = [
    convened(fact, outcome, channel, incomplete=incomplete)
    for fact in (book(ANNE_1), visit(ANNE_1, VisitState.PLANNED))
    for outcome in Outcome
    for channel in set(Channel) - {Channel.NONE}
    for incomplete in (False, True)
]
SIDES = {side.title for fact in EVERY_FACT for side in asked(fact).sides.values()}
TITLES = SIDES | {asked(fact).title for fact in EVERY_FACT} | {shown(fact).title for fact in WAITING_FACTS}
TITLES |= {MISSING_RESULT, LETTER_EXPECTED}
TITLES |= {f"{kind}.to-handle" for kind in MADE_BY_HAND} | {wanted.title for wanted in CONVENED} | {"convocation.sent"}
TITLES |= {side.title for wanted in CONVENED for side in wanted.sides.values()}
WITHDRAWN_AFTER_WORK = {asked(fact).title + WAS_DONE for fact in EVERY_FACT if asked(fact).warns}


@pytest.mark.parametrize("title", sorted(TITLES | WITHDRAWN_AFTER_WORK))
def test_every_title_has_a_text(title: str):
    """Every title that an object can ask for, also where its item was done before."""
    assert title in keys("title")
    assert text("title", title) not in {"", title}


def test_no_title_is_left_over():
    """A text that no code asks for misleads its translator."""
    assert keys("title") <= TITLES | WITHDRAWN_AFTER_WORK


@pytest.mark.parametrize(
    ("section", "enumeration"),
    [
        ("audit", AuditAction),
        ("kind", ItemKind),
        ("state", ItemState),
        ("priority", Priority),
        ("remark", Remark),
        ("deed", Deed),
        ("audit-problem", Problem),
        ("audit-unchecked", Blind),
        ("convocation-kind", ConvocationKind),
        ("convocation-state", ConvocationState),
        ("notice", Notice),
        ("outcome", Outcome),
        ("channel", Channel),
        ("addressee", Addressee),
        ("reach", set(Reason) - {Reason.NOTHING_SPECIAL}),
    ],
)
def test_every_code_has_a_text_and_every_text_a_code(section: str, enumeration):
    """Audit actions, kinds, states and priorities: exactly those that exist."""
    assert keys(section) == {member.value for member in enumeration}
    assert all(text(section, key).strip() for key in keys(section))


def test_every_reason_of_ours_has_a_text():
    """Why an item is on a default queue, the identity desk's, that of whom the desk asks, or by hand or lateness."""
    assert keys("reason") == {
        "default",
        "default-identity",
        BY_HAND,
        ESCALATED,
        ASKED,
        DIFFERS,
        PRE_ADMISSION,
        TO_COMPLETE,
    }


def test_everything_that_changes_of_an_item_has_a_text():
    """What a message changed of an item is told in French, and nothing else is."""
    assert keys("changed") == {*SHOWN, "content"}


def test_every_strict_trait_has_a_text():
    """Every trait that a question can name, and every one that a screen shows."""
    other = Traits("LEROY", "", "PAUL", "PAUL", "", "1971-11-02", "M", "69383", "2")
    named = contradictions(replace(ANNE, multiple_birth_rank="1"), other)
    assert len(named) == 6
    assert set(named) <= keys("trait")


def test_texts_of_one_section_differ():
    """Two codes with one text cannot be told apart."""
    for section in ("title", "audit", "kind", "state", "priority", "remark", "trait"):
        texts = [text(section, key) for key in keys(section)]
        assert len(set(texts)) == len(texts), section


def test_an_unknown_key_shows_itself():
    """A missing text never hides what it was asked for."""
    assert text("title", "no.such") == "no.such"
    assert text("nowhere", "x") == "x"


def test_every_word_of_the_identity_desk_has_its_text():
    """Decisions, where they stand, and how much a difference matters are said in French, and nothing else is."""
    standings = {*Standing, "overdue"}
    for section, words in (("decision", DecisionKind), ("standing", standings), ("grade", Grade), ("flag", Flag)):
        assert keys(section) == set(words)


def test_every_word_of_the_matcher_has_its_text():
    """Traits, levels, guards and what hindered a link are said in French, and nothing else is."""
    shipped = Model().m
    assert keys("compared") == {"prior", *shipped}
    assert keys("level") == {level for levels in shipped.values() for level in levels}
    assert keys("guard") == set(Guard)
    assert keys("hindrance") == set(Hindrance)


def test_everything_notable_of_a_record_has_its_text():
    """What a record is listed for is said in French, and nothing else is."""
    assert keys("note") == set(Note)
