"""What time does to items: taken up, freed, told up a ladder, one step a turn, and not once an answer has come."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from facts import LAB, SITE, Gateway, document, ipp, patient, result, told

from adapters.clockwork import JUMP_SECONDS, SETTLE_SECONDS, Evenness
from gateway.audit import AuditAction
from gateway.clockwork import AGAIN, Clockwork, Turn, timed_again
from gateway.deadline import Clock, Deadline
from gateway.facts import Abnormality, Priority, ResultStatus
from gateway.handling import acknowledged, claimed, done, put_on_hold, read_clinically, reopened
from gateway.opening import Calendar, Hours
from gateway.routing import Rule
from gateway.site import Secretariat, Site
from gateway.state import State
from gateway.worklist import CALM, ESCALATED, ItemKind, ItemState, WorkItem

ANNE_1 = patient(ipp("1"))
PARIS = ZoneInfo("Europe/Paris")
OFFICE = Calendar("office", "Europe/Paris", ((Hours(time(8), time(18)),),) * 7)
CARDIO = Secretariat("cardiologie", "Cardiologie", calendar=OFFICE, cover="pneumologie")
COVERED = replace(SITE, secretariats=SITE.secretariats | {"cardiologie": CARDIO})
NIGHT = datetime(2026, 3, 10, 22, tzinfo=PARIS)
NADIA, MARC = "account:nadia", "account:marc"
LEASE = timedelta(hours=8)


class Clocked(Gateway):
    """A gateway whose clock turns."""

    def turn(self, minutes: float = 0) -> Turn:
        """Let so many minutes pass, and take the turns that are due."""
        self.now += timedelta(minutes=minutes)
        clockwork = Clockwork(self.decider, LEASE)
        turn = clockwork.turn(self.loaded(), [i.id for i in sorted(self.store.items.values(), key=by_place)], self.now)
        self.audit += turn.changes.audit
        self.outbox += turn.changes.outbox
        for item, escalation in turn.later.items():
            self.store.items[item] = replace(self.store.items[item], escalation=escalation)
        return turn

    def loaded(self) -> State:
        """Give the state with everything in it; what changes is kept."""
        state = State()
        for identity in self.store.identities.values():
            state.load_identity(identity)
        for person in self.store.persons.values():
            state.persons.load(person.id, person)
        for item in self.store.items.values():
            state.load_item(item)
        mark = state.mark
        state.mark = lambda: (mark(), self.store.items.update(state.items.changes()))  # type: ignore[method-assign]
        return state

    def act(self, item: WorkItem) -> WorkItem:
        """Keep what somebody made of an item."""
        kept = replace(item, version=item.version + 1)
        self.store.items[item.id] = kept
        return kept

    def results(self) -> dict[str, WorkItem]:
        """Give the open results by queue."""
        return {i.secretariat: i for i in self.items(ItemKind.RESULT)}


def by_place(item: WorkItem) -> tuple[str, str]:
    return item.place, item.id


def with_result(grade=Abnormality.CRITICAL, at: datetime = NIGHT, site: Site = COVERED) -> Clocked:
    gateway = Clocked(site)
    gateway.send(told(ANNE_1))
    gateway.now = at
    priority = Priority.STAT if grade is Abnormality.CRITICAL else Priority.ROUTINE
    gateway.send(result(ANNE_1, ResultStatus.FINAL, abnormality=grade, priority=priority), source=LAB)
    return gateway


def told_of(gateway: Gateway, action: AuditAction) -> list[dict]:
    return [dict(event.detail) for event in gateway.audit if event.action is action]


def test_a_critical_result_goes_to_the_cover_of_a_closed_secretariat_then_to_the_alarm():
    """Half an hour: the cover has an item of its own, both stand first; fifteen minutes on: the alarm, once."""
    gateway = with_result()
    gateway.turn(29)
    assert set(gateway.results()) == {"cardiologie"}
    gateway.turn(2)
    mine, copy = gateway.results()["cardiologie"], gateway.results()["pneumologie"]
    assert (mine.escalation.rungs, mine.version) == (1, 2)
    assert (copy.rule, copy.version, copy.priority, copy.escalation.next_at) == (ESCALATED, 1, Priority.STAT, None)
    assert mine.place[1:17] == copy.place[1:17] == "0" * 16
    assert told_of(gateway, AuditAction.ITEM_ESCALATED)[0]["to"] == "pneumologie"
    assert [e.secretariat for e in gateway.outbox[-2:]] == ["cardiologie", "pneumologie"]
    gateway.turn(14)
    assert not gateway.results()["cardiologie"].escalation.alarmed
    gateway.turn(2)
    assert gateway.results()["cardiologie"].escalation.alarmed
    gateway.turn(600)
    assert [told["to"] for told in told_of(gateway, AuditAction.ITEM_ESCALATED)] == ["pneumologie", "alarm"]


def test_an_open_secretariat_is_not_covered_for():
    """By day the rung of the cover is passed over, and the alarm comes at once."""
    gateway = with_result(at=NIGHT - timedelta(hours=12))
    gateway.turn(31)
    assert set(gateway.results()) == {"cardiologie"}
    assert gateway.results()["cardiologie"].escalation.alarmed


@pytest.mark.parametrize("whose", ["cardiologie", "pneumologie"])
def test_a_physicians_answer_stops_the_ladder_for_every_copy(whose: str):
    """Whoever has a copy and acknowledges it, nobody else is told; a secretary's receipt does not do."""
    gateway = with_result()
    gateway.turn(31)
    gateway.act(acknowledged(gateway.results()[whose], NADIA, gateway.now))
    assert gateway.results()["cardiologie"].escalation.next_at == gateway.now + timedelta(minutes=15)
    gateway.act(read_clinically(gateway.results()[whose], MARC, gateway.now, clinical=True))
    gateway.turn(16)
    assert not gateway.results()["cardiologie"].escalation.alarmed
    assert len(told_of(gateway, AuditAction.ITEM_ESCALATED)) == 1


