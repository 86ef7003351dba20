"""What people decide of identities: link, not the same, unlink, a merge request, and undoing any of them.

A decision moves pointers and keeps where each was. Undoing one leaves what would be had it never been taken: what later
decisions moved is put back and moved anew without it. What admissions has moved since stays where admissions put it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from itertools import combinations

from gateway.errors import ResourceNotFound, StateConflict
from gateway.identity import Identity, Ruling, apart, disagreements, fingerprint, settled, survivorship
from gateway.reconciliation import PROVISIONAL_AUTHORITY

REASON_LENGTH = 500
"""Characters of a decision's reason at most."""


class DecisionKind(StrEnum):
    """What is decided."""

    LINK = "link"
    """Two records are one person: all of one person become the other's."""
    NOT_SAME = "not-same"
    """Two records are not one person, and are not asked about again unless a strict trait changes."""
    UNLINK = "unlink"
    """A record is not the person whose it is: it gets one of its own."""
    REQUEST_MERGE = "request-merge"
    """Admissions is to merge two numbers of one domain (RNIV 1, EXI SI 37: only the référentiel merges)."""


class Standing(StrEnum):
    """Where a decision stands."""

    PROPOSED = "proposed"
    """It waits for a second person."""
    IN_FORCE = "in-force"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Move:
    """A record that goes from one person to another."""

    identity: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision.

    Attributes:
        number: its number; later decisions have higher ones.
        kind: what is decided.
        one: the record that it is about; of a merge request, the one to be retired.
        other: the other record; empty for an unlink.
        by: who decided.
        at: aware instant.
        reason: why, in words.
        standing: where it stands.
        second: who approved it; empty where no second person was needed.
        discordant: strict traits on which those who became one contradict each other.
        moves: the records that it moved.
        pairs: the pairs of records on which it rules.
        prints: fingerprints of the strict traits of every record that it looked at.
        answered: the questions (foci) that it answered.
        undone_by: who undid it.
        undone_at: when.
        undone_for: why.

    """

    number: int
    kind: DecisionKind
    one: str
    other: str
    by: str
    at: datetime
    reason: str
    standing: Standing = Standing.IN_FORCE
    second: str = ""
    discordant: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    prints: Mapping[str, str] = field(default_factory=dict)
    answered: tuple[str, ...] = ()
    undone_by: str = ""
    undone_at: datetime | None = None
    undone_for: str = ""


@dataclass(frozen=True, slots=True)
class Circle:
    """All that a decision may touch.

    Attributes:
        identities: records by id: whole persons.
        decisions: all decisions about any of them, by number.

    """

    identities: Mapping[str, Identity]
    decisions: tuple[Decision, ...] = ()

    def record(self, identity: str) -> Identity:
        """Give a record.

        Raises:
            ResourceNotFound: there is none with this id.

        """
        if identity not in self.identities:
            raise ResourceNotFound("no identity has this id")
        return self.identities[identity]

    def family(self, identity: str) -> list[Identity]:
        """Give the records of a record's person."""
        person = self.record(identity).person
        return sorted((i for i in self.identities.values() if i.person == person), key=lambda i: i.id)

    def decision(self, number: int) -> Decision:
        """Give a decision.

        Raises:
            ResourceNotFound: there is none with this number.

        """
        found = next((d for d in self.decisions if d.number == number), None)
        if found is None:
            raise ResourceNotFound("no decision has this number")
        return found

    @property
    def in_force(self) -> list[Decision]:
        """The decisions that count, in order."""
        return [d for d in self.decisions if d.standing is Standing.IN_FORCE]

    def moved(self, moves: Iterable[Move]) -> "Circle":
        """Give the circle with records moved."""
        after = {m.identity: replace(self.identities[m.identity], person=m.after) for m in moves}
        return replace(self, identities={**self.identities, **after})

    def decided(self, *decisions: Decision) -> "Circle":
        """Give the circle with these decisions in place of those of their numbers, and the rulings that follow."""
        own = {d.number: d for d in (*self.decisions, *decisions)}
        ordered = tuple(own[number] for number in sorted(own))
        circle = replace(self, decisions=ordered)
        return replace(circle, identities=_ruled(self.identities, circle.in_force))


def _ruled(identities: Mapping[str, Identity], decisions: Sequence[Decision]) -> dict[str, Identity]:
    """Give the records with what is in force of them; a later decision on a pair goes before an earlier one."""
    ruled: dict[str, dict[str, Ruling]] = {identity: {} for identity in identities}
    for decision in decisions:
        for pair in decision.pairs:
            for one, other in (pair, pair[::-1]):
                prints = (decision.prints[one], decision.prints[other])
                if one in ruled:
                    ruled[one][other] = Ruling(other, decision.kind is DecisionKind.LINK, prints)
    return {i: replace(identity, rulings=tuple(ruled[i].values())) for i, identity in identities.items()}


