"""What is as if a decision on identities had never been taken.

Undoing one leaves what would be had it never been taken: what later decisions moved is put back and moved anew without
it. What admissions has moved since stays where admissions put it, and what admissions did on request is not undone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations

from gateway.decision import Circle, Decision, DecisionKind, Move, Standing, joined, left_by, numbers_of_one_domain
from gateway.errors import StateConflict
from gateway.identity import apart, disagreements


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


def undone(circle: Circle, number: int, by: str, at: datetime, reason: str, *, second: str = "") -> Undoing:
    """Give what is as if a decision had never been taken; a proposed one is withdrawn.

    Raises:
        ResourceNotFound: there is no such decision.
        StateConflict: it is undone already, admissions has done what it requested, or what it parted would meet what a
            later decision keeps apart.

    """
    decision = circle.decision(number)
    _require_undoable(circle, decision)
    gone = replace(decision, standing=Standing.UNDONE, undone_by=by, undone_at=at, undone_for=reason)
    gone = replace(gone, undone_second=second)
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


def _require_undoable(circle: Circle, decision: Decision) -> None:
    if decision.standing is Standing.UNDONE:
        raise StateConflict("the decision is undone already")
    if circle.is_followed(decision):
        raise StateConflict("admissions has done what was requested: it alone takes that back")
    if decision.kind is DecisionKind.UNDO and decision.standing is Standing.IN_FORCE:
        raise StateConflict("an undo is not undone: decide anew")


def undo_needs_second(before: Circle, undoing: Undoing, told: Collection[str]) -> bool:
    """Whether undoing a decision needs the second person whom its effect, decided directly, would need.

    Args:
        before: as it was.
        undoing: what undoing does.
        told: records of whose items others have been told.

    """
    if undoing.decision.kind in {DecisionKind.FREEZE, DecisionKind.LIFT}:
        return before.decision(undoing.decision.number).standing is Standing.IN_FORCE
    after = undoing.circle.identities
    leaving = {i.id for i in before.identities.values() if after[i.id].person != i.person}
    for one, other in combinations(before.identities.values(), 2):
        was, is_now = one.person == other.person, after[one.id].person == after[other.id].person
        if was and not is_now and {one.id, other.id} & left_by(before.family(one.id), leaving) & {*told}:
            return True
        if is_now and not was and not (one.retired or other.retired) and disagreements(one.patient, other.patient):
            return True
    return False


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
        return (*kept, *joined(circle, decision.one, decision.other, after, free))
    return decision.moves


def _require_possible(before: Circle, after: Circle) -> None:
    """What an undo joins must not be kept apart by a decision since, nor be two numbers of one domain."""
    for one, other in combinations(after.identities.values(), 2):
        joined = one.person == other.person and before.record(one.id).person != before.record(other.id).person
        if joined and (one.frozen or other.frozen or apart(one, other) or numbers_of_one_domain(one, other)):
            raise StateConflict("a later decision keeps apart what this would join: undo that one first")


def _came_since(circle: Circle, decision: Decision) -> tuple[str, ...]:
    """Name the records that have come to the persons whom a decision joined, and that it has not seen."""
    persons = {move.after for move in decision.moves} if decision.kind is DecisionKind.LINK else set()
    came = (i.id for i in circle.identities.values() if i.person in persons and i.id not in decision.prints)
    return tuple(sorted(came))
