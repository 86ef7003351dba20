"""Whoever changes, removes, inserts or reorders a sealed event breaks the chain at that place."""

from collections.abc import Callable
from dataclasses import astuple, replace
from datetime import timedelta, timezone
from itertools import pairwise

import pytest
from facts import MORNING, at

from gateway.audit import GENESIS, AuditAction, AuditEvent, Break, Seal, canonical, fingerprint, seal
from gateway.checkpoint import KeyRing
from gateway.verification import Link, Verification, Witness, verify

LENGTH = 6
Log = dict[int, AuditEvent]


def event(number: int, **changes: object) -> AuditEvent:
    """Give an event that fills every field."""
    made = AuditEvent(
        at(number),
        AuditAction.ITEM_CREATED,
        "gateway",
        (f"identity-{number}",),
        100 + number,
        (f"item/{number}",),
        f"M{number}",
        {"kind": "result", "version": number, "vouched": True},
        number,
    )
    return replace(made, **changes)


def written(length: int = LENGTH) -> tuple[Log, list[Seal]]:
    """Give a log and its seals."""
    log = {n: event(n) for n in range(1, length + 1)}
    seals, digest = [], GENESIS
    for number, each in log.items():
        digest = seal(digest, fingerprint(canonical(each)))
        seals.append(Seal(number, number, digest))
    return log, seals


def verified(log: Log, seals: list[Seal]) -> Break | None:
    """Verify as the store does."""
    return found(log, seals).first_bad


def found(log: Log, seals: list[Seal], unsealed: int = 0) -> Verification:
    """Verify against no checkpoint."""
    return verify(lambda: links(log, seals), Witness(KeyRing([], lambda *_: False)), len(log), unsealed)


def links(log: Log, seals: list[Seal]) -> list[Link]:
    """Give the links by sequence, each seal with the form of the event it names."""
    ordered = sorted(seals, key=lambda s: s.sequence)
    return [Link(*astuple(s), canonical(log[s.event]) if s.event in log else None) for s in ordered]


PLACES = range(1, LENGTH + 1)


def test_an_untouched_chain_holds():
    """What was sealed verifies, with its counts; so does nothing at all."""
    log, seals = written()
    whole = found(log, seals)
    assert (whole.ok, whole.events, whole.sealed) == (True, LENGTH, LENGTH)
    assert found({}, []).ok


