"""What people may do with work items: each act needs a right and leaves an audit event in its transaction (P8)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from adapters.audited import Audited
from adapters.store.audit import AuditTrail
from adapters.store.item_desk import ItemDesk, Seen
from adapters.store.worklist import ItemView
from gateway import handling
from gateway.act import Act
from gateway.audit import AuditAction
from gateway.clockwork import timed_again
from gateway.errors import (
    AccessRefused,
    PreconditionFailed,
    ResourceNotFound,
    SenderError,
    StateConflict,
    StorageUnavailable,
)
from gateway.facts import Priority
from gateway.focus import Focus, FocusKind, Noted
from gateway.handling import Deed
from gateway.pipeline import Changes, Decider
from gateway.principal import Principal, Right
from gateway.site import Source, SourceRole
from gateway.state import State
from gateway.told import NEVER
from gateway.wording import noted, worded
from gateway.worklist import BY_HAND, MADE_BY_HAND, ItemKind, ItemState, WorkItem

TRIES = 3
"""How often an act is tried that the store took back because it met others; nothing was done meanwhile."""

_DESK = Source("secretariat", SourceRole.DEPARTMENT)
"""Who tells what people do: no source of the site's."""

_ACTS = {
    Deed.CLAIM: (Right.WORKLIST_CLAIM, AuditAction.ITEM_CLAIMED),
    Deed.RELEASE: (Right.WORKLIST_RELEASE, AuditAction.ITEM_RELEASED),
    Deed.REASSIGN: (Right.WORKLIST_REASSIGN, AuditAction.ITEM_REASSIGNED),
    Deed.DONE: (Right.WORKLIST_DONE, AuditAction.ITEM_DONE),
    Deed.ACKNOWLEDGE: (Right.WORKLIST_ACKNOWLEDGE, AuditAction.ITEM_RECEIVED),
    Deed.ACKNOWLEDGE_CLINICALLY: (Right.WORKLIST_ACKNOWLEDGE_CLINICALLY, AuditAction.ITEM_READ),
    Deed.HOLD: (Right.WORKLIST_HOLD, AuditAction.ITEM_HELD),
    Deed.COMMENT: (Right.WORKLIST_COMMENT, AuditAction.ITEM_COMMENTED),
    Deed.FORWARD: (Right.WORKLIST_FORWARD, AuditAction.ITEM_FORWARDED),
    Deed.REOPEN: (Right.WORKLIST_REOPEN, AuditAction.ITEM_REOPENED),
    Deed.UNDO: (Right.WORKLIST_UNDO, AuditAction.ITEM_UNDONE),
    Deed.ADD: (Right.WORKLIST_ADD, AuditAction.ITEM_ADDED),
}

