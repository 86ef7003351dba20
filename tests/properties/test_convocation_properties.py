"""Whatever the order and repetition of an appointment's messages, one convocation at most is live, and the same."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from facts import AGENDA, SITE, Gateway, at, book, cancel, change, ipp, patient, told, visit
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.convening import Convening, KindRule
from gateway.convocation import ConvocationAct, ConvocationKind, Convocations, acted
from gateway.errors import StateConflict
from gateway.facts import Address, AppointmentReported, AppointmentStatus, Contact, Fact, VisitReported, VisitState
from gateway.site import Secretariat
from gateway.worklist import ItemKind

CONVENING = replace(
    SITE,
    convening=Convening((KindRule(ConvocationKind.CONSULTATION, follow_up=True),), "bureau", patient_reasons=("pat*",)),
    secretariats=SITE.secretariats | {"bureau": Secretariat("bureau", "Bureau des entrées")},
)
ADT = CONVENING.sources[0]
ANNE_1 = patient(ipp("1"), contact=Contact(Address(("12 rue des Lilas",), "63000", "Clermont-Ferrand")))
DAY = 60 * 24

quick = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])

_STARTS = st.sampled_from([at(-DAY), at(2 * DAY), at(30 * DAY), at(31 * DAY)])
"""Each message tells all: what one leaves unsaid is what the one before it said, as far as that has come."""
_FIELDS = st.fixed_dictionaries(
    {
        "start": _STARTS,
        "unit": st.sampled_from(["3010", "3020"]),
        "location": st.sampled_from(["Box 1", "Box 2"]),
        "notes": st.sampled_from(["Venir avec l’ordonnance", "À jeun"]),
        "reason_code": st.sampled_from(["prov", "pat"]),
    }
)
_KINDS = ["book", "change", "cancel", "arrived", "noshow", "pending", "entered-in-error"]


def _appointment(kind: str, fields: dict[str, Any]) -> AppointmentReported:
    by_name = {"book": book, "change": change, "cancel": cancel}
    if kind in by_name:
        return by_name[kind](ANNE_1, **fields)
    return change(ANNE_1, status=AppointmentStatus(kind), **fields)


def _stay(state: VisitState, start: Any, movement: str) -> VisitReported:
    return visit(ANNE_1, state, start=start, movement=movement, event="A05")


_APPOINTMENTS = st.lists(st.builds(_appointment, st.sampled_from(_KINDS), _FIELDS), max_size=4).map(
    lambda later: [book(ANNE_1), *later]
)
_STAYS = st.lists(
    st.builds(_stay, st.sampled_from([VisitState.PLANNED, VisitState.CANCELLED]), _STARTS, st.sampled_from("ab")),
    min_size=1,
    max_size=4,
)


def _shown(known: Convocations | None) -> object:
    """What counts of an appointment's convocations, without numbers and times."""
    live = known.live if known else None
    return known and live and (known.outcome, live.notice, live.state, live.content, live.reach)


def _lived(life: Sequence[Fact], order: Sequence[int], source: Any) -> tuple[object, object]:
    gateway = Gateway(CONVENING)
    gateway.send(told(ANNE_1))
    for minute in order:
        gateway.send(life[minute], source=source, minute=minute)
        assert all(sum(c.live for c in known.each) <= 1 for known in gateway.store.convocations.values())
    (focus,) = gateway.store.foci
    return _shown(gateway.store.convocations.get(focus)), gateway.live()


@st.composite
def _told_twice(draw: st.DrawFn, lives: st.SearchStrategy[list[Fact]]) -> tuple[list[Fact], list[int]]:
    """Give a life, one fact a minute, and an order in which it is received, with repetitions."""
    life = draw(lives)
    again = draw(st.lists(st.sampled_from(range(len(life))), max_size=2))
    return life, draw(st.permutations([*range(len(life)), *again]))


@quick
@given(_told_twice(_APPOINTMENTS))
@example(([book(ANNE_1), change(ANNE_1, start=at(31 * DAY)), cancel(ANNE_1)], [2, 1, 0, 2]))
def test_any_order_and_repetition_of_an_appointments_messages_ends_in_the_same_live_convocation(told_twice):
    """Also where they wait for the booking, are told twice, or cancel and book again."""
    life, order = told_twice
    assert _lived(life, order, AGENDA) == _lived(life, range(len(life)), AGENDA)


@quick
@given(_told_twice(_STAYS))
def test_any_order_and_repetition_of_a_planned_stays_movements_ends_in_the_same_live_convocation(told_twice):
    """An admission's convocation follows the stay as its movements leave it."""
    life, order = told_twice
    assert _lived(life, order, ADT) == _lived(life, range(len(life)), ADT)


_DEEDS = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(ConvocationAct)), max_size=4)


@quick
@given(_APPOINTMENTS, _DEEDS)
def test_one_is_live_at_most_whatever_people_do_between_the_messages(life, deeds):
    """Numbers rise without gaps, one at most is live, one at most has not left, and one item tells of it."""
    gateway = Gateway(CONVENING)
    gateway.send(told(ANNE_1))
    for minute, fact in enumerate(life):
        gateway.send(fact, source=AGENDA, minute=minute)
        for focus, known in list(gateway.store.convocations.items()):
            for when, deed in deeds:
                if when == minute:
                    try:
                        known = acted(known, deed, gateway.now + timedelta(seconds=1), "account:nadia")  # noqa: PLW2901
                    except StateConflict:
                        continue
            gateway.store.convocations[focus] = known
            assert [c.number for c in known.each] == list(range(1, len(known.each) + 1))
            assert sum(c.live for c in known.each) <= 1
            assert sum(not c.left for c in known.each) <= 1
    items = [i for i in gateway.items(ItemKind.CONVOCATION) if i.secretariat != "bureau"]
    assert len(items) <= 1
