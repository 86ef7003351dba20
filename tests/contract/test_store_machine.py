"""Inbox, pipeline and outbox against a model of a few lines: any acts in any order, crashes at any commit included."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from messages import admission
from sqlalchemy import event
from stores import NOW, Store, empty

from adapters.store import schema
from adapters.store.work import Work
from gateway.audit import AuditAction, AuditEvent

PATIENTS = 3
CONTROLS = st.integers(0, 9)
BATCH = 3
MACHINE = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


class Crash(Exception):
    """The process ends here."""


class Model:
    """What a gateway promises: each control ID takes effect once, and is told until that is confirmed.

    Attributes:
        received: control IDs, by number.
        pending: numbers that wait.
        told: control IDs in the order of their effect.
        confirmed: those of which a broker has confirmed.

    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self.pending: set[int] = set()
        self.told: list[int] = []
        self.confirmed: set[int] = set()

    def record(self, controls: list[int]) -> None:
        for control in controls:
            if control not in self.received:
                self.pending.add(len(self.received))
            self.received.append(control)

    def process(self) -> None:
        for place in sorted(self.pending)[:BATCH]:
            self.pending.remove(place)
            if self.received[place] not in self.told:
                self.told.append(self.received[place])

    def waiting(self) -> list[int]:
        return [control for control in self.told if control not in self.confirmed]


class Machine(RuleBasedStateMachine):
    """A store and its model."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.store = self._opened()
        empty(self.store)
        self.numbers: list[int] = []
        self.in_flight: list[Any] = []

    def _opened(self) -> Store:
        store = Store(self.url)
        store.work = Work(store.database, batch=BATCH)
        return store

    @rule(controls=st.lists(CONTROLS, min_size=1, max_size=4))
    def record(self, controls):
        """Messages come, some for the second time."""
        self.numbers += self.store.take(*map(raw, controls))
        self.model.record(controls)

    @rule()
    def process(self):
        """A batch takes effect."""
        assert self.store.worker().run_once() == min(BATCH, len(self.model.pending))
        self.model.process()

    @precondition(lambda self: self.numbers)
    @rule(data=st.data())
    def replay(self, data):
        """An operator has a message processed again, a duplicate perhaps."""
        place = data.draw(st.integers(0, len(self.numbers) - 1))
        self.store.inbox.replay(self.numbers[place], AuditEvent(NOW, AuditAction.MESSAGE_REPLAYED, "operator"))
        self.model.pending.add(place)

    @rule(limit=st.integers(1, 5))
    def publish(self, limit):
        """The relay reads what it is to publish, the oldest first."""
        self.in_flight = list(self.store.outbox.unconfirmed(limit))
        assert [told_of(self.store, entry) for entry in self.in_flight] == self.model.waiting()[:limit]

    @rule(data=st.data())
    def confirm(self, data):
        """The broker confirms some of what it was given, perhaps again."""
        some = data.draw(st.lists(st.sampled_from(self.in_flight), unique=True)) if self.in_flight else []
        self.store.outbox.confirm(some)
        self.model.confirmed |= {told_of(self.store, entry) for entry in some}

    @rule(act=st.sampled_from(["record", "process", "confirm", "nothing"]))
    def crash(self, act):
        """The process ends just before a commit, or between two: what was not committed has not been."""
        acts: dict[str, Callable[[], Any]] = {
            "record": lambda: self.store.take(raw(0), raw(9)),
            "process": lambda: self.store.worker().run_once(),
            "confirm": lambda: self.store.outbox.confirm(self.in_flight),
            "nothing": lambda: None,
        }
        with ending_at_commit(self.store):
            acts[act]()
        self.store.database.close()
        self.in_flight = []
        self.store = self._opened()

    @invariant()
    def each_message_is_accounted_for(self):
        """What waits and what ended are the model's (promise P4)."""
        counts = self.store.inbox.summary()
        assert (counts["received"], counts["pending"]) == (len(self.model.received), len(self.model.pending))
        assert counts["processed"] + counts["duplicate"] == counts["received"] - counts["pending"]

    @invariant()
    def each_effect_is_there_once(self):
        """One item a control ID, one entry an item, in the order of their effects (promise P2)."""
        assert self.store.count(schema.work_item) == self.store.count(schema.outbox) == len(self.model.told)
        waiting = self.store.outbox.unconfirmed(100)
        assert [told_of(self.store, entry) for entry in waiting] == self.model.waiting()

    def teardown(self) -> None:
        """The chain holds, and each confirm was audited once (promise P8)."""
        assert self.store.trail.verify().ok
        actions = [row.action for row in self.store.rows(schema.audit_event.select())]
        assert actions.count(AuditAction.ITEM_PUBLISHED) == len(self.model.confirmed)
        assert actions.count(AuditAction.MESSAGE_RECEIVED) == len(self.model.received)
        self.store.database.close()


def raw(control: int) -> bytes:
    """Give the message of a control ID: an admission, each of another stay."""
    return admission(f"C{control}", f"8{control % PATIENTS:03}", f"V{control}", when=control)


def told_of(store: Store, entry: Any) -> int:
    """Give the control ID whose effect an entry tells of."""
    detail = store.rows(
        schema.message.select()
        .with_only_columns(schema.message.c.control_id)
        .join(schema.work_item, schema.work_item.c.source_message == schema.message.c.id)
        .where(schema.work_item.c.id == entry.item)
    )
    return int(detail[0].control_id[1:])


class ending_at_commit:  # noqa: N801 - a context manager reads as what it does
    """The block's first commit does not happen, and ends the block."""

    def __init__(self, store: Store) -> None:
        self._engine = store.database.engine

    def __enter__(self) -> None:
        event.listen(self._engine, "commit", self._end)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        event.remove(self._engine, "commit", self._end)
        return kind is Crash

    @staticmethod
    def _end(_connection: Any) -> None:
        raise Crash


def test_the_store_does_what_the_model_does(store):
    """Whatever is asked, in whatever order, and wherever it ends in between."""
    kind = type("OnThisStore", (Machine,), {"url": store.url})
    run_state_machine_as_test(kind, settings=MACHINE)
