"""Stays as their movements make them, through the whole pipeline."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from facts import LAB, Gateway, at, ipp, patient, visit
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from gateway.facts import Circumstances, Expected, MovementAct, Pending, Remark, VisitReported, VisitState
from gateway.stay import MOST_MOVEMENTS
from gateway.worklist import ItemKind

ANNE_1 = patient(ipp("1"))
CANCEL, UPDATE = MovementAct.CANCEL, MovementAct.UPDATE
ADMITTED, DISCHARGED, ON_LEAVE = VisitState.ADMITTED, VisitState.DISCHARGED, VisitState.ON_LEAVE


def moved(number: str, minute: int, unit: str = "", state: VisitState | None = ADMITTED, **changes: object):
    """Give a movement with a number, that began so many minutes into the morning."""
    place = changes.pop("location", unit)
    return visit(ANNE_1, state, unit=unit, location=place, movement=number, moved_at=at(minute), **changes)


def stay_of(gateway: Gateway) -> VisitReported:
    """Give the one stay."""
    (fact,) = (f.fact for f in gateway.store.foci.values() if isinstance(f.fact, VisitReported))
    return fact


def after(*told: tuple[int, VisitReported]) -> tuple[object, ...]:
    """Give state, unit and place of the stay after these, each told at its minute, received in this order."""
    gateway = Gateway()
    for minute, fact in told:
        gateway.send(fact, minute=minute)
    fact = stay_of(gateway)
    return fact.state, fact.unit, fact.location


A01 = (1, moved("M1", 0, "3010"))
A02 = (61, moved("M2", 60, "3020", event="A02"))
A03 = (121, moved("M3", 120, "", DISCHARGED, event="A03"))
A21 = (91, moved("M4", 90, "", ON_LEAVE, event="A21"))


def test_a_discharge_without_place_left_from_where_the_patient_was():
    """A03 with an empty PV1 keeps the unit, so that its secretariat sees that the patient left."""
    assert after(A01, A02, A03) == (DISCHARGED, "3020", "3020")


def test_a_physician_change_tells_the_unit_and_leaves_the_state():
    """A54 to another responsible unit while the patient is on leave."""
    assert after(A01, A21, (95, moved("M5", 94, "3020", None, event="A54", location=""))) == (ON_LEAVE, "3020", "3010")


def test_what_leaves_an_unknown_stay_as_it_was_makes_no_item():
    """An A54 alone is kept, and asks nobody for anything."""
    gateway = Gateway()
    gateway.send(moved("M5", 0, "3010", None, event="A54"), minute=1)
    assert gateway.items(ItemKind.ADMISSION, every=True) == []
    gateway.send(moved("M1", 0, "3010"), minute=2)
    assert gateway.only(ItemKind.ADMISSION).title == "admission.arrived"


@pytest.mark.parametrize(
    ("taken_back", "left"),
    [
        ((200, moved("M3", 120, "", act=CANCEL, event="A03")), (ADMITTED, "3020", "3020")),
        ((200, moved("M3", 120, "3010", act=CANCEL, event="A03")), (ADMITTED, "3010", "3010")),
        ((200, moved("M2", 60, "", act=CANCEL, event="A02")), (DISCHARGED, "3010", "3010")),
        ((200, moved("M3", 120, "", DISCHARGED, act=UPDATE, event="A03")), (DISCHARGED, "3020", "3020")),
        ((200, moved("M1", 0, "", VisitState.CANCELLED, act=CANCEL)), (VisitState.CANCELLED, "", "")),
    ],
)
def test_what_is_taken_back_gives_back_what_was_before(taken_back, left):
    """A cancelled movement leaves the one before it, or what its message says; an admission takes all with it."""
    assert after(A01, A02, A03, taken_back) == left


def test_a_cancelled_transfer_brings_nobody_back_from_leave():
    """A01, A21, A02, A12: the patient is on leave still."""
    transfer = moved("M5", 100, "3020", event="A02")
    assert after(A01, A21, (101, transfer), (110, moved("M5", 100, "", act=CANCEL, event="A02")))[0] is ON_LEAVE


def test_leave_and_return_are_each_taken_back():
    """A52 makes present what A21 had sent on leave; A53 sends on leave again whom A22 had brought back."""
    back = (100, moved("M6", 99, event="A22"))
    assert after(A01, A21, (110, moved("M4", 90, act=CANCEL, event="A21"))) == (ADMITTED, "3010", "3010")
    assert after(A01, A21, back)[0] is ADMITTED
    assert after(A01, A21, back, (110, moved("M6", 99, "", ON_LEAVE, act=CANCEL, event="A22")))[0] is ON_LEAVE


def test_a_cancelled_admission_with_its_pre_admission_is_planned_again():
    """A05, A01, A02, then A11 with PV1-5: what is planned is planned again, whatever moved since."""
    planned = (1, moved("M0", 500, "3010", VisitState.PLANNED, event="A05"))
    back = (300, moved("M1", 100, "3010", VisitState.PLANNED, act=CANCEL))
    admitted, moved_on = (101, moved("M1", 100, "3010")), (201, moved("M2", 200, "3020", event="A02"))
    assert after(planned, admitted, moved_on, back) == (VisitState.PLANNED, "3010", "3010")


def test_an_admission_before_its_planned_day_is_an_admission():
    """The planned day of an A05 does not put it behind the A01 that came early."""
    planned = (1, moved("M0", 5_000, "3010", VisitState.PLANNED, event="A05"))
    assert after(planned, (100, moved("M1", 99, "3020"))) == (ADMITTED, "3020", "3020")


def test_a_cancellation_of_the_pre_admission_after_the_admission_moves_nobody():
    """An A38 that tidies up behind an A01 leaves the patient in."""
    planned = (1, moved("M0", 0, "3010", VisitState.PLANNED, event="A05"))
    tidied = (200, moved("M0", 0, "3010", VisitState.CANCELLED, act=CANCEL, event="A05", historic=True))
    assert after(planned, (100, moved("M1", 99, "3020")), tidied)[0] is ADMITTED


def test_history_moves_nobody_and_is_kept():
    """A movement told as historic leaves the stay, its item and its secretariat; what it was before can be restored."""
    gateway = Gateway()
    for minute, fact in (A01, A02):
        gateway.send(fact, minute=minute)
    before = gateway.only(ItemKind.ADMISSION)
    late = gateway.send(moved("M9", 30, "9999", event="A02", historic=True), minute=130)
    assert late.endings[0].notes["stale"] == 1
    assert gateway.only(ItemKind.ADMISSION) == before
    gateway.send(moved("M2", 60, "", act=CANCEL, event="A02"), minute=140)
    assert stay_of(gateway).unit == "9999"


def test_history_from_ahead_moves_nobody():
    """A historic movement under an hour later than the last one contradicts itself: the stay stands."""
    assert after(A01, (130, moved("M9", 120, "9999", event="A02", historic=True))) == (ADMITTED, "3010", "3010")


def test_a_stay_known_by_its_history_alone_asks_nothing():
    """Nobody is told of a movement of long ago before one of now."""
    gateway = Gateway()
    gateway.send(moved("M9", 0, "3010", historic=True), minute=1)
    assert gateway.items(ItemKind.ADMISSION, every=True) == []
    gateway.send(A02[1], minute=61)
    assert gateway.only(ItemKind.ADMISSION).secretariat == "pneumologie"


def test_a_cancellation_that_overtakes_its_movement_holds():
    """The cancelled movement that comes late is cancelled."""
    gone = (200, moved("M2", 60, "3010", act=CANCEL, event="A02"))
    assert after(A01, gone, A02) == (ADMITTED, "3010", "3010")


def test_movements_that_cannot_be_numbered_are_told_by_their_event():
    """A sender outside France: A12 takes back the last A02."""
    first = (61, moved("", 60, "3020", event="A02"))
    assert after(A01, first, (70, moved("", 60, "", act=CANCEL, event="A02"))) == (ADMITTED, "3010", "3010")


def test_a_cancellation_sent_twice_takes_back_one_movement():
    """The same A12 under another control ID, of a sender that numbers no movement: the transfer before it stands."""
    first, second = (moved("", minute, unit, event="A02") for minute, unit in ((60, "3020"), (90, "9999")))
    gone = (100, moved("", 90, "", act=CANCEL, event="A02"))
    assert after(A01, (61, first), (91, second), gone, gone) == (ADMITTED, "3020", "3020")


def test_another_source_late_word_leaves_the_stay():
    """What a second source tells that is not its last word changes nothing; its last word does (promise P3)."""
    gateway = Gateway()
    gateway.send(moved("L1", 30, "3010"), source=LAB, minute=30)
    gateway.send(A02[1], minute=61)
    gateway.send(moved("L0", 10, "9999"), source=LAB, minute=10)
    assert stay_of(gateway).unit == "3020"
    gateway.send(moved("L2", 40, "3010"), source=LAB, minute=40)
    assert stay_of(gateway).unit == "3010"


def test_a_stay_has_no_end_of_movements():
    """Beyond the bound the oldest are forgotten, and the stay stands where it did (promise P9)."""
    gateway = Gateway()
    for number in range(MOST_MOVEMENTS + 5):
        gateway.send(moved(f"M{number}", number, f"U{number}"), minute=number)
    stay = stay_of(gateway)
    assert len(stay.movements) == MOST_MOVEMENTS
    assert stay.unit == f"U{MOST_MOVEMENTS + 4}"


_UNITS = st.sampled_from(["", "3010", "3020", "9999"])
_STATES = st.sampled_from([*VisitState, None])
_TOLD = st.builds(
    moved,
    st.sampled_from(["", "M1", "M2", "M3"]),
    st.integers(0, 6),
    _UNITS,
    _STATES,
    act=st.sampled_from(MovementAct),
    event=st.sampled_from(["A01", "A02", "A03"]),
    historic=st.booleans(),
)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.lists(_TOLD, min_size=1, max_size=6))
def test_any_order_and_repetition_of_movements_ends_in_the_same_stay(
    data: st.DataObject, life: Sequence[VisitReported]
):
    """The movements of one source carry their own times: where the stay stands follows from them alone (promise P3)."""

    def lived(order: Sequence[int]) -> tuple[object, ...]:
        gateway = Gateway()
        for place in order:
            gateway.send(life[place], minute=place)
        fact = stay_of(gateway)
        shown = None if fact.historic else (fact.state, fact.unit, fact.location, fact.start, fact.patient_class)
        return shown, gateway.live()

    again = data.draw(st.lists(st.sampled_from(range(len(life))), max_size=2))
    order = data.draw(st.permutations(range(len(life))))
    assert lived([*order, *again]) == lived(range(len(life)))


def test_a_stay_stored_without_its_movements_goes_on():
    """What an earlier version stored is a stay with one movement, whatever else its row holds."""
    gateway = Gateway()
    gateway.send(A01[1], minute=1)
    (focus,) = gateway.store.foci.values()
    stored = TypeAdapter(VisitReported).dump_python(focus.fact, mode="json")
    for name in ("movements", "act", "event", "care_unit"):
        del stored[name]
    old = TypeAdapter(VisitReported).validate_python({**stored, "corrects": True})
    gateway.store.foci[focus.id] = replace(focus, fact=old)
    gateway.send(A02[1], minute=61)
    gateway.send(moved("M2", 60, "", act=CANCEL, event="A02"), minute=70)
    assert (stay_of(gateway).state, stay_of(gateway).unit) == (ADMITTED, "3010")


def test_how_a_patient_came_stays_known_through_the_stay():
    """The mode of entry told with the admission is of the stay still when the discharge tells the mode of exit."""
    gateway = Gateway()
    gateway.send(moved("M1", 1, "3010", circumstances=Circumstances(entry_mode="8", came_from="750000001")), minute=1)
    gateway.send(moved("M2", 2, "3010", DISCHARGED, circumstances=Circumstances(exit_mode="6")), minute=2)
    assert stay_of(gateway).circumstances == Circumstances("8", "6", came_from="750000001")


TRANSFER = Expected(Pending.TRANSFER, at(300), "3020 7", "3020")
LEAVES = Expected(Pending.DISCHARGE, at(600))


def announced(number: str, what: Expected, event: str, **changes: object) -> VisitReported:
    """Give an A15 or A16, or with act CANCEL what takes it back."""
    expected = () if changes.get("act") is CANCEL else (what,)
    fact = moved(number, 0, "", None, event=event, expected=expected, start=None, **changes)
    return replace(fact, moved_at=None)


def test_the_stay_knows_what_is_expected_of_it():
    """An announced transfer and discharge stand beside where the stay stands, and the item says so."""
    gateway = Gateway()
    gateway.send(moved("M1", 1, "3010"), minute=1)
    before = gateway.only(ItemKind.ADMISSION)
    gateway.send(announced("M2", TRANSFER, "A15"), minute=2)
    gateway.send(announced("M3", LEAVES, "A16"), minute=3)
    stay, item = stay_of(gateway), gateway.only(ItemKind.ADMISSION)
    assert (stay.state, stay.unit, stay.moved_at, stay.expected) == (ADMITTED, "3010", at(1), (TRANSFER, LEAVES))
    assert item.remarks == ("transfer-expected", "discharge-expected")
    assert (item.secretariat, item.title) == (before.secretariat, before.title)


@pytest.mark.parametrize(
    ("then", "left"),
    [
        (announced("M2", TRANSFER, "A15", act=CANCEL), (LEAVES,)),
        (announced("M3", LEAVES, "A16", act=CANCEL), (TRANSFER,)),
        (moved("M4", 5, "3020"), (LEAVES,)),
        (moved("M4", 5, "3010"), (TRANSFER, LEAVES)),
        (moved("M4", 5, "3010", DISCHARGED), ()),
        (announced("M2", TRANSFER, "A15", act=UPDATE), (LEAVES, TRANSFER)),
    ],
)
def test_what_is_expected_ends_when_it_comes_or_is_taken_back(then, left):
    """A26, A25, another place, a discharge; whatever comes first, the order of reception does not matter."""
    told = [
        (1, moved("M1", 1, "3010")),
        (2, announced("M2", TRANSFER, "A15")),
        (3, announced("M3", LEAVES, "A16")),
        (5, then),
    ]
    for order in (told, told[::-1]):
        gateway = Gateway()
        for minute, fact in order:
            gateway.send(fact, minute=minute)
        assert set(stay_of(gateway).expected) == set(left)


def test_an_announcement_without_a_stay_asks_for_nothing():
    """It waits for the admission, whose item knows of it."""
    gateway = Gateway()
    gateway.send(announced("M2", LEAVES, "A16"), minute=2)
    assert gateway.items(ItemKind.ADMISSION, every=True) == []
    gateway.send(moved("M1", 1, "3010"), minute=1)
    assert gateway.only(ItemKind.ADMISSION).remarks == ("discharge-expected",)


def test_a_movement_told_twice_is_not_late_whichever_of_the_two_is_processed_last():
    """A repetition that an operator lets take effect again changes nothing that a reader sees."""
    gateway = Gateway()
    first, second = (gateway.job(moved("M1", 1, "3010"), minute=1) for _ in range(2))
    gateway.process([second])
    before = gateway.only(ItemKind.ADMISSION)
    gateway.process([first])
    assert gateway.only(ItemKind.ADMISSION) == before


def test_a_movement_that_comes_late_is_remarked_on_the_item():
    """It moves nobody, and whoever works on the stay sees that one came out of order; told again it is not."""
    gateway = Gateway()
    gateway.send(moved("M1", 1, "3010"), minute=1)
    gateway.send(moved("M3", 3, "3020"), minute=3)
    late = gateway.job(moved("M2", 2, "3010"), minute=2)
    gateway.process([late])
    item = gateway.only(ItemKind.ADMISSION)
    assert (item.secretariat, item.remarks) == ("pneumologie", ("movement-late",))
    gateway.process([late])
    assert gateway.only(ItemKind.ADMISSION) == item
    gateway.send(moved("M4", 4, "3020", DISCHARGED), minute=4)
    assert gateway.only(ItemKind.ADMISSION).remarks == ()


def test_a_contradictory_movement_is_remarked_on_the_item_until_the_next():
    """What was odd in the telling that decides stands on the item."""
    gateway = Gateway()
    gateway.send(moved("M1", 1, "3010", remarks=(Remark.MOVEMENT_CONTRADICTED,)), minute=1)
    assert gateway.only(ItemKind.ADMISSION).remarks == ("movement-contradicted",)
    gateway.send(moved("M2", 2, "3010", ON_LEAVE), minute=2)
    assert gateway.only(ItemKind.ADMISSION).remarks == ()
