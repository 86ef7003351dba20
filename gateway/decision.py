"""What people decide of identities: who is one person and who is not, what is frozen, and what others are asked.

A decision moves pointers and keeps where each was, so that it can be undone (gateway/undo.py).
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from gateway.errors import ResourceNotFound, StateConflict
from gateway.identity import Identity, Request, Ruling, apart, disagreements, fingerprint, settled, survivorship
from gateway.naming import PROVISIONAL_AUTHORITY


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
    REQUEST_FLAG = "request-flag"
    """Admissions is to mark an identity as homonyme or douteuse (RNIV 1, EXI SI 09: only the référentiel sets it)."""
    FREEZE = "freeze"
    """A record may be two people's (« collision : gel »): nothing of it is joined, printed or sent by us."""
    LIFT = "lift"
    """A frozen record is one person's after all."""
    ASK = "ask-information"
    """A secretariat is to say what it knows; the question stays open, and waits for it."""
    UNDO = "undo"
    """Another decision is undone: only where what follows needs a second person."""


OF_TWO = frozenset({DecisionKind.LINK, DecisionKind.NOT_SAME, DecisionKind.REQUEST_MERGE})
"""Decisions on two records; any other is on one."""

MOST_FURTHER = 50
"""Records of which one act decides beside two."""

REQUESTS = frozenset({DecisionKind.REQUEST_MERGE, DecisionKind.REQUEST_FLAG})
"""Kinds by which admissions is asked to do something, and which end when it has."""


class Flag(StrEnum):
    """Attributes of an identity that admissions may be asked to set (RNIV 1 §3.2.1, HL7 table 0445-FR)."""

    HOMONYM = "HOMA"
    DOUBTFUL = "DOUT"


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
        other: the other record; empty where only one is decided on.
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
        undone_second: who approved that, where a second person was needed.
        subject: the attribute that admissions is to set, or the secretariat that is asked.
        undoes: number of the decision that this one is to undo.
        further: the records beside the other one that are not its person either, by one act.

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
    undone_second: str = ""
    subject: str = ""
    undoes: int = 0
    further: tuple[str, ...] = ()


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
    def version(self) -> str:
        """What changes whenever a decision on these records would be one on other facts."""
        records = (
            (i.id, i.person, i.retired, i.frozen, i.patient.status, fingerprint(i.patient))
            for i in self.identities.values()
        )
        said = [*sorted(records), *sorted((d.number, d.standing) for d in self.decisions)]
        return hashlib.blake2b(repr(said).encode(), digest_size=12).hexdigest()

    @property
    def latest(self) -> Decision | None:
        """The decision that was taken or undone last; None if there is none."""
        return max(self.decisions, key=lambda d: d.undone_at or d.at, default=None)

    @property
    def in_force(self) -> list[Decision]:
        """The decisions that count, in order."""
        return [d for d in self.decisions if d.standing is Standing.IN_FORCE]

    def moved(self, moves: Iterable[Move]) -> "Circle":
        """Give the circle with records moved."""
        after = {m.identity: replace(self.identities[m.identity], person=m.after) for m in moves}
        return replace(self, identities={**self.identities, **after})

    def decided(self, *decisions: Decision) -> "Circle":
        """Give the circle with these decisions in place of those of their numbers, and what follows for its records."""
        own = {d.number: d for d in (*self.decisions, *decisions)}
        ordered = tuple(own[number] for number in sorted(own))
        new = {d.number for d in decisions} - {d.number for d in self.in_force}
        circle = replace(self, decisions=ordered)
        ruled, frozen = _ruled(self.identities, circle.in_force), _frozen(circle.in_force)
        after = {
            i: replace(record, frozen=i in frozen, requests=_requests(record, circle.in_force, new))
            for i, record in ruled.items()
        }
        return replace(circle, identities=after)

    def is_followed(self, decision: Decision) -> bool:
        """Whether admissions has done what a decision in force requested of it."""
        if decision.standing is not Standing.IN_FORCE or decision.kind not in REQUESTS:
            return False
        named = [i for i in (decision.one, decision.other) if i]
        return any(all(r.decision != decision.number for r in self.record(i).requests) for i in named)


