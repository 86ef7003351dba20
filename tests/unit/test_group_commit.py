"""Receptions share commits; a store that answers late, or not at all, holds up nobody."""

import asyncio
import threading
from datetime import UTC, datetime

import pytest

from adapters import intake
from adapters.intake import GroupCommit
from gateway.errors import AckCode, StorageUnavailable
from gateway.reception import Format, Reception, Recorded, State, Transport


def reception(name):
    """One reception, with its name for bytes."""
    at = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
    return Reception(name, Transport.MLLP, Format.HL7V2, "adm", "", "ADT^A01", at, "adm")


class SlowStore:
    """A store that commits once it is let go on."""

    def __init__(self):
        self.goes_on = threading.Event()
        self.groups = []

    def commit(self, receptions):
        """Keep a group, when the time has come."""
        assert self.goes_on.wait(30)
        self.groups.append([r.raw for r in receptions])
        return [Recorded(n, State.PENDING, AckCode.AA, r.raw) for n, r in enumerate(receptions, 1)]


async def test_a_store_that_does_not_answer_promises_nothing_and_goes_on_when_it_does(monkeypatch):
    """Who waits for the commit, and who waits behind it, are both told; nothing that was refused is committed later."""
    monkeypatch.setattr(intake, "STORE_SECONDS", 0.1)
    store = SlowStore()
    group = GroupCommit(store.commit)
    group.start()
    first = group.submit(reception(b"first"))
    await asyncio.sleep(0.05)
    behind = group.submit(reception(b"behind"))
    for each in (first, behind):
        with pytest.raises(StorageUnavailable):
            await asyncio.wait_for(each, 5)
    store.goes_on.set()
    again = await asyncio.wait_for(group.record(reception(b"again")), 5)
    await group.stop()
    assert again.answer == b"again"
    assert store.groups == [[b"first"], [b"again"]]


async def test_what_arrives_during_a_commit_shares_the_next():
    """One commit is under way at a time, and the next one takes all that came meanwhile."""
    store = SlowStore()
    group = GroupCommit(store.commit)
    group.start()
    first = group.submit(reception(b"1"))
    await asyncio.sleep(0.05)
    others = [group.submit(reception(name)) for name in (b"2", b"3", b"4")]
    store.goes_on.set()
    answers = await asyncio.gather(first, *others)
    await group.stop()
    assert [recorded.answer for recorded in answers] == [b"1", b"2", b"3", b"4"]
    assert store.groups == [[b"1"], [b"2", b"3", b"4"]]
