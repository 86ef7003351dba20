"""An order tells who asked for the result that comes back; it is nobody's work itself."""

import pytest
from facts import LAB, SITE, Gateway, at, ipp, order, own, patient, result, told
from sites import ADMISSIONS

from gateway.facts import Abnormality, Observation, OrderAct, Priority, ResultStatus
from gateway.focus import Doubt, FocusKind
from gateway.worklist import ItemKind, ItemState

ANNE_1, PAUL_2 = patient(ipp("1")), patient(ipp("2"), birth_family_name="LEROY", first_given_name="PAUL")
RESULT = ItemKind.RESULT
UNNAMED = {"ordering_unit": "", "orders": (own(LAB, "EX1"),)}


def known():
    """Give a gateway that admissions has told of two patients."""
    gateway = Gateway(SITE)
    gateway.send(told(ANNE_1))
    gateway.send(told(PAUL_2))
    return gateway


def order_of(gateway):
    (focus,) = (f for f in gateway.store.foci.values() if f.kind is FocusKind.ORDER)
    return focus


def result_of(gateway):
    (focus,) = (f for f in gateway.store.foci.values() if f.kind is FocusKind.RESULT)
    return focus.fact


def test_an_order_is_nobodys_work():
    """It makes no item."""
    gateway = known()
    gateway.send(order(ANNE_1))
    assert not gateway.store.items
    assert not gateway.outbox


def test_a_result_gets_its_orders_unit_and_requester():
    """A result that does not say who asked for it goes to the unit that ordered, and the order knows that it came."""
    gateway = known()
    gateway.send(order(ANNE_1))
    gateway.send(result(ANNE_1, **UNNAMED), source=LAB)
    assert gateway.only(RESULT).secretariat == "pneumologie"
    assert result_of(gateway).requester == "DR MARC ROUX"
    assert order_of(gateway).fact.resulted


def test_what_the_result_says_of_itself_wins():
    """The laboratory's own word on the unit is not overwritten."""
    gateway = known()
    gateway.send(order(ANNE_1))
    gateway.send(result(ANNE_1, **{**UNNAMED, "ordering_unit": "3010"}), source=LAB)
    assert gateway.only(RESULT).secretariat == "cardiologie"


def test_the_unit_of_the_stay_is_the_last_resort():
    """Nobody ordered, as far as is known: the result goes where the patient is; an order wins over that."""
    gateway = known()
    gateway.send(result(ANNE_1, stay_unit="3010", **UNNAMED), source=LAB)
    assert gateway.only(RESULT).secretariat == "cardiologie"
    gateway.send(order(ANNE_1))
    gateway.send(result(ANNE_1, value="4.2", stay_unit="3010", **UNNAMED), source=LAB)
    assert gateway.only(RESULT).secretariat == "pneumologie"


def test_a_late_order_sends_its_result_to_the_unit_that_ordered():
    """The open item leaves the queue where it went meanwhile; placer and filler number find the result alike."""
    gateway = known()
    numbers = (own(LAB, "F9"), own(LAB, "EX1"))
    gateway.send(result(ANNE_1, key="F9", stay_unit="3010", ordering_unit="", orders=numbers), source=LAB)
    assert gateway.only(RESULT).secretariat == "cardiologie"
    gateway.send(order(ANNE_1))
    assert (gateway.only(RESULT).secretariat, result_of(gateway).requester) == ("pneumologie", "DR MARC ROUX")
    outbox = len(gateway.outbox)
    gateway.send(order(ANNE_1))
    assert len(gateway.outbox) == outbox


def test_a_late_order_leaves_a_result_that_was_read():
    """Who is done with it has read it; the unit that ordered is not told of it a second time."""
    gateway = known()
    gateway.send(result(ANNE_1, stay_unit="3010", **UNNAMED), source=LAB)
    gateway.work(gateway.only(RESULT), ItemState.DONE)
    gateway.send(order(ANNE_1))
    assert gateway.items(RESULT) == []


