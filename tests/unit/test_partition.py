"""Partitions: what shares an identifier is processed in its order, and what does not waits for nobody."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from gateway.partition import EVERY_PARTITION, PARTITIONS, due, numbers_of, partitions_of, wanted


@dataclass(frozen=True)
class Waiting:
    """A message that waits."""

    number: int
    partitions: int


def line(*partitions):
    """Give messages in order of reception."""
    return [Waiting(number, each) for number, each in enumerate(partitions)]


SETS = st.sets(st.integers(0, 5), min_size=1, max_size=3).map(lambda numbers: sum(1 << n for n in numbers))
LINES = st.lists(SETS, max_size=12).map(lambda sets: line(*sets))


@given(st.lists(st.text(), max_size=5), st.lists(st.text(), max_size=5))
def test_messages_that_share_an_identifier_share_a_partition(one, other):
    """Whatever else each names, and in whatever order."""
    if set(one) & set(other):
        assert partitions_of(one) & partitions_of(other)
    assert partitions_of(one + other) == partitions_of(other + one)


@given(st.lists(st.text(), max_size=5))
def test_a_set_of_partitions_is_a_positive_integer_of_the_stores(subjects):
    """It is never empty, and fits a signed column of 64 bits."""
    found = partitions_of(subjects)
    assert 0 < found <= EVERY_PARTITION < 1 << 63
    assert sum(1 << n for n in numbers_of(found)) == found


def test_identifiers_spread():
    """Many patients use every partition, so that many workers find work."""
    used = 0
    for n in range(2_000):
        used |= partitions_of([f"8{n:06}"])
    assert used == EVERY_PARTITION
    assert numbers_of(used) == list(range(PARTITIONS))


def test_text_that_is_no_text_has_a_partition():
    """Lone surrogates come from bytes that no character set explains."""
    assert partitions_of(["\udce9"]) > 0


def test_the_partitions_of_the_oldest_are_wanted_first():
    """Each once, and all of a message's."""
    assert wanted(line(0b1000, 0b0011, 0b1001, 0b0100)) == [3, 0, 1, 2]
    assert wanted([]) == []
    assert wanted(line(EVERY_PARTITION, 1)) == list(range(PARTITIONS))


@given(LINES, st.integers(0, 63))
def test_none_is_processed_before_an_older_one_of_the_same_partition(waiting, held):
    """Of what is due, every older message that shares a partition is due as well; and all its partitions are held."""
    taken = list(due(waiting, held))
    for message in taken:
        assert not message.partitions & ~held
        older = [m for m in waiting if m.number < message.number and m.partitions & message.partitions]
        assert all(m in taken for m in older)
    assert taken == sorted(taken, key=lambda m: m.number)


@given(LINES)
def test_whoever_holds_everything_has_everything_due(waiting):
    """One worker alone takes the line as it is."""
    assert list(due(waiting, EVERY_PARTITION)) == waiting


@given(LINES, st.integers(0, 63))
def test_what_is_held_back_waits_for_a_reason(waiting, held):
    """A message that is not due lacks a partition, or stands behind one that does."""
    taken = set(due(waiting, held))
    blocked = ~held
    for message in waiting:
        if message not in taken:
            assert message.partitions & blocked
            blocked |= message.partitions


def test_a_message_of_two_patients_holds_up_both():
    """An A40 whose second patient somebody else has: nothing of its first patient's passes it."""
    waiting = line(0b01, 0b11, 0b01, 0b10)
    assert [m.number for m in due(waiting, held=0b01)] == [0]
    assert [m.number for m in due(waiting, held=0b10)] == []
    assert [m.number for m in due(waiting, held=0b11)] == [0, 1, 2, 3]