# -- deciding ----------------------------------------------------------------------------------------------------------


def weighed(circle: Circle, asked: Decision, fresh: str) -> Decision:
    """Give what was asked as a decision with all that it does, if the rules allow it.

    Args:
        circle: what it may touch.
        asked: kind, records, who and why.
        fresh: id of a person for a record that gets one of its own.

    Raises:
        StateConflict: a rule forbids it.
        ResourceNotFound: there is no such record.

    """
    match asked.kind:
        case DecisionKind.LINK:
            return _link(circle, asked)
        case DecisionKind.NOT_SAME:
            return _not_same(circle, asked)
        case DecisionKind.UNLINK:
            return _unlink(circle, asked, fresh)
        case DecisionKind.REQUEST_MERGE:
            return _request_merge(circle, asked)


def enacted(circle: Circle, decision: Decision) -> Circle:
    """Give the circle once a decision is in force."""
    return circle.moved(decision.moves).decided(decision)


def _link(circle: Circle, asked: Decision) -> Decision:
    """All of one person become the other's; whom admissions vouches for stays."""
    _require_in_force(circle, asked)
    ones, others = circle.family(asked.one), circle.family(asked.other)
    if ones == others:
        raise StateConflict("the two are one person already")
    pairs = [(a, b) for a in ones for b in others]
    if any(_numbers_of_one_domain(a, b) for a, b in pairs):
        raise StateConflict("two numbers in force of one domain are merged by admissions alone: request a merge")
    if any(apart(a, b) for a, b in pairs):
        raise StateConflict("it is decided that they are not the same: undo that decision first")
    told = [disagreements(a.patient, b.patient) for a, b in pairs if not (a.retired or b.retired)]
    discordant = tuple(dict.fromkeys(trait for traits in told for trait in traits))
    moves = _joined(circle, asked.one, asked.other, "")
    ruled = tuple((a.id, b.id) for a, b in pairs)
    return replace(asked, discordant=discordant, moves=moves, pairs=ruled, prints=_prints(*ones, *others))


def _not_same(circle: Circle, asked: Decision) -> Decision:
    _require_in_force(circle, asked)
    one, other = circle.record(asked.one), circle.record(asked.other)
    if one.person == other.person:
        raise StateConflict("the two are one person: unlink the one that is not")
    if apart(one, other) and settled(one, other):
        raise StateConflict("it is decided already that they are not the same")
    return replace(asked, pairs=((one.id, other.id),), prints=_prints(one, other))


def _unlink(circle: Circle, asked: Decision, fresh: str) -> Decision:
    one, former = circle.record(asked.one), circle.family(asked.one)
    if len(former) == 1:
        raise StateConflict("the record is its person's only one")
    pairs = tuple((one.id, other.id) for other in former if other.id != one.id)
    return replace(asked, moves=(Move(one.id, one.person, fresh),), pairs=pairs, prints=_prints(*former))


def _request_merge(circle: Circle, asked: Decision) -> Decision:
    _require_in_force(circle, asked)
    one, other = circle.record(asked.one), circle.record(asked.other)
    if not _numbers_of_one_domain(one, other):
        raise StateConflict("a merge is requested for two numbers of one domain; others are linked")
    wanted = {one.id, other.id}
    if any(d.kind is DecisionKind.REQUEST_MERGE and {d.one, d.other} == wanted for d in circle.in_force):
        raise StateConflict("this merge is requested already")
    return replace(asked, prints=_prints(one, other))


def _require_in_force(circle: Circle, asked: Decision) -> None:
    """A number that admissions has retired takes nothing and gives nothing: its survivor is named instead."""
    if asked.one == asked.other:
        raise StateConflict("two records are expected")
    if any(circle.record(identity).retired for identity in (asked.one, asked.other)):
        raise StateConflict("admissions has retired this number: name the one into which it was merged")


def _numbers_of_one_domain(one: Identity, other: Identity) -> bool:
    same = one.key.authority == other.key.authority != PROVISIONAL_AUTHORITY
    return same and one.id != other.id and not one.retired and not other.retired


def _prints(*records: Identity) -> dict[str, str]:
    return {record.id: fingerprint(record.patient) for record in records}


