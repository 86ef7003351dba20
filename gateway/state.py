"""Everything that a batch may touch, in memory: loaded, decided on and flushed by one statement per table."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gateway.convocation import Convocations
from gateway.directory import Entry, EntryKey
from gateway.facts import Identifier
from gateway.focus import Focus, FocusKind
from gateway.identity import Identity, Person, golden_record
from gateway.likeness import filed_keys
from gateway.matching.blocking import Key
from gateway.matching.model import Model
from gateway.worklist import WorkItem

K = TypeVar("K")
V = TypeVar("V")


class Table(Generic[K, V]):
    """Rows by key, with what changed since they were loaded, and an undo of what one message changed."""

    def __init__(self) -> None:
        self._rows: dict[K, V] = {}
        self._changed: dict[K, None] = {}
        self._undo: list[tuple[K, V | None]] = []

    def load(self, key: K, row: V) -> None:
        """Hold a row as the store has it."""
        self._rows[key] = row

    def get(self, key: K) -> V | None:
        """Give the row, or None."""
        return self._rows.get(key)

    def __getitem__(self, key: K) -> V:
        return self._rows[key]

    def rows(self) -> list[tuple[K, V]]:
        """Give all rows."""
        return list(self._rows.items())

    def put(self, key: K, row: V) -> None:
        """Hold a new or changed row."""
        self._undo.append((key, self._rows.get(key)))
        self._rows[key] = row
        self._changed[key] = None

    def touched(self) -> list[K]:
        """Give the keys put since the last mark, each once, in order."""
        return list(dict.fromkeys(key for key, _ in self._undo))

    def before(self, key: K) -> V | None:
        """Give the row as it was at the last mark."""
        return next((row for k, row in self._undo if k == key), self._rows.get(key))

    def mark(self) -> None:
        """Make what was put so far final: the next roll-back ends here."""
        self._undo.clear()

    def roll_back(self) -> None:
        """Be again as at the last mark; a row put before it stays among the changes."""
        for key, row in reversed(self._undo):
            if row is None:
                del self._rows[key]
                self._changed.pop(key, None)
            else:
                self._rows[key] = row
        self._undo.clear()

    def changes(self) -> list[tuple[K, V]]:
        """Give all rows put since the load."""
        return [(key, self._rows[key]) for key in self._changed if key in self._rows]


FocusKey = tuple[FocusKind, str, str]


def _pair(identifier: Identifier) -> tuple[str, str]:
    return identifier.authority, identifier.value


def focus_key(kind: FocusKind, identifier: Identifier) -> FocusKey:
    """Give the key under which an object is found."""
    return kind, identifier.authority, identifier.value


def _filed_by(identity: Identity) -> tuple[object, ...]:
    """What the keys of a record follow from."""
    return identity.patient, identity.retired, identity.origin


@dataclass(frozen=True, slots=True)
class Filed:
    """The keys under which a record whose traits changed is filed from now on.

    Attributes:
        keys: blocking keys.
        before: it was stored before the batch, perhaps under others.

    """

    keys: frozenset[Key]
    before: bool


SHIPPED = Model()


class State:
    """The identity map of one batch.

    Attributes:
        model: what agreements weigh.
        left_out: blocking keys by which nobody was looked for, since too many share them; by kind.

    """

    model: Model
    left_out: Counter[str]

    def __init__(self) -> None:
        self.model = SHIPPED
        self.left_out = Counter()
        self.identities = Table[str, Identity]()
        self.identity_keys = Table[tuple[str, str], str]()
        self.doubts = Table[tuple[str, str], frozenset[str]]()
        self.ins = Table[tuple[str, str], frozenset[str]]()
        self.members = Table[str, frozenset[str]]()
        self.persons = Table[str, Person]()
        self.foci = Table[str, Focus]()
        self.focus_keys = Table[FocusKey, str]()
        self.waits = Table[str, bool]()
        self.items = Table[str, WorkItem]()
        self.items_of_focus = Table[str, frozenset[str]]()
        self.items_of_identity = Table[str, frozenset[str]]()
        self.convocations = Table[str, Convocations]()
        self.directory = Table[EntryKey, Entry]()
        self.filed = Table[str, Filed]()
        self.found_by = Table[Key, frozenset[str]]()

    def _tables(self) -> tuple[Table[Any, Any], ...]:
        return tuple(each for each in vars(self).values() if isinstance(each, Table))

    def mark(self) -> None:
        """Make what the message changed final."""
        for table in self._tables():
            table.mark()

    def roll_back(self) -> None:
        """Forget what the message changed."""
        for table in self._tables():
            table.roll_back()

    # -- loading ---------------------------------------------------------------------------------------------------

    def load_identity(self, identity: Identity) -> None:
        """Hold an identity as the store has it."""
        self.identities.load(identity.id, identity)
        self.identity_keys.load(_pair(identity.key), identity.id)
        for table, key in self._sets_of(identity):
            table.load(key, (table.get(key) or frozenset()) | {identity.id})

    def _sets_of(self, identity: Identity) -> Iterator[tuple[Table[Any, frozenset[str]], Any]]:
        """The sets of identities to which one belongs, each as a table and a key in it."""
        yield self.members, identity.person
        if identity.ins:
            yield self.ins, _pair(identity.ins)
        if identity.origin:
            yield self.doubts, _pair(identity.origin)

    def load_alike(self, pairs: Iterable[tuple[Key, str]]) -> None:
        """Hold which identities, each loaded, a blocking key finds."""
        for key, identity in pairs:
            self.found_by.load(key, (self.found_by.get(key) or frozenset()) | {identity})

    def load_focus(self, focus: Focus, keys: Iterable[FocusKey]) -> None:
        """Hold an object as the store has it."""
        self.foci.load(focus.id, focus)
        if focus.held:
            self.waits.load(focus.id, bool(focus.held))
        for key in keys:
            self.focus_keys.load(key, focus.id)

    def load_item(self, item: WorkItem) -> None:
        """Hold a work item as the store has it."""
        self.items.load(item.id, item)
        self.items_of_focus.load(item.focus, (self.items_of_focus.get(item.focus) or frozenset()) | {item.id})
        own = self.items_of_identity.get(item.identity) or frozenset()
        self.items_of_identity.load(item.identity, own | {item.id})

    # -- identities ------------------------------------------------------------------------------------------------

    def identity(self, key: Identifier) -> Identity | None:
        """Give the identity with this authority and value."""
        found = self.identity_keys.get(_pair(key))
        return self.identities.get(found) if found else None

    def doubts_about(self, key: Identifier) -> list[Identity]:
        """Give the provisional records that contradict this key's record."""
        return [self.identities[i] for i in sorted(self.doubts.get(_pair(key)) or ())]

    def family_of(self, person: str) -> list[Identity]:
        """Give the identities of a person."""
        return [self.identities[i] for i in sorted(self.members.get(person) or ())]

    def identities_with(self, ins: Identifier) -> list[Identity]:
        """Give the qualified identities that hold this INS."""
        holders = map(self.identities.__getitem__, self.ins.get(_pair(ins)) or ())
        return sorted((i for i in holders if i.ins == ins), key=lambda i: i.key)

    def alike(self, keys: Iterable[Key]) -> list[Identity]:
        """Give the identities that share one of these keys, as far as the batch was to look for them."""
        found = (self.found_by.get(key) or () for key in keys)
        return [self.identities[i] for i in sorted({i for ids in found for i in ids})]

    def put_identity(self, identity: Identity) -> None:
        """Hold a new or changed identity, and make its person's golden record anew."""
        before = self.identities.get(identity.id)
        self._file(before, identity)
        self.identities.put(identity.id, identity)
        self.identity_keys.put(_pair(identity.key), identity.id)
        if before is not None and before.person != identity.person:
            self.members.put(before.person, self.members[before.person] - {identity.id})
            self._golden(before.person)
        for table, key in self._sets_of(identity):
            table.put(key, (table.get(key) or frozenset()) | {identity.id})
        self._golden(identity.person)

    def _file(self, before: Identity | None, after: Identity) -> None:
        """Let a record be found by what it says by now."""
        if before is not None and _filed_by(before) == _filed_by(after):
            return
        old, new = filed_keys(before) if before else frozenset[Key](), filed_keys(after)
        if before is not None and old == new:
            return
        known = self.filed.get(after.id)
        self.filed.put(after.id, Filed(new, before=known.before if known else before is not None))
        for key in old - new:
            self.found_by.put(key, (self.found_by.get(key) or frozenset()) - {after.id})
        for key in new - old:
            self.found_by.put(key, (self.found_by.get(key) or frozenset()) | {after.id})

    def _golden(self, person: str) -> None:
        if family := self.family_of(person):
            self.persons.put(person, golden_record(person, family))

    def person_of(self, identity: str) -> str:
        """Give the id of the person to whom an identity belongs now."""
        return self.identities[identity].person

    # -- objects and items -----------------------------------------------------------------------------------------

    def foci_with(self, kind: FocusKind, keys: Iterable[Identifier]) -> list[Focus]:
        """Give the objects that these keys find, in the keys' order, each once."""
        found = (self.focus_keys.get(focus_key(kind, key)) for key in keys)
        return [self.foci[f] for f in dict.fromkeys(filter(None, found))]

    def put_focus(self, focus: Focus, keys: Iterable[Identifier]) -> None:
        """Hold a new or changed object, found by these keys from now on; a real object's key is never taken away."""
        self.foci.put(focus.id, focus)
        if focus.held or self.waits.get(focus.id):
            self.waits.put(focus.id, bool(focus.held))
        for key in keys:
            holder = self.focus_keys.get(focus_key(focus.kind, key))
            if holder is None or (holder != focus.id and self.foci[holder].fact is None):
                self.focus_keys.put(focus_key(focus.kind, key), focus.id)

    def items_about(self, focus: str) -> list[WorkItem]:
        """Give the items about an object."""
        return [self.items[i] for i in sorted(self.items_of_focus.get(focus) or ())]

    def put_item(self, item: WorkItem) -> None:
        """Hold a new or changed item."""
        before = self.items.get(item.id)
        self.items.put(item.id, item)
        if before is not None and before.identity != item.identity:
            self.items_of_identity.put(before.identity, self.items_of_identity[before.identity] - {item.id})
        self.items_of_focus.put(item.focus, (self.items_of_focus.get(item.focus) or frozenset()) | {item.id})
        own = self.items_of_identity.get(item.identity) or frozenset()
        self.items_of_identity.put(item.identity, own | {item.id})