CHANGES = {
    "at": MORNING,
    "action": AuditAction.ITEM_UPDATED,
    "principal": "somebody",
    "patients": ("identity-0",),
    "message": None,
    "entities": (),
    "correlation": "",
    "detail": {"kind": "result", "version": 0, "vouched": True},
    "id": 99,
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_field_is_found_at_its_place(place: int, name: str):
    """Any field of any event."""
    log, seals = written()
    log[place] = replace(log[place], **{name: CHANGES[name]})
    assert verified(log, seals) == Break(place, place, "event changed")


@pytest.mark.parametrize("place", PLACES)
def test_a_removed_event_is_found_at_its_place(place: int):
    """The first, the last or any other."""
    log, seals = written()
    del log[place]
    assert verified(log, seals) == Break(place, place, "event missing")


@pytest.mark.parametrize("place", PLACES)
def test_a_removed_seal_is_found_at_its_place(place: int):
    """A gap in the chain is named, the cut-off last one included."""
    log, seals = written()
    seals = [s for s in seals if s.sequence != place]
    assert verified(log, seals) == Break(place, None, "seal missing")


@pytest.mark.parametrize("place", PLACES[:-1])
def test_a_seal_removed_with_its_event_is_found_at_its_place(place: int):
    """Removing both leaves a gap, which is named."""
    log, seals = written()
    seals = [s for s in seals if s.sequence != place]
    del log[place]
    assert verified(log, seals) == Break(place, None, "seal missing")


def test_an_event_slipped_in_without_a_seal_is_found():
    """An event that neither waits for the sealer nor has a seal does not belong."""
    log, seals = written()
    log[50] = event(50)
    assert verified(log, seals) == Break(LENGTH + 1, None, "seal missing")


@pytest.mark.parametrize("place", PLACES[:-1])
def test_a_removed_event_whose_seals_were_renumbered_is_found(place: int):
    """Closing the gap moves a later event to a place where its seal does not hold."""
    log, seals = written()
    del log[place]
    seals = [
        replace(s, sequence=s.sequence - (s.sequence > place), event=s.event) for s in seals if s.sequence != place
    ]
    assert verified(log, seals) == Break(place, place + 1, "event changed")


@pytest.mark.parametrize("place", PLACES[:-1])
def test_two_events_in_each_others_place_are_found(place: int):
    """Contents exchanged between two numbers."""
    log, seals = written()
    log[place], log[place + 1] = log[place + 1], log[place]
    assert verified(log, seals) == Break(place, place, "event changed")


@pytest.mark.parametrize("place", PLACES[:-1])
def test_two_seals_in_each_others_place_are_found(place: int):
    """Sealing order is the chain's order."""
    log, seals = written()
    a, b = seals[place - 1], seals[place]
    seals[place - 1], seals[place] = replace(a, sequence=place + 1), replace(b, sequence=place)
    assert verified(log, seals) == Break(place, place + 1, "events reordered")


@pytest.mark.parametrize("place", PLACES)
def test_a_changed_digest_is_found_at_its_place(place: int):
    """A seal that was tampered with is as good as a changed event."""
    log, seals = written()
    seals[place - 1] = replace(seals[place - 1], digest=GENESIS)
    assert verified(log, seals) == Break(place, place, "event changed")


@pytest.mark.parametrize("place", PLACES[:-1])
def test_a_seal_that_names_another_event_is_found(place: int):
    """A seal binds its own event."""
    log, seals = written()
    seals[place - 1] = replace(seals[place - 1], event=place + 1)
    assert verified(log, seals) == Break(place, place + 1, "event changed")


@pytest.mark.parametrize("place", PLACES)
def test_an_inserted_event_is_found_at_its_place(place: int):
    """An event slipped in, sealed after its neighbour: the old seals that follow tell that it was not there."""
    log, seals = written()
    log[50] = event(50)
    before = seals[place - 2].digest if place > 1 else GENESIS
    later = [replace(s, sequence=s.sequence + 1) for s in seals[place - 1 :]]
    forged = [*seals[: place - 1], Seal(place, 50, seal(before, fingerprint(canonical(log[50])))), *later]
    assert verified(log, forged) == Break(place, 50, "event inserted")


def test_a_sequence_that_stands_twice_is_found():
    """Two seals of one place are no chain."""
    log, seals = written()
    assert verified(log, [*seals[:2], replace(seals[2], sequence=2), *seals[3:]]) is not None


def test_verification_stops_at_the_first_break():
    """Of several breaks the first is named, with how many seals held before it."""
    log, seals = written()
    log[3], log[5] = event(3, principal="x"), event(5, principal="x")
    told = found(log, seals)
    assert (told.sealed, told.first_bad) == (2, Break(3, 3, "event changed"))


def test_the_unsealed_window_is_seen_in_the_counts():
    """Events that no seal covers yet are counted beside those that are."""
    log, seals = written()
    whole = found(log, seals[:-1], unsealed=1)
    assert (whole.ok, whole.events, whole.sealed) == (True, LENGTH, LENGTH - 1)


def same(change: Callable[[AuditEvent], AuditEvent]) -> bool:
    """Whether a change leaves the canonical form as it is."""
    return canonical(change(event(1))) == canonical(event(1))


def test_canonical_form_knows_instants_not_zones():
    """The same instant in another time zone, and a detail in another order, are the same event."""
    paris = timezone(timedelta(hours=2))
    assert same(lambda e: replace(e, at=e.at.astimezone(paris)))
    assert same(lambda e: replace(e, detail=dict(reversed(e.detail.items()))))


def test_canonical_form_keeps_types_and_bounds_apart():
    """1, "1" and true differ; so do one text of two parts and two texts."""
    details = ({"n": 1}, {"n": "1"}, {"n": True}, {"n": "true"}, {})
    forms = [canonical(event(1, detail=d)) for d in details]
    forms += [canonical(event(1, patients=p)) for p in (("a", "b"), ("a,b",), ('a","b',), ())]
    assert all(a != b for a, b in pairwise(sorted(forms)))


def test_canonical_form_is_utf8_json_without_blanks():
    """Texts stand as themselves (RFC 8785)."""
    form = canonical(event(1, correlation="é\u0001\u2028", detail={}, patients=(), entities=()))
    assert (
        form
        == (
            '{"action":"gateway:item:created","at":"2026-03-10T08:01:00.000000+00:00","correlation":"é\\u0001\u2028",'
            '"detail":{},"entities":[],"id":1,"message":101,"patients":[],"principal":"gateway"}'
        ).encode()
    )
