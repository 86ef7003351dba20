"""Application acknowledgments told at an address of their source's own: in order, at least once, whoever is away.

The peer takes each by an accept acknowledgment (2.5.1 §2.9.3): until it has, the same is told again under the same
control ID. One source's peer that is away holds up no other's.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import structlog

from adapters.due_acknowledgments import application_acknowledgment
from adapters.mllp.client import Client, PeerUnavailable
from adapters.mllp.tls import TlsFiles, sender_context
from adapters.store.database import SessionLock
from adapters.store.replies import ReplyDue, StoredReplies
from gateway import er7
from gateway.errors import POSITIVE, AckCode, ConfigurationError, GatewayError, TroubleError
from gateway.site import ReplyAddress, Site, Source
from mappings.hl7v2 import examine

log = structlog.get_logger()

REPLIES_LOCK = 0x4E91
AT_ONCE = 50
"""Messages read from the store at a time, at most."""

LOOK_SECONDS = 0.5
"""Between two looks at what is due; also at whose turn it is."""

ANSWER_SECONDS = 20.0
BACKOFF_SECONDS = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Waits while the peer takes nothing; the last one repeats."""

MOST_REFUSALS = 5
"""So many times the peer may say that it cannot take one (CE, AE) before that one is given up; CR and AR are final."""


class Replies:
    """Tells what is due to every source that has an address of its own, while it is this process's turn.

    Args:
        site: the establishment.
        store: what is due.
        lock: held by the one process that tells.

    Raises:
        ConfigurationError: a source's TLS files are missing or wrong.

    """

    def __init__(self, site: Site, store: StoredReplies, lock: SessionLock) -> None:
        self._lock = lock
        self._turn = False
        self._stopping = asyncio.Event()
        sources = [source for source in site.sources if source.reply_to is not None]
        self._tellers = [_Teller(site, source, store, self._stopping) for source in sources]

    async def run(self) -> None:
        """Tell what is due until told to stop."""
        if not self._tellers:
            return
        async with asyncio.TaskGroup() as telling:
            for teller in self._tellers:
                telling.create_task(teller.run(lambda: self._turn))
            while not self._stopping.is_set():
                self._turn = await self._mine()
                await _pause(self._stopping, LOOK_SECONDS)
        await asyncio.to_thread(self._lock.release)

    async def stop(self) -> None:
        """Let what is under way be answered, and end."""
        self._stopping.set()

    async def _mine(self) -> bool:
        with suppress(TroubleError):
            return await asyncio.to_thread(self._lock.hold)
        return False


class _Teller:
    """Tells one source's peer; after a failure it waits for its time, and the others go on."""

    def __init__(self, site: Site, source: Source, store: StoredReplies, stopping: asyncio.Event) -> None:
        assert source.reply_to is not None
        self._site, self._source, self._store, self._stopping = site, source, store, stopping
        self._address = source.reply_to
        self._client = _client(self._address)
        self._failures = 0
        self._refusals = 0

    async def run(self, turn: Callable[[], bool]) -> None:
        """Tell what is due while it is our turn, until told to stop."""
        while not self._stopping.is_set():
            wait = await self._tell() if turn() else LOOK_SECONDS
            await _pause(self._stopping, wait)
        await self._client.close()

    async def _tell(self) -> float:
        """Tell what is due now; give in how many seconds to look again."""
        try:
            while not self._stopping.is_set() and await self._tell_some():
                pass
        except TroubleError as trouble:
            self._failures += 1
            wait = BACKOFF_SECONDS[min(self._failures, len(BACKOFF_SECONDS)) - 1]
            log.warning("reply.not-taken", source=self._source.id, rule=trouble.rule, again_in=wait)
            await self._begin_anew()
            return wait
        return LOOK_SECONDS

    async def _begin_anew(self) -> None:
        """The next attempt is on a connection of its own, with the TLS files as they are by then."""
        await self._client.close()
        with suppress(ConfigurationError):  # the ones before may still do; what is wrong shows as a peer that is away
            self._client = _client(self._address)

    async def _tell_some(self) -> bool:
        """Tell a bounded number, in order; give whether there may be more."""
        due = await asyncio.to_thread(self._store.due, self._source.id, AT_ONCE)
        done: list[int] = []
        try:
            for each in due:
                if self._stopping.is_set():
                    break
                await self._tell_one(each)
                done.append(each.message)
                self._failures = self._refusals = 0
        finally:
            if done:
                await asyncio.to_thread(self._store.told, done)
        return bool(due)

    async def _tell_one(self, due: ReplyDue) -> None:
        """Return when the peer has taken it, wants none such, or it is given up.

        Raises:
            TroubleError: the peer did not take it now.

        """
        control_id = f"A{due.message}"
        answer = await asyncio.to_thread(self._answer, due, control_id)
        if not answer:
            return
        code = _accepted(await self._client.send(answer, ANSWER_SECONDS), control_id)
        if code in POSITIVE:
            log.info("reply.told", message=due.message, source=self._source.id, state=due.outcome.state.value)
            return
        self._refusals += 1
        if code in {AckCode.CE, AckCode.AE} and self._refusals < MOST_REFUSALS:
            raise PeerUnavailable(f"the receiver answered {code}")
        log.error("reply.refused", message=due.message, source=self._source.id, answer=code)

    def _answer(self, due: ReplyDue, control_id: str) -> bytes:
        """Give what is told; empty where the sender wants none such, or its message was purged."""
        if due.raw is None:
            log.error("reply.given-up", message=due.message, source=self._source.id, rule="the message was purged")
            return b""
        examination = examine(due.raw, self._site).header_alone()
        now = datetime.now(UTC)
        return application_acknowledgment(
            examination, due.outcome, site=self._site, now=now, control_id=control_id, answered=True
        )


def _client(address: ReplyAddress) -> Client:
    """Give what tells the peer.

    Raises:
        ConfigurationError: a TLS file is missing or wrong.

    """
    certificate, key, authorities = (
        Path(name) if name else None for name in (address.certificate, address.key, address.authorities)
    )
    context = sender_context(TlsFiles(certificate, key, authorities)) if address.tls else None
    return Client(address.host, address.port, ssl=context, server_hostname=address.name or None)


def _accepted(answer: bytes, control_id: str) -> AckCode:
    """Give what a peer answered.

    Raises:
        PeerUnavailable: it is no acknowledgment of what was told.

    """
    try:
        message = er7.read(answer)
        code, of = message.text("MSA-1").strip().upper(), message.text("MSA-2").strip()
    except GatewayError:
        code, of = "", ""
    if of != control_id or code not in set(AckCode):
        raise PeerUnavailable("the receiver's answer acknowledges something else")
    return AckCode(code)


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
