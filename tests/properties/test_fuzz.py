"""Mutations of good messages, tried on whatever reads the bytes of a stranger (tests/fuzz.py says what must hold)."""

import fuzz
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SEEDS = fuzz.seeds()
bounded = settings(max_examples=150, deadline=None, database=None)


@st.composite
def mutated(draw) -> bytes:
    """A good message with bytes and tokens put in, taken out, or exchanged, at a few places."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.sampled_from([0, 0, 1, 3, 20, 200]))
        piece = draw(st.sampled_from(fuzz.TOKENS) | st.binary(max_size=3))
        data = data[:at] + piece * draw(st.sampled_from([1, 1, 1, 2, 30])) + data[at + length :]
    return data


@pytest.mark.parametrize("target", fuzz.TARGETS.values(), ids=fuzz.TARGETS)
def test_good_messages_pass_every_target(target):
    """The targets themselves hold for what is as it should be."""
    for seed in SEEDS:
        target(seed)


@pytest.mark.parametrize("target", fuzz.TARGETS.values(), ids=fuzz.TARGETS)
def test_no_mutation_breaks_a_target(target):
    """Nothing is raised but errors of ours, nothing is lost, and every answer can be read."""

    @bounded
    @given(mutated())
    def tried(data):
        target(data)

    tried()