def _joined(circle: Circle, one: str, other: str, stays: str, only: frozenset[str] | None = None) -> tuple[Move, ...]:
    """Give the moves that make two persons one: ``stays`` if it is one of the two, else the one that is shown first."""
    ones, others = circle.family(one), circle.family(other)
    if ones[0].person == others[0].person:
        return ()
    if stays not in {ones[0].person, others[0].person}:
        stays = min((*ones, *others), key=survivorship).person
    goes = others if ones[0].person == stays else ones
    return tuple(Move(i.id, i.person, stays) for i in goes if only is None or i.id in only)


# -- undoing -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Undoing:
    """What undoing a decision does.

    Attributes:
        circle: as it is afterwards.
        decision: the decision, undone.
        changed: later decisions whose moves begin elsewhere now.
        stays: records that admissions has moved since: they stay.
        joined: records that came to the person since, and stay too.

    """

    circle: Circle
    decision: Decision
    changed: tuple[Decision, ...]
    stays: tuple[str, ...]
    joined: tuple[str, ...]


def undone(circle: Circle, number: int, by: str, at: datetime, reason: str) -> Undoing:
    """Give what is as if a decision had never been taken; a proposed one is withdrawn.

    Raises:
        ResourceNotFound: there is no such decision.
        StateConflict: it is undone already, or what it parted would meet what a later decision keeps apart.

    """
    decision = circle.decision(number)
    if decision.standing is Standing.UNDONE:
        raise StateConflict("the decision is undone already")
    gone = replace(decision, standing=Standing.UNDONE, undone_by=by, undone_at=at, undone_for=reason)
    if decision.standing is Standing.PROPOSED:
        return Undoing(circle.decided(gone), gone, (), (), ())
    later = [d for d in circle.in_force if d.number >= number]
    stays = _moved_since(circle, later)
    after = circle.moved(_back(later, stays))
    changed = []
    for each in later[1:]:
        moves = _again(after, each, stays)
        after = after.moved(m for m in moves if m.identity not in stays)
        if moves != each.moves:
            changed.append(replace(each, moves=moves))
    after = after.decided(gone, *changed)
    _require_possible(circle, after)
    return Undoing(after, gone, tuple(changed), tuple(sorted(stays)), _came_since(circle, decision))


def _moved_since(circle: Circle, decisions: Sequence[Decision]) -> frozenset[str]:
    """Name the records that something else than these decisions has moved since the first of them."""
    last: dict[str, str] = {}
    elsewhere = set()
    for move in (m for d in decisions for m in d.moves):
        if last.setdefault(move.identity, move.before) != move.before:
            elsewhere.add(move.identity)
        last[move.identity] = move.after
    return frozenset(elsewhere | {i for i, person in last.items() if circle.identities[i].person != person})


def _back(decisions: Sequence[Decision], stays: frozenset[str]) -> list[Move]:
    """Give the moves back to where each record was before the first decision that moved it."""
    first: dict[str, Move] = {}
    for move in (m for d in decisions for m in d.moves if m.identity not in stays):
        first.setdefault(move.identity, Move(move.identity, move.after, move.before))
    return list(first.values())


def _again(circle: Circle, decision: Decision, stays: frozenset[str]) -> tuple[Move, ...]:
    """Give the moves of a decision anew; those of what admissions has moved since are kept as they were."""
    kept = tuple(m for m in decision.moves if m.identity in stays)
    free = frozenset(decision.prints) - stays
    if decision.kind is DecisionKind.UNLINK:
        before = circle.record(decision.one).person
        fresh = (Move(m.identity, before, m.after) for m in decision.moves if m.identity in free)
        return (*kept, *fresh)
    if decision.kind is DecisionKind.LINK:
        after = next((m.after for m in decision.moves), "")
        return (*kept, *_joined(circle, decision.one, decision.other, after, free))
    return decision.moves


def _require_possible(before: Circle, after: Circle) -> None:
    """What an undo joins must not be kept apart by a decision since, nor be two numbers of one domain."""
    for one, other in combinations(after.identities.values(), 2):
        joined = one.person == other.person and before.record(one.id).person != before.record(other.id).person
        if joined and (apart(one, other) or _numbers_of_one_domain(one, other)):
            raise StateConflict("a later decision keeps apart what this would join: undo that one first")


def _came_since(circle: Circle, decision: Decision) -> tuple[str, ...]:
    """Name the records that have come to the persons whom a decision joined, and that it has not seen."""
    persons = {move.after for move in decision.moves} if decision.kind is DecisionKind.LINK else set()
    came = (i.id for i in circle.identities.values() if i.person in persons and i.id not in decision.prints)
    return tuple(sorted(came))