def test_an_answer_that_is_undone_lets_the_ladder_go_on():
    """What was put off is looked at again, and the alarm comes after all."""
    gateway = with_result()
    gateway.turn(31)
    before = gateway.results()["pneumologie"]
    gateway.act(read_clinically(before, MARC, gateway.now, clinical=True))
    gateway.turn(16)
    gateway.act(before)
    gateway.turn(AGAIN / timedelta(minutes=1))
    assert gateway.results()["cardiologie"].escalation.alarmed


def test_the_alarm_ends_with_the_answer_of_a_copy():
    """Once somebody answers, the late item raises no alarm any more, without a version of its own."""
    gateway = with_result()
    gateway.turn(31)
    gateway.turn(16)
    item = gateway.results()["cardiologie"]
    assert item.escalation.alarmed
    gateway.act(read_clinically(gateway.results()["pneumologie"], MARC, gateway.now, clinical=True))
    turn = gateway.turn(16)
    assert not gateway.results()["cardiologie"].escalation.alarmed
    assert (gateway.results()["cardiologie"].version, turn.changes.outbox) == (item.version, [])


def test_other_work_that_is_late_is_urgent_and_nobody_else_has_it():
    """An abnormal result that nobody received: its priority rises, its queue is told, once."""
    gateway = with_result(Abnormality.ABNORMAL)
    gateway.turn(60 * 24 * 10)
    gateway.turn(60 * 24)
    (item,) = gateway.results().values()
    assert (item.priority, item.escalation.rungs, item.version, item.escalated) == (Priority.URGENT, 1, 2, True)


@pytest.mark.parametrize("grade", [Abnormality.ABNORMAL, Abnormality.NORMAL])
def test_receipt_answers_what_is_not_critical(grade: Abnormality):
    """Who has received an abnormal result is not told that it is late."""
    gateway = with_result(grade)
    gateway.act(acknowledged(gateway.only(ItemKind.RESULT), NADIA, gateway.now))
    gateway.turn(60 * 24 * 30)
    assert not told_of(gateway, AuditAction.ITEM_ESCALATED)