def test_a_late_order_of_another_examination_or_patient_sends_nothing():
    """The examination must be the one that was ordered, and another patient's number is a question."""
    gateway = known()
    gateway.send(result(ANNE_1, stay_unit="3010", **UNNAMED), source=LAB)
    gateway.send(order(ANNE_1, codes=("NFS",)))
    assert gateway.only(RESULT).secretariat == "cardiologie"
    other = known()
    other.send(result(ANNE_1, stay_unit="3010", **UNNAMED), source=LAB)
    other.send(order(PAUL_2))
    assert other.only(RESULT).secretariat == "cardiologie"
    assert [q.doubt for q in other.questions()] == [Doubt.MISFILED]


def test_an_order_of_another_patient_says_nothing_and_is_asked_about():
    """The patient in the message must be the patient of the order, else the identity desk looks; delivered at once."""
    gateway = known()
    gateway.send(order(PAUL_2))
    gateway.send(result(ANNE_1, **UNNAMED), source=LAB)
    assert gateway.only(RESULT).secretariat == "accueil"
    assert [q.doubt for q in gateway.questions()] == [Doubt.MISFILED]
    assert not order_of(gateway).fact.resulted


def test_a_change_tells_only_what_it_changes():
    """A cancellation leaves the rest of the order as it was, and a result that came goes on being known."""
    gateway = known()
    gateway.send(order(ANNE_1))
    gateway.send(result(ANNE_1, **UNNAMED), source=LAB)
    gateway.send(order(ANNE_1, act=OrderAct.CANCEL, ordering_unit="", requester="", codes=(), label=""))
    fact = order_of(gateway).fact
    assert (fact.act, fact.ordering_unit, fact.requester, fact.codes) == (
        OrderAct.CANCEL,
        "3020",
        "DR MARC ROUX",
        ("IONO",),
    )
    assert fact.resulted


def test_the_fillers_number_finds_an_order_that_was_placed_without_it():
    """The laboratory's number, once told with the placer's, finds the order from then on."""
    gateway = known()
    placer, filler = own(LAB, "PL"), own(LAB, "FI")
    gateway.send(order(ANNE_1, keys=(placer,)))
    gateway.send(order(ANNE_1, keys=(filler, placer), act=OrderAct.CHANGE), source=LAB)
    gateway.send(result(ANNE_1, ordering_unit="", orders=(filler,)), source=LAB)
    assert gateway.only(RESULT).secretariat == "pneumologie"


def test_an_order_of_another_patients_number_is_for_a_person():
    """One order number, two patients: neither is guessed at."""
    gateway = known()
    gateway.send(order(ANNE_1))
    gateway.process([gateway.job(order(PAUL_2), source=ADMISSIONS)])
    assert gateway.endings[-1].outcome.error == "MessageIncoherent"


def line(value, status, grade=Abnormality.UNCLASSIFIED, **changes):
    return Observation("K", "Potassium", "", value, "mmol/L", abnormality=grade, status=status, **changes)


def test_a_line_made_final_keeps_the_value_told_before():
    """OBX-11 = U sends no value again: what stood stands, with its grade, and is final."""
    gateway = known()
    critical = line("7.1", ResultStatus.PRELIMINARY, Abnormality.CRITICAL)
    grade = {"abnormality": Abnormality.CRITICAL, "priority": Priority.STAT}
    gateway.send(result(ANNE_1, ResultStatus.PRELIMINARY, observations=(critical,), **grade), source=LAB)
    made_final = line("", ResultStatus.FINAL, stands=True)
    gateway.send(result(ANNE_1, observations=(made_final,), abnormality=Abnormality.UNCLASSIFIED), source=LAB)
    fact = result_of(gateway)
    assert [(o.value, o.status, o.abnormality) for o in fact.observations] == [
        ("7.1", ResultStatus.FINAL, Abnormality.CRITICAL)
    ]
    assert (fact.abnormality, fact.priority) == (Abnormality.CRITICAL, Priority.STAT)


def test_a_copy_goes_to_each_unit_that_is_named():
    """The item's own queue, then those of the copies' units; a unit that no rule knows gets none."""
    gateway = known()
    gateway.send(result(ANNE_1, copies=("3020", "9999")), source=LAB)
    assert [item.secretariat for item in gateway.items(RESULT)] == ["cardiologie", "pneumologie"]


