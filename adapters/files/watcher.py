"""Takes the files of a source's folder in: each is answered and moved once all its messages are on disk (promise P1).

A kill between the commit and the move leaves the file where it is: it is taken again, and its messages are known again
by the inbox as duplicates, with the same answers. Of several processes on one folder, likewise.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import structlog

from adapters.files.folder import Folder, Found, NotTaken, Unsettled
from adapters.files.purge import FolderPurge
from adapters.intake import Group, Hl7Intake
from adapters.mllp.listener import Peer
from gateway.errors import POSITIVE, ConfigurationError, SenderError, TroubleError
from gateway.reception import Reception, Recorded, Transport
from gateway.site import Site, Source
from mappings.hl7v2.batch import File, is_batch, read_file, split

log = structlog.get_logger()

LOOK_SECONDS = 1.0
"""Between two looks into the folder."""
SETTLE_SECONDS = 2.0
"""A file is taken once it has not changed for so long; one that is still empty, for ten times as long."""
EMPTY_FACTOR = 10
TROUBLE_SECONDS = 5.0
"""Pause after trouble of ours, before the file is tried again."""
PURGE_SECONDS = 3_600.0
"""Between two purges of what was done with."""
WINDOW = 64
"""Messages of a file that share commits."""


@dataclass(frozen=True, slots=True)
class _Kept:
    reception: Reception
    recorded: Recorded


class _Noted:
    """Puts receptions in line for the commit, and remembers what became of them."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._submitted: list[tuple[Reception, asyncio.Future[Recorded]]] = []

    def submit(self, reception: Reception) -> "asyncio.Future[Recorded]":
        future = self._group.submit(reception)
        self._submitted.append((reception, future))
        return future

    def take(self) -> list[_Kept]:
        """Give what was kept since the last time, in order."""
        submitted, self._submitted = self._submitted, []
        return [
            _Kept(reception, future.result())
            for reception, future in submitted
            if future.done() and not future.cancelled() and future.exception() is None
        ]