def _frozen(decisions: Iterable[Decision]) -> set[str]:
    """Name the records that decisions in force leave frozen; a later one goes before an earlier one."""
    frozen: set[str] = set()
    for decision in decisions:
        if decision.kind is DecisionKind.FREEZE:
            frozen.add(decision.one)
        elif decision.kind is DecisionKind.LIFT:
            frozen.discard(decision.one)
    return frozen


def _requests(record: Identity, decisions: Iterable[Decision], new: Collection[int]) -> tuple[Request, ...]:
    """Give what admissions is still to do with a record: what it has done was taken from the record then."""
    waits = {r.decision for r in record.requests} | {*new}
    asked = (d for d in decisions if d.number in waits and d.kind in REQUESTS and record.id in {d.one, d.other})
    return tuple(Request(d.number, d.other if d.one == record.id else d.one, d.subject) for d in asked)


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
    _require_fitting(asked)
    match asked.kind:
        case DecisionKind.LINK:
            return _link(circle, asked)
        case DecisionKind.NOT_SAME:
            return _not_same(circle, asked)
        case DecisionKind.UNLINK:
            return _unlink(circle, asked, fresh)
        case DecisionKind.REQUEST_MERGE:
            return _request_merge(circle, asked)
        case _:
            return _of_one(circle, asked)


def needs_second(circle: Circle, decision: Decision, told: Collection[str]) -> bool:
    """Whether a decision, with all that it does, is proposed until a second person approves it.

    A link against a strict trait, a record that leaves after others were told of what it concerns, a collision, and
    what is decided of many records at once.

    Args:
        circle: as it was.
        decision: the decision.
        told: records of whose items others have been told.

    """
    if decision.kind in {DecisionKind.FREEZE, DecisionKind.LIFT}:
        return True
    if decision.kind is DecisionKind.UNLINK:
        return not left_by(circle.family(decision.one), {m.identity for m in decision.moves}).isdisjoint(told)
    return bool(decision.discordant or decision.further)


def left_by(family: Sequence[Identity], leaving: Collection[str]) -> set[str]:
    """Name the records of a person that are shown as somebody else once some of them leave.

    Those themselves; all of them, if the one leaves as which the person was shown.
    """
    shown = min(family, key=survivorship).id
    return {record.id for record in family} if shown in leaving else {*leaving}


def enacted(circle: Circle, decision: Decision) -> Circle:
    """Give the circle once a decision is in force."""
    return circle.moved(decision.moves).decided(decision)


def _require_fitting(asked: Decision) -> None:
    """What a kind of decision has no use for is not kept with it."""
    if asked.other and asked.kind not in OF_TWO:
        raise StateConflict("one record is expected")
    if asked.subject and asked.kind not in {DecisionKind.REQUEST_FLAG, DecisionKind.ASK}:
        raise StateConflict("neither a flag nor a secretariat belongs to this decision")
    if asked.further and (asked.kind is not DecisionKind.NOT_SAME or len(asked.further) > MOST_FURTHER):
        raise StateConflict(f"at most {MOST_FURTHER} further records are expected, and of not-same alone")


def _link(circle: Circle, asked: Decision) -> Decision:
    """All of one person become the other's; whom admissions vouches for stays."""
    _require_in_force(circle, asked)
    ones, others = circle.family(asked.one), circle.family(asked.other)
    if ones == others:
        raise StateConflict("the two are one person already")
    pairs = [(a, b) for a in ones for b in others]
    if any(numbers_of_one_domain(a, b) for a, b in pairs):
        raise StateConflict("two numbers in force of one domain are merged by admissions alone: request a merge")
    if any(apart(a, b) for a, b in pairs):
        raise StateConflict("it is decided that they are not the same: undo that decision first")
    if any(record.frozen for record in (*ones, *others)):
        raise StateConflict("one of them is frozen, so nobody is joined with it: lift that first")
    told = [disagreements(a.patient, b.patient) for a, b in pairs if not (a.retired or b.retired)]
    discordant = tuple(dict.fromkeys(trait for traits in told for trait in traits))
    moves = joined(circle, asked.one, asked.other, "")
    ruled = tuple((a.id, b.id) for a, b in pairs)
    return replace(asked, discordant=discordant, moves=moves, pairs=ruled, prints=_prints(*ones, *others))