def test_a_comment_that_changes_reopens_what_was_read():
    """A reader of the first version sees that something else is said now."""
    gateway = known()
    gateway.send(result(ANNE_1), source=LAB)
    before = gateway.only(RESULT).version
    gateway.send(result(ANNE_1, notes="hémolysé"), source=LAB)
    assert gateway.only(RESULT).version == before + 1


def test_an_order_expects_a_result_until_one_comes_or_it_is_cancelled():
    """Since when it was told first, whatever is told of it later."""
    gateway = known()
    gateway.send(order(ANNE_1), minute=5)
    since = order_of(gateway).fact.asked_at
    assert (order_of(gateway).fact.expects, since) == (True, at(5))
    gateway.send(order(ANNE_1, act=OrderAct.CHANGE, requester="DR X"), minute=30)
    assert (order_of(gateway).fact.expects, order_of(gateway).fact.asked_at) == (True, since)
    gateway.send(order(ANNE_1, act=OrderAct.CANCEL), minute=40)
    assert not order_of(gateway).fact.expects
    gateway.send(order(ANNE_1), minute=50)
    assert order_of(gateway).fact.expects
    gateway.send(result(ANNE_1, **UNNAMED), source=LAB)
    assert not order_of(gateway).fact.expects


@pytest.mark.parametrize("unit", ["", "3010"])
def test_an_order_that_comes_behind_its_result_expects_none(unit):
    """Whether the result named its unit or not; another patient's result is none of this order's."""
    gateway = known()
    told_first = {**UNNAMED, "ordering_unit": unit, "key": "EX1/IONO"}
    gateway.send(result(PAUL_2, **told_first), source=LAB)
    gateway.send(order(ANNE_1))
    assert order_of(gateway).fact.expects
    gateway = known()
    gateway.send(result(ANNE_1, **told_first), source=LAB)
    gateway.send(order(ANNE_1))
    assert not order_of(gateway).fact.expects


def missing(gateway: Gateway, hours: float = 73):
    """Let so many hours pass, and give the titles and queues of the results that are to be seen."""
    gateway.look(hours)
    return [(i.title, i.secretariat, i.detail) for i in gateway.items(ItemKind.RESULT)]


def test_an_order_without_its_result_is_seen_after_its_time_by_the_unit_that_ordered():
    """Once, however often it is looked at, and not before; what happens to the order meanwhile is shown."""
    gateway = known()
    gateway.send(order(ANNE_1, ordering_unit="3010", label="Ionogramme"))
    assert missing(gateway, 71) == []
    assert missing(gateway, 2) == [("result.missing", "cardiologie", "Ionogramme")]
    item = gateway.only(ItemKind.RESULT)
    assert missing(gateway, 500) == [("result.missing", "cardiologie", "Ionogramme")]
    assert gateway.only(ItemKind.RESULT).version == item.version == 1
    gateway.send(order(ANNE_1, act=OrderAct.CHANGE, ordering_unit="3010", label="Ionogramme sanguin"), minute=60)
    assert missing(gateway, 500) == [("result.missing", "cardiologie", "Ionogramme sanguin")]


def test_the_item_of_a_missing_result_goes_when_the_result_comes_or_is_not_wanted():
    """The result takes its place; a cancellation leaves nothing to do."""
    gateway = known()
    gateway.send(order(ANNE_1, ordering_unit="3010"))
    assert len(missing(gateway)) == 1
    gateway.send(result(ANNE_1, ResultStatus.PRELIMINARY, orders=order(ANNE_1).keys), source=LAB, minute=60)
    assert [i.title for i in gateway.items(ItemKind.RESULT)] == ["result.preliminary"]
    other = known()
    other.send(order(ANNE_1, ordering_unit="3010"))
    assert len(missing(other)) == 1
    other.send(order(ANNE_1, act=OrderAct.CANCEL), minute=60)
    assert other.items(ItemKind.RESULT) == []


def test_a_result_that_came_in_time_is_not_missed():
    """Nor is what was cancelled, whatever time passes."""
    gateway = known()
    gateway.send(order(ANNE_1))
    gateway.send(result(ANNE_1, ResultStatus.FINAL, orders=order(ANNE_1).keys), source=LAB, minute=1)
    assert [title for title, *_ in missing(gateway)] == ["result.final"]
