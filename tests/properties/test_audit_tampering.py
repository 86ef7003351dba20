"""Whatever is done to an exported log, at whatever place, is found there and named; nothing is found in a whole one.

`make prove` tries twenty places for each kind in a log of 100,000 events; `make test` one in a shorter log.
"""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from adapters.audit_key import Signer, new_signer, verify
from gateway.audit import GENESIS, AuditAction, AuditEvent, Break, Problem, canonical, fingerprint, seal
from gateway.audit_export import Header, entries_of, head_of, line_of, verify_export
from gateway.checkpoint import NOTHING, Checkpoint, KeyStatement, Signed
from gateway.merkle import Tree
from gateway.verification import Blind, Link, Verification

EVERY = 1_300
"""Events under a checkpoint; of the last ones none tells."""
EVENTS = {False: 15_000, True: 100_000}
PLACES = {False: 1, True: 20}
START = datetime(2026, 3, 2, tzinfo=UTC)
LOG = "859ff440-7ae3-4a94-bec7-dcb39d1a8366"


def at(number: int) -> datetime:
    """When an event was."""
    return START + timedelta(seconds=number)


@dataclass
class Log:
    """A log, link by link."""

    forms: list[bytes]
    digests: list[str]
    checkpoints: list[Signed]
    keys: list[KeyStatement]
    events: int

    @property
    def covered(self) -> int:
        """The last event under a checkpoint."""
        return self.events // EVERY * EVERY

    @property
    def header(self) -> Header:
        """What its export says of itself."""
        return Header(LOG, at(self.events + 1), self.events)

    def lines(self) -> list[bytes]:
        """The log's export, before anything was done to it."""
        given = [self.header.line, *(key.line for key in self.keys)]
        over = {signed.checkpoint.last: signed.line for signed in self.checkpoints}
        for sequence, (form, digest) in enumerate(zip(self.forms, self.digests, strict=True), 1):
            given.append(line_of(Link(sequence, None, digest, form)))
            if sequence in over:
                given.append(over[sequence])
        return given


def chained(forms: list[bytes], before: str = GENESIS) -> Iterator[str]:
    """Give the digests of a chain."""
    for form in forms:
        before = seal(before, fingerprint(form))
        yield before


def signed_over(digests: list[str], signers: Callable[[int], Signer]) -> list[Signed]:
    """Give the checkpoints of a chain."""
    made: list[Signed] = []
    for first in range(1, len(digests) - EVERY + 2, EVERY):
        last, number = first + EVERY - 1, len(made) + 1
        root = Tree(map(bytes.fromhex, digests[first - 1 : last])).root().hex()
        signer, previous = signers(number), made[-1].hash if made else NOTHING
        told = (number, LOG, first, EVERY, root, digests[last - 1], at(first), at(last), previous, signer.key, at(last))
        made.append(signer.signed(Checkpoint(*told)))
    return made


def event(number: int) -> bytes:
    """Give an event's form."""
    patients = (f"identity-{number % 977}",)
    detail = {"kind": "résultat", "version": number % 7}
    told = AuditEvent(
        at(number), AuditAction.ITEM_CREATED, "gateway", patients, number, (f"item/{number}",), "C", detail, number + 40
    )
    return canonical(told)


OLD, NEW = new_signer(), new_signer()
ROTATED = 6
"""The checkpoint from which on the second key signs."""


@pytest.fixture(scope="module")
def log(prove) -> Log:
    """The log, as it was written."""
    forms = [event(number) for number in range(1, EVENTS[prove] + 1)]
    digests = list(chained(forms))
    made = signed_over(digests, lambda number: OLD if number < ROTATED else NEW)
    keys = [OLD.statement(LOG, at(0)), NEW.statement(LOG, at((ROTATED - 1) * EVERY), OLD)]
    return Log(forms, digests, made, keys, len(forms))


def examined(lines: list[bytes], outside=(), trusted=(OLD,)) -> Verification:
    """Verify an export with the first public key."""
    keys = {signer.public.hex() for signer in trusted} or None
    return verify_export(lambda: entries_of(lines), head_of(lines), verify, keys, list(outside))


def test_a_whole_log_holds_and_says_what_was_not_checked(log):
    """No false alarm, with and without a key and checkpoints from outside; of the last events none tells."""
    found = examined(log.lines(), log.checkpoints)
    assert (found.first_bad, found.sealed, found.checkpoints) == (None, log.events, len(log.checkpoints))
    assert {each.what: each.count for each in found.unchecked} == {
        Blind.UNCOVERED: log.events - log.covered,
        Blind.OUTSIDE: log.events - log.covered,
    }
    alone = examined(log.lines(), trusted=())
    assert alone.ok
    assert {each.what: each.count for each in alone.unchecked} == {
        Blind.KEY: len(log.checkpoints),
        Blind.OUTSIDE: log.events,
        Blind.UNCOVERED: log.events - log.covered,
    }