_Change = Callable[[WorkItem, datetime, Seen], WorkItem]
"""Gives an item as an act leaves it, at the instant of the act, by what was seen in its transaction."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """What somebody notes: a call, a visit, a note to a physician.

    Attributes:
        kind: which of them.
        secretariat: whose queue it goes to.
        patient: id or number of a record of the patient whom it is about.
        text: what it is about, in their words.
        priority: urgency.
        due: when it is to be done by.
        authority: domain of the patient's number; empty: whichever.

    """

    kind: ItemKind
    secretariat: str
    patient: str
    text: str
    priority: Priority = Priority.ROUTINE
    due: datetime | None = None
    authority: str = ""


@dataclass(frozen=True, slots=True)
class _Deed:
    """One act under way.

    Attributes:
        deed: what is done.
        change: how.
        note: words that the item's history keeps.
        expects: version of the item that is acted on; None: whichever.
        detail: codes for the audit event.

    """

    deed: Deed
    change: _Change
    note: str = ""
    expects: int | None = None
    detail: dict[str, str | int | bool] = field(default_factory=dict)


class ItemOperations(Audited):
    """The acts of one principal on work items.

    Every act takes the version that its caller has seen, if it is to be held to it, and gives the item as it is then.

    Args:
        principal: who acts; no method names an actor.
        desk: the store's side.
        trail: the audit trail.
        decider: publishes what follows.

    Raises:
        AccessRefused: the right is missing, or the item is of another secretariat (audited).
        ResourceNotFound: there is no such item.
        StateConflict: the item does not stand so that this may be done; says who holds it.
        PreconditionFailed: it is of another version than expected.

    """

    def __init__(self, principal: Principal, desk: ItemDesk, trail: AuditTrail, decider: Decider) -> None:
        super().__init__(principal, trail)
        self._desk = desk
        self._decider = decider

    @property
    def _by(self) -> str:
        return self._principal.id

    def claim(self, item: str, *, expects: int | None = None) -> ItemView:
        """Take an item in hand: of several who do so at once, one gets it, and the others are told who."""
        return self._do(item, _Deed(Deed.CLAIM, lambda i, now, _: handling.claimed(i, self._by, now), expects=expects))

    def release(self, item: str, note: str = "", *, expects: int | None = None) -> ItemView:
        """Give an item back that one has claimed."""
        return self._do(item, _Deed(Deed.RELEASE, lambda i, *_: handling.released(i, self._by), note, expects))

    def reassign(self, item: str, to: str, reason: str, *, expects: int | None = None) -> ItemView:
        """Give an item to somebody else, whoever holds it; they must be known to the site, and work for its queue.

        Args:
            item: its id.
            to: principal id (``account:nadia``).
            reason: why.
            expects: the version seen.

        """
        own = self._principal_named(to)

        def given(seen: WorkItem, now: datetime, _: Seen) -> WorkItem:
            if not own.may_work_for(seen.secretariat):
                raise StateConflict("who works for the item's secretariat is expected")
            return handling.taken(seen, to, now)

        return self._do(item, _Deed(Deed.REASSIGN, given, worded(reason), expects, {"to": to}))

    def done(self, item: str, note: str = "", *, expects: int | None = None) -> ItemView:
        """Be done with an item."""
        return self._do(item, _Deed(Deed.DONE, lambda i, *_: handling.done(i, self._by), note, expects))

    def acknowledge(self, item: str, *, expects: int | None = None) -> ItemView:
        """Acknowledge that a result was received."""
        act = _Deed(Deed.ACKNOWLEDGE, lambda i, now, _: handling.acknowledged(i, self._by, now), expects=expects)
        return self._do(item, act)

    def acknowledge_clinically(self, item: str, note: str = "", *, expects: int | None = None) -> ItemView:
        """Acknowledge a result as a physician."""

        def read(seen: WorkItem, now: datetime, _: Seen) -> WorkItem:
            return handling.read_clinically(seen, self._by, now, clinical=self._principal.clinical)

        return self._do(item, _Deed(Deed.ACKNOWLEDGE_CLINICALLY, read, note, expects))

    def hold(self, item: str, until: datetime, reason: str, *, expects: int | None = None) -> ItemView:
        """Put an item aside until a time (aware instant)."""

        def held(seen: WorkItem, now: datetime, _: Seen) -> WorkItem:
            return handling.put_on_hold(seen, self._by, now, until.astimezone(UTC))

        return self._do(item, _Deed(Deed.HOLD, held, worded(reason), expects))

    def comment(self, item: str, text: str, *, expects: int | None = None) -> ItemView:
        """Add words to an item's history."""
        act = _Deed(Deed.COMMENT, lambda i, now, _: handling.commented(i, self._by, now), worded(text), expects)
        return self._do(item, act)

    def forward(self, item: str, to: str, note: str, *, expects: int | None = None) -> ItemView:
        """Give an item to another secretariat, with a note; its history goes along."""
        if to not in self._decider.site.secretariats:
            raise StateConflict("a secretariat of the site is expected")
        act = _Deed(
            Deed.FORWARD,
            lambda i, *_: handling.forwarded(i, self._by, to),
            worded(note),
            expects,
            {"to": to},
        )
        return self._do(item, act)

    def reopen(self, item: str, reason: str, *, expects: int | None = None) -> ItemView:
        """Open again what was done; it is due anew."""

        def again(seen: WorkItem, now: datetime, _: Seen) -> WorkItem:
            return timed_again(self._decider.site, handling.reopened(seen), now)

        return self._do(item, _Deed(Deed.REOPEN, again, worded(reason), expects))

    def undo(self, item: str, reason: str = "", *, expects: int | None = None) -> ItemView:
        """Let an item be as it was before one's own last act on it, which is not undone itself."""

        def former(seen: WorkItem, _: datetime, known: Seen) -> WorkItem:
            last = known.steps[seen.id]
            return handling.undone(seen, self._by, last.principal, last.former)

        return self._do(item, _Deed(Deed.UNDO, former, reason, expects), moved=True)

    def add(self, wanted: ByHand) -> ItemView:
        """Make an item by hand.

        Raises:
            ResourceNotFound: no record has this id or number.
            StateConflict: several records have it; or the kind is none that is made by hand.

        """
        right, action = _ACTS[Deed.ADD]
        self.require(right, action)
        if wanted.kind not in MADE_BY_HAND or wanted.secretariat not in self._decider.site.secretariats:
            raise StateConflict("a kind that is made by hand and a secretariat of the site are expected")
        self._require_place(wanted.secretariat, action)
        record = self._one_record(wanted.patient, wanted.authority)
        now, made = datetime.now(UTC), list[ItemView]()

        def make(seen: Seen) -> Changes:
            focus, item = self._made(wanted, record, seen.state, now)
            seen.state.put_focus(focus, ())
            seen.state.put_item(item)
            act = _Deed(Deed.ADD, lambda i, *_: i)
            made.append(_view(seen.state, item))
            return self._written(act, item, seen.state, now)

        self._tried((), make, now, record)
        return made[-1]

    def _made(self, wanted: ByHand, record: str, state: State, now: datetime) -> tuple[Focus, WorkItem]:
        told, text = state.identities[record].told.message, worded(wanted.text)
        ids = self._decider.new_id(), self._decider.new_id()
        focus = Focus(ids[0], FocusKind.NOTED, record, 1, Noted(text), told, NEVER, now)
        item = WorkItem(
            id=ids[1],
            kind=wanted.kind,
            secretariat=wanted.secretariat,
            priority=wanted.priority,
            state=ItemState.NEW,
            identity=record,
            focus=focus.id,
            title=f"{wanted.kind}.to-handle",
            detail=text,
            rule=BY_HAND,
            reason="",
            source_message=told,
            version=1,
            created_at=now,
            updated_at=now,
            origin=wanted.secretariat,
            due=wanted.due,
        )
        return focus, item

    def _one_record(self, named: str, authority: str) -> str:
        found = self._desk.records(named, authority)
        if not found:
            raise ResourceNotFound("no record has this id or number", path="patient")
        if len(found) > 1:
            raise StateConflict("several records have this number: the id of one is expected", path="patient")
        return found[0]

    @staticmethod
    def several(items: Iterable[str], act: Callable[[str], ItemView]) -> list[tuple[str, ItemView | SenderError]]:
        """Do one act on several items, each by a transaction of its own; give for each what came of it, or why not."""
        outcomes: list[tuple[str, ItemView | SenderError]] = []
        for item in dict.fromkeys(items):
            try:
                outcomes.append((item, act(item)))
            except SenderError as error:
                outcomes.append((item, error))
        return outcomes

    # -- one act, one transaction ----------------------------------------------------------------------------------

    def _do(self, item_id: str, act: _Deed, *, moved: bool = False) -> ItemView:
        """Do it, once the principal may.

        Args:
            item_id: the item.
            act: what to do.
            moved: whoever gave the item away may act on it though it is another secretariat's now.

        """
        right, action = _ACTS[act.deed]
        self.require(right, action)
        noted(act.note)
        now, done = datetime.now(UTC), list[ItemView]()

        def decide(seen: Seen) -> Changes:
            item = seen.state.items.get(item_id)
            if item is None:
                raise ResourceNotFound("no work item has this id")
            last = seen.steps[item_id].former if moved else None
            if not any(self._principal.may_work_for(f.secretariat) for f in (item, last) if f is not None):
                raise AccessRefused("the right to work for this item's secretariat is needed")
            _require_version(item, act.expects)
            at = max(now, item.updated_at)  # our clock may have gone back
            changed = replace(act.change(item, at, seen), version=item.version + 1, updated_at=at)
            seen.state.put_item(changed)
            done.append(_view(seen.state, changed))
            return self._written(act, changed, seen.state, at)

        try:
            self._tried((item_id,), decide, now)
        except AccessRefused:
            self._refuse(action)
            raise
        return done[-1].seen_by(self._principal, self._decider.site.sensitive)

    def _tried(
        self, items: tuple[str, ...], decide: Callable[[Seen], Changes], now: datetime, record: str = ""
    ) -> None:
        """Let it take effect; where the store took it back, again."""
        identities = (record,) if record else ()
        for left in reversed(range(TRIES)):
            try:
                return self._desk.act(items, decide, now, identities=identities)
            except StorageUnavailable:
                if not left:
                    raise
        return None

    def _written(self, act: _Deed, item: WorkItem, state: State, now: datetime) -> Changes:
        """Give what is written beside the item: its step, what the bus is told, the audit event."""
        changes = Changes()
        self._decider.publish(
            Act(
                self._decider.site,
                state,
                _DESK,
                item.source_message,
                "",
                None,
                now,
                self._decider.new_id,
                principal=self._by,
                deed=act.deed,
                note=act.note,
            ),
            changes,
        )
        told: dict[str, str | int | bool] = {"kind": item.kind, "state": item.state, "version": item.version}
        event = self._event(_ACTS[act.deed][1], patients=[item.identity], entities=_entities(item))
        changes.audit.append(replace(event, detail=told | act.detail))
        return changes

    def _require_place(self, secretariat: str, action: AuditAction) -> None:
        if not self._principal.may_work_for(secretariat):
            self._refuse(action)
            raise AccessRefused("the right to work for this secretariat is needed")

    def _principal_named(self, name: str) -> Principal:
        """Give a principal of the site's access.toml by its id.

        Raises:
            ResourceNotFound: it is none.

        """
        access = self._decider.site.access
        kind, _, account = name.partition(":")
        found = access.clients.get(name)
        if kind == "account" and account:
            found = access.accounts.get(account) or access.accounts.get("*")
        if found is None:
            raise ResourceNotFound("a principal of the site's access.toml is expected", path="to")
        return found


def _entities(item: WorkItem) -> list[str]:
    return [f"item/{item.id}", f"secretariat/{item.secretariat}"]


def _view(state: State, item: WorkItem) -> ItemView:
    return ItemView(item, state.persons[state.person_of(item.identity)])


def _require_version(item: WorkItem, expects: int | None) -> None:
    if expects is not None and item.version != expects:
        holder = f", held by {item.hand.holder}" if item.hand.holder else ""
        raise PreconditionFailed(f"the item is of version {item.version}{holder}")