def test_what_is_on_hold_is_taken_up_at_its_time():
    """It lies on its queue again, in nobody's hands, and its history says that time did it."""
    gateway = with_result(Abnormality.NORMAL)
    until = gateway.now + timedelta(hours=2)
    gateway.act(put_on_hold(gateway.only(ItemKind.RESULT), NADIA, gateway.now, until))
    assert not gateway.turn(119).changes.history
    (step,) = gateway.turn(1).changes.history
    assert (step.deed, step.principal, step.former) == ("wake", "gateway", None)
    assert (gateway.only(ItemKind.RESULT).state, gateway.only(ItemKind.RESULT).hand.until) == (ItemState.NEW, None)


def test_being_on_hold_puts_lateness_off_except_for_what_is_critical():
    """A normal result on hold is late once it is taken up; a critical one at its time."""
    for grade, late in ((Abnormality.NORMAL, 0), (Abnormality.CRITICAL, 1)):
        gateway = with_result(grade)
        item = gateway.only(ItemKind.RESULT)
        until = item.due + timedelta(days=1)
        gateway.act(put_on_hold(item, NADIA, gateway.now, until))
        gateway.now = item.due
        gateway.turn(1)
        assert len(told_of(gateway, AuditAction.ITEM_ESCALATED)) == late
        gateway.now = until
        gateway.turn(1)
        gateway.turn(1)
        assert len(told_of(gateway, AuditAction.ITEM_ESCALATED)) >= 1


def test_an_item_in_idle_hands_is_free_again():
    """After the lease, and not while its holder does something with it."""
    gateway = with_result(Abnormality.NORMAL)
    gateway.act(claimed(gateway.only(ItemKind.RESULT), NADIA, gateway.now))
    assert not gateway.turn(7 * 60).changes.history
    gateway.act(acknowledged(gateway.only(ItemKind.RESULT), NADIA, gateway.now))
    assert not gateway.turn(7 * 60).changes.history
    (step,) = gateway.turn(61).changes.history
    assert (step.deed, step.item.hand.holder, step.item.state) == ("expire", "", ItemState.NEW)
    assert told_of(gateway, AuditAction.ITEM_LEASE_ENDED)[0]["holder"] == NADIA


def test_a_ladder_names_secretariats_and_passes_over_who_has_it():
    """Each rung in its turn; whoever has an item about it already was told."""
    ladder = ("cardiologie", "accueil", "pneumologie")
    own = Deadline("result", (ItemKind.RESULT,), Clock.MINUTES, 10, ladder=ladder, rung_minutes=5)
    gateway = with_result(Abnormality.NORMAL, site=replace(COVERED, deadlines=(own,)))
    for minutes, queues in ((11, {"cardiologie", "accueil"}), (4, None), (2, {"pneumologie"}), (600, None)):
        before = set(gateway.results())
        gateway.turn(minutes)
        assert set(gateway.results()) == before | (queues or set())


def test_a_letter_that_one_secretariat_has_handled_is_still_late_at_another():
    """A copy of other work than a result is work of its own, which nobody else's answers."""
    both = Rule("letters", "", ("cardiologie", "accueil"), (ItemKind.CORRESPONDENCE,), {})
    gateway = Clocked(replace(COVERED, rules=(both,)))
    gateway.send(told(ANNE_1))
    gateway.send(document(ANNE_1, type_code="11490-0"), source=LAB)
    letters = {i.secretariat: i for i in gateway.items(ItemKind.CORRESPONDENCE)}
    gateway.act(done(letters["cardiologie"], NADIA))
    gateway.turn(60 * 24 * 2)
    assert [i.secretariat for i in gateway.items(ItemKind.CORRESPONDENCE) if i.escalated] == ["accueil"]


