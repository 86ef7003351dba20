"""What people may ask of the gateway: each act needs a right and leaves an audit event, reads included (promise P8)."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from adapters.audited import Audited
from adapters.bus.dead_letters import DeadLetter, DeadLetters
from adapters.store.audit import AuditTrail
from adapters.store.database import Database
from adapters.store.desk import LeftOut, MessageDesk, Sifted
from adapters.store.figures import QueueFigures, queue_figures
from adapters.store.inbox import Inbox, StoredMessage
from adapters.store.orders import ExpectedOrder, ExpectedOrders
from adapters.store.retention import Retention
from adapters.store.search import ErrorGroup, MessageFilter, MessageSearch, Page
from adapters.store.worklist import ItemView, Step, Worklist
from gateway.audit import AuditAction, AuditEvent
from gateway.errors import AccessRefused, ResourceNotFound
from gateway.principal import Principal, Right
from gateway.reception import Reception
from gateway.retention import Purge
from gateway.sight import Sight, nobody, sight
from gateway.site import Secretariat
from gateway.worklist import ItemKind, ItemState

T = TypeVar("T")

REPLAY_BATCH = 500
"""Messages that a bulk replay makes pending by one transaction."""

SHOWN_FIRST = 10
"""Messages that the preview of a bulk replay names."""

_TOLD = frozenset({"state", "source", "message_type", "error", "owner", "held", "unresolved"})
"""Conditions of a search that its audit event tells: those that hold no patient's number or sender's reference."""


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """One message with what it led to.

    Attributes:
        stored: the message as a list shows it.
        raw: its bytes; None once they are purged.
        items: the work items that it changed.
        edits: numbers of the messages that were edited from it.

    """

    stored: StoredMessage
    raw: bytes | None
    items: list[ItemView]
    edits: list[int]


@dataclass(slots=True)
class BulkReplay:
    """What a bulk replay does, or would do.

    Attributes:
        count: messages that it takes.
        first: the first of them; none once they are replayed.
        left_out: why it leaves others alone, and how many for each cause.

    """

    count: int = 0
    first: list[StoredMessage] = field(default_factory=list)
    left_out: Counter[LeftOut] = field(default_factory=Counter)

    def add(self, sifted: Sifted) -> None:
        """Count a batch."""
        self.count += len(sifted.replayed)
        self.left_out += sifted.left_out


class Operations(Audited):
    """The acts of one principal on one database.

    Args:
        principal: who acts; no method names an actor.
        inbox: received messages.
        search: finds them.
        desk: what operators do with them.
        worklist: work items.
        trail: the audit trail.
        sensitive: ids of the sensitive secretariats.

    """

    def __init__(
        self,
        principal: Principal,
        inbox: Inbox,
        search: MessageSearch,
        desk: MessageDesk,
        worklist: Worklist,
        trail: AuditTrail,
        sensitive: Collection[str] = frozenset(),
    ) -> None:
        super().__init__(principal, trail)
        self._sensitive = sensitive
        self._inbox = inbox
        self._search = search
        self._desk = desk
        self._worklist = worklist

    # -- messages --------------------------------------------------------------------------------------------------

    def summary(self) -> dict[str, int]:
        """Count what came in and how it ended; numbers only, so nothing but a refusal is audited."""
        self.require(Right.MESSAGES_READ, AuditAction.MESSAGE_LISTED)
        return self._inbox.summary()

    def list_messages(self, wanted: MessageFilter, *, before: int | None = None, limit: int) -> Page:
        """Give the newest messages that match, of those before a number (audited)."""
        self.require(Right.MESSAGES_READ, AuditAction.MESSAGE_LISTED)
        page = self._search.page(wanted, before=before, limit=limit)
        self._record_search(wanted, len(page.messages))
        return page

    def list_errors(
        self, wanted: MessageFilter, *, before: int | None = None, limit: int
    ) -> tuple[list[ErrorGroup], Page]:
        """Give all open errors by kind, and the newest of those that match (audited)."""
        page = self.list_messages(replace(wanted, unresolved=True), before=before, limit=limit)
        return self._search.error_groups(), page

    def _record_search(self, wanted: MessageFilter, found: int) -> None:
        patients = self._trail.identities(wanted.patient) if wanted.patient else []
        asked = {name: value for name, value in asdict(wanted).items() if name in _TOLD and value}
        self._record(AuditAction.MESSAGE_LISTED, patients=patients, found=found, **asked)

    def show_message(self, number: int, reveal: str) -> ShownMessage:
        """Give one message, its bytes until they are purged, and what it led to (audited).

        Args:
            number: its number.
            reveal: why its values must be seen; empty: they are to be masked.

        """
        right = Right.MESSAGES_REVEAL if reveal else Right.MESSAGES_READ
        self.require(right, AuditAction.MESSAGE_SHOWN)
        stored, items = self._inbox.show(number), self._worklist.of_message(number)
        patients = [*(view.item.identity for view in items), *self._trail.touched_by(number)]
        self._record(AuditAction.MESSAGE_SHOWN, patients=patients, message=number, revealed=bool(reveal), reason=reveal)
        raw = None if stored.purged else self._inbox.raw(number)
        shown = map(self._seen, items) if reveal else (replace(view, person=nobody(view.person)) for view in items)
        return ShownMessage(stored, raw, list(shown), self._inbox.edits(number))

    def replay_message(self, number: int, reason: str) -> None:
        """Make a message pending again (audited, with the reason)."""
        self.require(Right.MESSAGES_REPLAY, AuditAction.MESSAGE_REPLAYED)
        self._inbox.replay(number, self._event(AuditAction.MESSAGE_REPLAYED, message=number, reason=reason))

    def preview_replay(self, wanted: MessageFilter) -> BulkReplay:
        """Give what a bulk replay would do now (audited as a list)."""
        self.require(Right.MESSAGES_REPLAY, AuditAction.MESSAGE_REPLAYED)
        total = BulkReplay()
        for numbers in self._search.numbers(wanted, REPLAY_BATCH):
            sifted = self._desk.sift(numbers, wanted.state)
            total.add(sifted)
            total.first += map(self._inbox.show, sifted.replayed[: SHOWN_FIRST - len(total.first)])
        self._record_search(wanted, total.count)
        return total

    def replay_messages(self, wanted: MessageFilter, reason: str) -> BulkReplay:
        """Make all that match now pending again, batch by batch, in order (audited, each with the reason)."""
        self.require(Right.MESSAGES_REPLAY, AuditAction.MESSAGE_REPLAYED)

        def events(numbers: Sequence[int]) -> list[AuditEvent]:
            return [self._event(AuditAction.MESSAGE_REPLAYED, message=n, reason=reason, bulk=True) for n in numbers]

        total = BulkReplay()
        for numbers in self._search.numbers(wanted, REPLAY_BATCH):
            total.add(self._desk.replay_many(numbers, wanted.state, events))
        return total

    def edit_and_replay(self, number: int, edit: Callable[[StoredMessage], Reception], reason: str) -> int:
        """Let edited bytes take effect in a message's place; give the number that they got (audited on both).

        Args:
            number: the original's number.
            edit: gives the edited bytes' reception, or raises what their sender would be refused for.
            reason: why.

        """
        self.require(Right.MESSAGES_EDIT, AuditAction.MESSAGE_EDITED)
        original = self._inbox.show(number)
        edited = replace(edit(original), expects=original.expects)  # the edit is held to If-Match as its sender is

        def events(numbers: Sequence[int]) -> list[AuditEvent]:
            pairs = [(number, f"message/{numbers[0]}"), (numbers[0], f"message/{number}")]
            return [self._event(AuditAction.MESSAGE_EDITED, message=n, entities=[e], reason=reason) for n, e in pairs]

        return self._desk.edit(number, edited, events)

    def hold_message(self, number: int, reason: str) -> None:
        """Keep a message out of the pipeline or of bulk replay (audited)."""
        self._desk.hold(number, self._act(Right.MESSAGES_HOLD, AuditAction.MESSAGE_HELD, number, reason), reason)

    def release_message(self, number: int, reason: str) -> None:
        """Let a held message go on (audited)."""
        self._desk.release(number, self._act(Right.MESSAGES_RELEASE, AuditAction.MESSAGE_RELEASED, number, reason))

    def discard_message(self, number: int, reason: str) -> None:
        """End a message without effect (audited)."""
        self._desk.discard(number, self._act(Right.MESSAGES_DISCARD, AuditAction.MESSAGE_DISCARDED, number, reason))

    def resolve_message(self, number: int, reason: str) -> None:
        """Take an error off the error list (audited)."""
        self._desk.resolve(number, self._act(Right.MESSAGES_RESOLVE, AuditAction.MESSAGE_RESOLVED, number, reason))

    def assign_message(self, number: int, owner: str, reason: str) -> None:
        """Say who looks after an error or a held message (audited)."""
        event = self._act(Right.MESSAGES_ASSIGN, AuditAction.MESSAGE_ASSIGNED, number, reason, owner=owner)
        self._desk.assign(number, owner, event)

    def _act(self, right: Right, action: AuditAction, number: int, reason: str, **detail: str) -> AuditEvent:
        """Give the event of an act on a message that is there, once the principal may act."""
        self.require(right, action)
        self._inbox.show(number)
        return self._event(action, message=number, reason=reason, **detail)

    def explain(self, explanation: Callable[[], T], reveal: str) -> T:
        """Give an explanation of a message that is not stored (audited).

        Args:
            explanation: makes it.
            reveal: why its values must be seen; empty: they are to be masked.

        """
        right = Right.MESSAGES_REVEAL if reveal else Right.MESSAGES_READ
        self.require(right, AuditAction.MESSAGE_EXPLAINED)
        explained = explanation()
        self._record(AuditAction.MESSAGE_EXPLAINED, revealed=bool(reveal), reason=reveal)
        return explained

    # -- status ----------------------------------------------------------------------------------------------------

    def open_status(self) -> None:
        """Return when the principal may see how the gateway is, numbers only (audited)."""
        self.require(Right.MESSAGES_READ, AuditAction.STATUS_SHOWN)
        self._record(AuditAction.STATUS_SHOWN)

    # -- worklists -------------------------------------------------------------------------------------------------

    def list_worklist(
        self, secretariat: str, *, kind: ItemKind | None, states: Sequence[ItemState], limit: int
    ) -> list[ItemView]:
        """Give a secretariat's items, or those of all that the principal may read (audited)."""
        readable = self._readable(secretariat, AuditAction.WORKLIST_LISTED)
        views = self._worklist.items(readable, kind=kind, states=states, limit=limit)
        patients = [view.item.identity for view in views]
        self._record(AuditAction.WORKLIST_LISTED, patients=patients, secretariat=secretariat, found=len(views))
        return list(map(self._seen, views))

    def show_item(self, item_id: str, break_glass: str = "") -> tuple[ItemView, list[Step]]:
        """Give one item with its history, as far as the principal may see it (audited).

        Args:
            item_id: which.
            break_glass: why all of it must be seen, whosever it is (bris de glace); empty: it need not.

        Raises:
            ResourceNotFound: there is no such item.
            AccessRefused: it is another secretariat's, or the right to break the glass is needed.

        """
        view = self._worklist.item(item_id)
        if view is None:
            raise ResourceNotFound("no work item has this id")
        entities = [f"item/{item_id}", f"secretariat/{view.item.secretariat}"]
        patients, history = [view.item.identity], self._worklist.history(item_id)
        if break_glass:
            self.require(Right.WORKLIST_BREAK_GLASS, AuditAction.GLASS_BROKEN)
            self._record(AuditAction.GLASS_BROKEN, patients=patients, entities=entities, reason=break_glass)
            return view, history
        self._readable(view.item.secretariat, AuditAction.ITEM_SHOWN)
        shown = self._seen(view)
        self._record(AuditAction.ITEM_SHOWN, patients=patients, entities=entities, sight=shown.sight)
        return shown, history if shown.sight is Sight.MEDICAL else [_without_words(step, shown) for step in history]

    def list_expected(
        self, orders: ExpectedOrders, secretariats: Mapping[str, Secretariat], *, before: datetime, limit: int
    ) -> list[ExpectedOrder]:
        """Give the orders without a result that the principal's secretariats wait for, the oldest first (audited).

        Who may read every worklist is given those of units that no secretariat serves as well.
        """
        own = self._readable("", AuditAction.EXPECTED_RESULTS_LISTED)
        served = (secretariats[name].units for name in own or () if name in secretariats)
        units = None if own is None else sorted(frozenset().union(*served))
        found = orders.expected(units, before=before, limit=limit)
        patients = [each.identity for each in found]
        self._record(AuditAction.EXPECTED_RESULTS_LISTED, patients=patients, found=len(found))
        asks_for = {unit: name for name, each in secretariats.items() for unit in each.units}
        return [self._seen_order(each, asks_for.get(each.order.ordering_unit, "")) for each in found]

    def _seen_order(self, each: ExpectedOrder, secretariat: str) -> ExpectedOrder:
        """Give an order as an item of its result would be seen."""
        how = sight(self._principal, secretariat, each.person, self._sensitive)
        if how is Sight.MEDICAL:
            return each
        order = replace(each.order, label="", codes=())
        if how is Sight.ADMINISTRATIVE:
            return replace(each, order=order)
        return replace(each, order=replace(order, requester=""), identity="", person=nobody(each.person))

    def show_figures(
        self, database: Database, secretariats: Sequence[str], *, since: datetime, now: datetime
    ) -> list[QueueFigures]:
        """Give how the queues fare that the principal may read, in numbers (audited)."""
        own = self._readable("", AuditAction.FIGURES_SHOWN)
        named = [s for s in secretariats if own is None or s in own]
        found = queue_figures(database, named, since=since, now=now)
        self._record(AuditAction.FIGURES_SHOWN, queues=len(found))
        return found

    def follow_worklist(self, secretariat: str) -> None:
        """Return when the principal may follow a secretariat's items (audited)."""
        self._readable(secretariat, AuditAction.WORKLIST_FOLLOWED)
        self._record(AuditAction.WORKLIST_FOLLOWED, secretariat=secretariat)

    def see_delivery(self, item_id: str) -> Sight:
        """Give how much of an item may be shown as the bus delivered it (audited with its patient)."""
        view = self._worklist.item(item_id)
        patients = [view.item.identity] if view else []
        how = self._seen(view).sight if view else Sight.MASKED
        self._record(AuditAction.ITEM_SHOWN, patients=patients, entities=[f"item/{item_id}"], by="follow", sight=how)
        return how

    def _seen(self, view: ItemView) -> ItemView:
        return view.seen_by(self._principal, self._sensitive)

    def _readable(self, secretariat: str, act: AuditAction) -> Sequence[str] | None:
        """Give the secretariats to read: the one asked for, else all own ones; None is everybody's."""
        if secretariat:
            if not self._principal.may_read_worklist(secretariat):
                self._refuse(act)
                raise AccessRefused("the right to read this secretariat's worklist is needed")
            return [secretariat]
        if Right.WORKLIST_READ_ALL in self._principal.rights:
            return None
        self.require(Right.WORKLIST_READ, act)
        return sorted(self._principal.secretariats)

    # -- dead letters ----------------------------------------------------------------------------------------------
    #
    # The broker knows no transaction with the trail: an event is written before the act that cannot be taken back.

    def list_dead_letters(self, letters: DeadLetters, secretariats: Sequence[str]) -> dict[str, int | None]:
        """Count the dead letters of secretariats (audited); None where the bus has no such queue."""
        self.require(Right.DEAD_LETTERS_READ, AuditAction.DEAD_LETTER_LISTED)
        counts = letters.count(secretariats)
        self._record(
            AuditAction.DEAD_LETTER_LISTED, secretariats=len(counts), found=sum(n or 0 for n in counts.values())
        )
        return counts

    def show_dead_letters(self, letters: DeadLetters, secretariat: str, limit: int, reveal: str) -> list[DeadLetter]:
        """Give the oldest dead letters of a secretariat (each audited).

        Args:
            letters: the bus's.
            secretariat: whose.
            limit: how many at most.
            reveal: why the bodies must be seen; empty: they are to be masked.

        """
        right = Right.DEAD_LETTERS_REVEAL if reveal else Right.DEAD_LETTERS_READ
        self.require(right, AuditAction.DEAD_LETTER_SHOWN)
        found = letters.look(secretariat, limit)
        for letter in found:
            self._record_letter(AuditAction.DEAD_LETTER_SHOWN, letter, reveal, revealed=bool(reveal))
        return found

    def return_dead_letters(
        self, letters: DeadLetters, secretariat: str, wanted: Collection[str] | None, reason: str
    ) -> list[str]:
        """Return dead letters (None: all) to the secretariat's queue (audited when asked, and each); give their ids."""
        self.require(Right.DEAD_LETTERS_RETURN, AuditAction.DEAD_LETTER_RETURNED)
        asked = AuditAction.DEAD_LETTER_RETURN_ASKED
        entities = [f"secretariat/{secretariat}"]
        self._record(asked, entities=entities, reason=reason, every=wanted is None, messages=len(wanted or ()))
        return letters.give_back(
            secretariat, wanted, lambda letter: self._record_letter(AuditAction.DEAD_LETTER_RETURNED, letter, reason)
        )

    def discard_dead_letters(
        self, letters: DeadLetters, secretariat: str, wanted: Collection[str] | None, reason: str
    ) -> list[str]:
        """Discard dead letters (None: all; each audited); give their ids."""
        self.require(Right.DEAD_LETTERS_DISCARD, AuditAction.DEAD_LETTER_DISCARDED)
        return letters.discard(
            secretariat, wanted, lambda letter: self._record_letter(AuditAction.DEAD_LETTER_DISCARDED, letter, reason)
        )

    def _record_letter(self, action: AuditAction, letter: DeadLetter, reason: str, *, revealed: bool = False) -> None:
        """What a foreign message says of itself may be anything: only an item that is ours is named."""
        view = self._worklist.item(letter.item) if letter.item else None
        item = [f"item/{letter.item}"] if view else []
        entities = [f"secretariat/{letter.secretariat}", *item]
        patients = [view.item.identity] if view else []
        version = letter.version if view else 0
        self._record(action, patients=patients, entities=entities, reason=reason, version=version, revealed=revealed)

    # -- retention -------------------------------------------------------------------------------------------------

    def run_retention(self, retention: Retention, now: datetime, *, dry_run: bool) -> Iterator[Purge]:
        """Purge what is due, or only look, and give each batch (audited)."""
        self.require(Right.OPERATE, AuditAction.RETENTION_RUN)
        self._record(AuditAction.RETENTION_RUN, dry_run=dry_run)
        yield from retention.run(self._principal.id, now, dry_run=dry_run)

    # -- audit -----------------------------------------------------------------------------------------------------


def _without_words(step: Step, shown: ItemView) -> Step:
    """Give a step without what people wrote; of a masked item, without what it was called."""
    return replace(step, note="", title="" if shown.sight is Sight.MASKED else step.title)