def test_checkpoints_made_after_the_export_are_no_cut(log):
    """A sink goes on after an export: what it has seen since is said not to be there."""
    signed = log.checkpoints[-1]
    later = replace(
        signed.checkpoint, number=signed.checkpoint.number + 1, first=log.covered + 1, at=at(log.events + 90)
    )
    found = examined(log.lines(), [*log.checkpoints, NEW.signed(replace(later, previous=signed.hash))])
    assert found.ok
    assert (Blind.LATER, 1) in {(each.what, each.count) for each in found.unchecked}


# -- kinds of tampering ------------------------------------------------------------------------------------------------
#
# Each takes the log and a place, and gives the export's lines and what is to be found.


def _at(log: Log, place: int) -> int:
    """Give the index of a link's line."""
    return len(log.keys) + place + (place - 1) // EVERY


def _renumbered(lines: list[bytes]) -> list[bytes]:
    """Number the links of an export anew, as if nothing lacked or had come."""
    given, sequence = [], 0
    for line in lines:
        if line.startswith(b'{"digest":"'):
            sequence += 1
            head, _, _ = line.rpartition(b',"sequence":')
            given.append(head + b',"sequence":%d}' % sequence)
        else:
            given.append(line)
    return given


def change(log, place):
    lines, here = log.lines(), _at(log, place)
    lines[here] = lines[here].replace(b'"principal":"gateway"', b'"principal":"nobody."')
    return lines, Break(place, place + 40, Problem.EVENT_CHANGED)


def change_an_octet(log, place):
    lines, here = log.lines(), _at(log, place)
    form = bytearray(log.forms[place - 1])
    spot = random.Random(place).randrange(len(form))
    form[spot] ^= 1
    lines[here] = line_of(Link(place, None, log.digests[place - 1], bytes(form)))
    return lines, Break(place, ..., Problem.EVENT_CHANGED)


def change_a_digest(log, place):
    lines, here = log.lines(), _at(log, place)
    lines[here] = lines[here].replace(log.digests[place - 1].encode(), sha256(b"x").hexdigest().encode())
    return lines, Break(place, place + 40, Problem.EVENT_CHANGED)


def remove(log, place):
    lines = log.lines()
    del lines[_at(log, place)]
    return lines, Break(place, None, Problem.EVENT_REMOVED)


def remove_and_renumber(log, place):
    return _renumbered(remove(log, place)[0]), Break(place, None, Problem.EVENT_REMOVED)


def remove_many(log, place):
    lines, here = log.lines(), _at(log, place)
    many = min(EVERY - (place - 1) % EVERY, 40)
    del lines[here : here + many]
    return _renumbered(lines), Break(place, None, Problem.EVENT_REMOVED)


def insert(log, place):
    lines = log.lines()
    forged = event(log.events + place)
    lines.insert(_at(log, place), line_of(Link(place, None, sha256(b"y").hexdigest(), forged)))
    return _renumbered(lines), Break(place, log.events + place + 40, Problem.EVENT_INSERTED)


def insert_in_the_chain(log, place):
    lines, before = log.lines(), log.digests[place - 2] if place > 1 else GENESIS
    forged = [event(log.events + place + n) for n in range(3)]
    lines[_at(log, place) : _at(log, place)] = [
        line_of(Link(place, None, digest, form)) for form, digest in zip(forged, chained(forged, before), strict=True)
    ]
    return _renumbered(lines), Break(place, log.events + place + 40, Problem.EVENT_INSERTED, place + 2)


def insert_a_copy(log, place):
    lines = log.lines()
    other = _at(log, random.Random(place).randrange(1, log.events))
    lines.insert(_at(log, place), lines[other])
    return _renumbered(lines), Break(place, ..., Problem.EVENT_INSERTED)


def exchange(log, place):
    lines, other = log.lines(), _at(log, random.Random(place).randrange(place + 1, log.events + 1))
    here = _at(log, place)
    lines[here], lines[other] = lines[other], lines[here]
    return _renumbered(lines), Break(place, ..., Problem.EVENTS_REORDERED)


def exchange_lines(log, place):
    lines, other = log.lines(), _at(log, random.Random(place).randrange(place + 1, log.events + 1))
    here = _at(log, place)
    lines[here], lines[other] = lines[other], lines[here]
    return lines, Break(place, place + 40, Problem.EVENTS_REORDERED)


def move_back(log, place):
    lines = log.lines()
    lines.insert(_at(log, place), lines.pop(_at(log, random.Random(place).randrange(place + 1, log.events + 1))))
    return _renumbered(lines), Break(place, ..., Problem.EVENTS_REORDERED)