class Watcher:
    """Watches one source's folder.

    Whatever stands in the folder is that source's: a message that names another in MSH-3 is refused.

    Args:
        source: the source; its ``folder`` is an absolute path.
        site: the establishment.
        group: puts receptions on disk.
        recorded: told of each commit, so that the pipeline wakes.
        max_bytes: the largest file that is taken.
        settle_seconds: a file is taken once it has not changed for so long.
        look_seconds: between two looks.
        purge: removes what was done with long ago; None: it stays.

    Raises:
        ConfigurationError: the folder is not there, or cannot be written to.

    """

    def __init__(
        self,
        source: Source,
        site: Site,
        group: Group,
        recorded: Callable[[], None],
        *,
        max_bytes: int,
        settle_seconds: float = SETTLE_SECONDS,
        look_seconds: float = LOOK_SECONDS,
        purge: FolderPurge | None = None,
    ) -> None:
        try:
            self._folder = Folder(Path(source.folder), max_bytes)
        except OSError as error:
            rule = f"a folder that can be written to is expected: {error.strerror}"
            raise ConfigurationError(rule, path=f"sources.toml, folder of {source.id}") from None
        self._noted = _Noted(group)
        narrowed = replace(site, sources=(source,))
        self._intake = Hl7Intake(narrowed, self._noted, recorded, None, Transport.FILE)
        self._purge, self._source, self._next_purge = purge, source.id, 0.0
        self._log = log.bind(source=source.id)
        self._settle_seconds, self._look_seconds = settle_seconds, look_seconds
        self._seen: dict[str, tuple[Found, float]] = {}
        self._numbers = count(1)
        self._away = False
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End once the file in hand is done with."""
        self._stopping.set()

    async def run(self) -> None:
        """Take files in until told to stop."""
        while not self._stopping.is_set():
            pause = self._look_seconds
            try:
                for file in await self._settled():
                    if self._stopping.is_set():
                        break
                    if not await self._take(file):
                        pause = max(pause, TROUBLE_SECONDS)
                        break  # in order: what came later waits for it
                await self._purge_in_time()
                self._away = False
            except OSError as error:
                if not self._away:
                    self._log.warning("folder.trouble", error=type(error).__name__, number=error.errno)
                self._away, pause = True, max(pause, TROUBLE_SECONDS)
            try:
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    async def _purge_in_time(self) -> None:
        """Every hour, what was done with long ago goes; at once again where there was much of it."""
        clock = asyncio.get_running_loop().time
        if self._purge is None or clock() < self._next_purge:
            return
        self._next_purge = clock() + PURGE_SECONDS
        try:
            count = await asyncio.to_thread(self._purge.run, self._folder, self._source, datetime.now(UTC))
        except TroubleError as trouble:
            self._log.warning("folder.not-purged", error=trouble.name)
            return
        if count:
            self._log.info("folder.purged", files=count)
            self._next_purge = clock()

    async def _settled(self) -> list[Found]:
        """Give the files that have not changed for long enough, the oldest first."""
        now = asyncio.get_running_loop().time()
        found = await asyncio.to_thread(self._folder.look)
        before, self._seen = self._seen, {}
        settled = []
        for file in found:
            known, since = before.get(file.name, (None, now))
            self._seen[file.name] = (file, since if known == file else now)
            enough = self._settle_seconds * (1 if file.size else EMPTY_FACTOR)
            if now - self._seen[file.name][1] >= enough:
                settled.append(file)
        return settled

    async def _take(self, file: Found) -> bool:
        """Whether the file is done with; trouble of ours, otherwise."""
        number = next(self._numbers)
        try:
            content = await asyncio.to_thread(self._folder.read, file)
        except Unsettled:
            return True
        except NotTaken as reason:
            self._log.warning("file.refused", file=number, bytes=file.size, rule=str(reason))
            await asyncio.to_thread(self._folder.refuse, file, [str(reason)])
            return True
        batch, messages = await asyncio.to_thread(_contents, content)
        kept = await self._record(messages, number)
        if len(kept) < len(messages):
            self._log.warning("file.waits", file=number, messages=len(messages), kept=len(kept))
            return False
        answers = [_lines(each.recorded.answer) for each in kept]
        answer = self._intake.acknowledge_file(batch, answers) if batch else b"".join(answers)
        if answer:
            await asyncio.to_thread(self._folder.answer, file, answer)
        refused = [*_reasons(kept), *(f"batch: {error.name} {error}" for error in (batch.errors if batch else ()))]
        if refused:
            await asyncio.to_thread(self._folder.refuse, file, refused)
        else:
            await asyncio.to_thread(self._folder.done, file)
        self._log.info("file.taken", file=number, bytes=file.size, messages=len(kept), refused=len(refused))
        return True

    async def _record(self, messages: Sequence[bytes], number: int) -> list[_Kept]:
        """Give the messages that are on disk; those behind one that is not are left."""
        kept: list[_Kept] = []
        peer = Peer("", -number)  # its messages keep their order
        for start in range(0, len(messages), WINDOW):
            window = messages[start : start + WINDOW]
            await asyncio.gather(*(self._intake.receive(message, peer) for message in window), return_exceptions=True)
            now_kept = self._noted.take()
            kept += now_kept
            if len(now_kept) < len(window):
                break
        return kept


def _contents(content: bytes) -> tuple[File | None, Sequence[bytes]]:
    """Give the batch in a file, if it can be cut up, and the messages; what cannot is refused as one."""
    parts = split(content)
    if is_batch(parts[0]):
        with suppress(SenderError):
            file = read_file(parts[0])
            return file, file.messages
    return None, parts


def _lines(answer: bytes) -> bytes:
    return answer if not answer or answer.endswith(b"\r") else answer + b"\r"


def _reasons(kept: Sequence[_Kept]) -> Iterator[str]:
    for place, each in enumerate(kept, 1):
        if each.recorded.code not in POSITIVE:
            error = each.reception.error
            told = f"{error.name} {error}" if error else ""
            yield f"message {place} (number {each.recorded.message}): {each.recorded.code.value} {told}".rstrip()