def test_a_correction_reaches_who_was_told_because_another_was_late():
    """The cover is shown the new value, its copy opened again; an unchanged message changes nothing."""
    gateway = with_result()
    gateway.turn(31)
    read = gateway.act(read_clinically(gateway.results()["pneumologie"], MARC, gateway.now, clinical=True))
    gateway.act(done(read, MARC))
    fact = result(ANNE_1, ResultStatus.CORRECTED, abnormality=Abnormality.CRITICAL, value="7.2", priority=Priority.STAT)
    gateway.send(fact, source=LAB, minute=5)
    copy = gateway.results()["pneumologie"]
    assert (copy.title, copy.state, copy.hand.reading, copy.rule) == (
        "result.critical",
        ItemState.NEW,
        None,
        ESCALATED,
    )
    versions = {i.id: i.version for i in gateway.store.items.values()}
    gateway.send(fact, source=LAB, minute=6)
    assert {i.id: i.version for i in gateway.store.items.values()} == versions


def test_a_withdrawn_result_is_withdrawn_from_who_was_told_late():
    """D or W of the laboratory ends the copy, too."""
    gateway = with_result()
    gateway.turn(31)
    gateway.send(result(ANNE_1, ResultStatus.WITHDRAWN), source=LAB, minute=5)
    assert gateway.results() == {}


def test_what_fails_is_looked_at_later_and_the_others_are_not_stopped():
    """One item that cannot be published leaves an event, and is put off; the other's step is taken."""
    gateway = with_result()
    gateway.send(result(ANNE_1, ResultStatus.FINAL, key="O2", value="9"), source=LAB, minute=2)
    bad = min(gateway.items(ItemKind.RESULT), key=by_place).id
    render = gateway.decider.render

    def broken(item, person, message_id):
        if item.id == bad:
            raise ZeroDivisionError
        return render(item, person, message_id)

    gateway.decider = replace(gateway.decider, render=broken)
    turn = gateway.turn(60 * 24 * 30)
    assert list(turn.later) == [bad]
    assert turn.later[bad].next_at == gateway.now + AGAIN
    assert [step.item.id == bad for step in turn.changes.history] == [False] * len(turn.changes.history)
    assert told_of(gateway, AuditAction.ITEM_STEP_FAILED) == [{"fault": "ZeroDivisionError"}]
    assert gateway.store.items[bad].version == 1


def test_a_clock_that_went_back_makes_no_version_older_than_the_last():
    """The step is as late as the item's last change."""
    gateway = with_result()
    item = gateway.act(replace(gateway.only(ItemKind.RESULT), updated_at=NIGHT + timedelta(days=1)))
    gateway.turn(31)
    assert gateway.store.items[item.id].updated_at == NIGHT + timedelta(days=1)


def test_what_is_opened_again_is_due_anew():
    """The deadline that it had runs from then on, from its first rung."""
    gateway = with_result(Abnormality.ABNORMAL)
    gateway.turn(60 * 24 * 10)
    closed = done(gateway.only(ItemKind.RESULT), NADIA)
    again = timed_again(COVERED, reopened(closed), gateway.now)
    assert (again.escalation.rungs, again.escalation.next_at) == (0, again.due)
    assert again.due > gateway.now


def test_what_no_deadline_is_for_is_opened_again_as_it_was():
    """Nothing is made due that was not, and no clock looks at it."""
    closed = done(replace(with_result(Abnormality.NORMAL).only(ItemKind.RESULT), due=None, escalation=CALM), NADIA)
    assert timed_again(COVERED, reopened(closed), NIGHT).escalation == CALM


def runs(evenness: Evenness, readings: Iterable[tuple[float, float]]) -> list[bool]:
    return [evenness.runs(wall, monotonic) for wall, monotonic in readings]


def test_nothing_is_done_by_a_clock_that_has_just_jumped():
    """Forth or back, it must run evenly for a minute; small corrections are no jump."""
    for jump in (3_600, -3_600):
        given = [(1_000, 0), (1_005, 5), (1_010 + jump, 10), (1_060 + jump, 60), (1_071 + jump, 10 + SETTLE_SECONDS)]
        assert runs(Evenness(), given) == [True, True, False, False, True]
    assert runs(Evenness(), [(0, 0), (JUMP_SECONDS + 4, 5)]) == [True, True]