def move_on(log, place):
    lines, other = log.lines(), random.Random(place).randrange(place + 1, log.events + 1)
    lines.insert(_at(log, other), lines.pop(_at(log, place)))
    return _renumbered(lines), Break(place, ..., Problem.EVENTS_REORDERED)


def cut_off(log, place):
    lines = log.lines()[: _at(log, place)]
    return lines, Break(place, None, Problem.TAIL_CUT, log.events)


def cut_off_and_say_so(log, place):
    """The header tells of what is left: only checkpoints from outside know of more."""
    lines = log.lines()[: _at(log, place)]
    lines[0] = replace(log.header, events=place - 1).line
    return lines, Break(place, None, Problem.TAIL_CUT, log.covered)


def garble(log, place):
    lines = log.lines()
    lines[_at(log, place)] = lines[_at(log, place)][:60]
    return lines, Break(place, None, Problem.UNREADABLE)


def _rewritten(log, place, signers=None) -> Log:
    forms = [*log.forms[: place - 1], event(log.events + place), *log.forms[place:]]
    digests = [
        *log.digests[: place - 1],
        *chained(forms[place - 1 :], log.digests[place - 2] if place > 1 else GENESIS),
    ]
    made = signed_over(digests, signers) if signers else log.checkpoints
    return replace(log, forms=forms, digests=digests, checkpoints=made)


def _segment(place: int) -> int:
    return (place - 1) // EVERY * EVERY + 1


def rewrite(log, place):
    """Without the key: the checkpoints stand as they were."""
    first = _segment(place)
    return _rewritten(log, place).lines(), Break(first, None, Problem.REWRITTEN, first + EVERY - 1)


def rewrite_with_the_key(log, place):
    """By who has the database and the key: only checkpoints from outside tell."""
    done = _rewritten(log, place, lambda number: OLD if number < ROTATED else NEW)
    first = _segment(place)
    return done.lines(), Break(first, None, Problem.REWRITTEN, first + EVERY - 1)


def _with_own_key(log, place):
    own = new_signer()
    done = _rewritten(log, place, lambda _: own)
    return replace(done, keys=[own.statement(LOG, at(0))]).lines()


def rewrite_with_a_key_of_ones_own(log, place):
    """Who trusts the true key sees that it has signed nothing of this."""
    return _with_own_key(log, place), Break(1, None, Problem.CHECKPOINT_UNSIGNED, EVERY)


def remove_a_checkpoint(log, place):
    number = (place - 1) // EVERY
    lines = log.lines()
    lines.remove(log.checkpoints[number].line)
    following = number + 1
    if following == len(log.checkpoints):
        return lines, Break(number * EVERY + 1, None, Problem.CHECKPOINT_MISSING, log.covered)
    return lines, Break(following * EVERY + 1, None, Problem.CHECKPOINT_MISSING, (following + 1) * EVERY)


def change_a_checkpoint(log, place):
    number = (place - 1) // EVERY
    lines, line = log.lines(), log.checkpoints[number].line
    told = json.loads(line)
    told["checkpoint"]["root"] = sha256(b"z").hexdigest()
    lines[lines.index(line)] = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    return lines, Break(number * EVERY + 1, None, Problem.CHECKPOINT_UNSIGNED, (number + 1) * EVERY)


KINDS = [
    *(change, change_an_octet, change_a_digest, remove, remove_and_renumber, remove_many, insert, insert_in_the_chain),
    *(insert_a_copy, exchange, exchange_lines, move_back, move_on, cut_off, cut_off_and_say_so, garble, rewrite),
    *(rewrite_with_the_key, rewrite_with_a_key_of_ones_own, remove_a_checkpoint, change_a_checkpoint),
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_was_done_is_found_at_its_place_and_named(log, kind, prove):
    """By the public key, and by the checkpoints that somebody else kept, of any log and at any place."""
    some = random.Random(kind.__name__)
    for _ in range(PLACES[prove]):
        place = some.randrange(1, log.covered)
        lines, expected = kind(log, place)
        bad = examined(lines, log.checkpoints).first_bad
        assert bad is not None, place
        event_found = bad.event if expected.event is ... else expected.event
        assert bad == replace(expected, event=event_found), place


def test_a_rewrite_with_ones_own_key_is_seen_by_who_has_only_checkpoints(log):
    """Without a trusted key as well: the log is not the one that was seen."""
    place = EVERY * 4 + 7
    bad = examined(_with_own_key(log, place), log.checkpoints, trusted=()).first_bad
    assert bad.problem in {Problem.REWRITTEN, Problem.CHECKPOINT_CHANGED}


def test_checkpoints_of_another_log_are_not_this_ones(log):
    """Whoever is given the wrong file is told so."""
    strange = replace(log.checkpoints[0].checkpoint, log="another")
    assert examined(log.lines(), [OLD.signed(strange)]).first_bad.problem is Problem.OTHER_LOG