def _not_same(circle: Circle, asked: Decision) -> Decision:
    one, others = circle.record(asked.one), (asked.other, *asked.further)
    if len({asked.one, *others}) <= len(others):
        raise StateConflict("records are expected, each once")
    for other in map(circle.record, others):
        _require_in_force(circle, replace(asked, other=other.id))
        if one.person == other.person:
            raise StateConflict("the two are one person: unlink the one that is not")
        if apart(one, other) and settled(one, other):
            raise StateConflict("it is decided already that they are not the same")
    return replace(asked, pairs=tuple((one.id, o) for o in others), prints=_prints(one, *map(circle.record, others)))


def _unlink(circle: Circle, asked: Decision, fresh: str) -> Decision:
    one, former = circle.record(asked.one), circle.family(asked.one)
    if len(former) == 1:
        raise StateConflict("the record is its person's only one")
    pairs = tuple((one.id, other.id) for other in former if other.id != one.id)
    return replace(asked, moves=(Move(one.id, one.person, fresh),), pairs=pairs, prints=_prints(*former))


def _request_merge(circle: Circle, asked: Decision) -> Decision:
    _require_in_force(circle, asked)
    one, other = circle.record(asked.one), circle.record(asked.other)
    if not numbers_of_one_domain(one, other):
        raise StateConflict("a merge is requested for two numbers of one domain; others are linked")
    if any(r.other == other.id for r in one.requests):
        raise StateConflict("this merge is requested already")
    return replace(asked, prints=_prints(one, other))


def _of_one(circle: Circle, asked: Decision) -> Decision:
    """A decision that moves nothing, on a record alone."""
    if asked.kind is DecisionKind.UNDO:
        raise StateConflict("what is undone is named by its number")
    if asked.kind is DecisionKind.REQUEST_FLAG:
        _require_flag(circle, asked)
    elif asked.kind is not DecisionKind.ASK:
        _require_freezable(circle, asked)
    return replace(asked, prints=_prints(circle.record(asked.one)))


def _require_flag(circle: Circle, asked: Decision) -> None:
    """We never set an attribute: the référentiel does, and DOUT takes a higher status and the INS away there."""
    one = circle.record(asked.one)
    if asked.subject not in set(Flag):
        raise StateConflict(f"one of {', '.join(Flag)} is expected")
    if one.retired or not one.authoritative:
        raise StateConflict("a flag is requested for a number in force of admissions")
    if asked.subject in one.patient.attributes or any(r.attribute == asked.subject for r in one.requests):
        raise StateConflict("the identity has this flag, or it is requested already")
    if asked.subject == Flag.DOUBTFUL and "FICT" in one.patient.attributes:
        raise StateConflict("a fictive identity is never a doubtful one (EXI SI 09)")


def _require_freezable(circle: Circle, asked: Decision) -> None:
    one = circle.record(asked.one)
    if one.retired and asked.kind is DecisionKind.FREEZE:
        raise StateConflict("admissions has retired this number: name the one into which it was merged")
    if one.frozen is (asked.kind is DecisionKind.FREEZE):
        raise StateConflict("the record is frozen already" if one.frozen else "the record is not frozen")


def _require_in_force(circle: Circle, asked: Decision) -> None:
    """A number that admissions has retired takes nothing and gives nothing: its survivor is named instead."""
    if asked.one == asked.other:
        raise StateConflict("two records are expected")
    if any(circle.record(identity).retired for identity in (asked.one, asked.other)):
        raise StateConflict("admissions has retired this number: name the one into which it was merged")


def numbers_of_one_domain(one: Identity, other: Identity) -> bool:
    """Whether two records are numbers in force of one domain of the outside world."""
    same = one.key.authority == other.key.authority != PROVISIONAL_AUTHORITY
    return same and one.id != other.id and not one.retired and not other.retired


def _prints(*records: Identity) -> dict[str, str]:
    return {record.id: fingerprint(record.patient) for record in records}


def joined(circle: Circle, one: str, other: str, stays: str, only: frozenset[str] | None = None) -> tuple[Move, ...]:
    """Give the moves that make two persons one: ``stays`` if it is one of the two, else the one that is shown first."""
    ones, others = circle.family(one), circle.family(other)
    if ones[0].person == others[0].person:
        return ()
    if stays not in {ones[0].person, others[0].person}:
        stays = min((*ones, *others), key=survivorship).person
    goes = others if ones[0].person == stays else ones
    return tuple(Move(i.id, i.person, stays) for i in goes if only is None or i.id in only)
