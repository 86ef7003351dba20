"""Intake: a frame or a body in, an answer out, and between the two the bytes are on disk (promise P1).

Commits are grouped: what arrives while one commit is under way shares the next.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from secrets import token_hex
from typing import Protocol, TypeVar
from weakref import WeakValueDictionary

import structlog

from adapters.due_acknowledgments import DueAcknowledgments, application_acknowledgment
from adapters.mllp.listener import Peer
from adapters.traffic import BEYOND_RATE, Traffic
from gateway.errors import (
    AccessRefused,
    AckCode,
    GatewayError,
    IntakePaused,
    LimitExceeded,
    ProcessingFailed,
    SenderError,
    StorageUnavailable,
    TroubleError,
)
from gateway.reception import (
    MESSAGE_TYPE_LENGTH,
    Format,
    Outcome,
    Reception,
    Recorded,
    Transport,
    storable,
)
from gateway.site import Site
from mappings.hl7v2 import Examination, acknowledge, examine, subjects
from mappings.hl7v2.batch import File, acknowledge_file, is_batch, read_file

R = TypeVar("R")

log = structlog.get_logger()

GROUP_RECEPTIONS = 256
GROUP_BYTES = 64 * 1024 * 1024
"""One commit holds at most so many receptions and bytes, but at least one reception."""

STORE_SECONDS = 20.0
"""How long a commit may take before whoever waits for it, or behind it, is answered that the store is in trouble."""

LARGE_FRAME = 64 * 1024
"""Frames of this many bytes and more are examined in a thread."""

LARGE_AT_ONCE = 2
"""Large frames examined at one time; the others wait their turn."""

Commit = Callable[[Sequence[Reception]], list[Recorded]]
Waiting = tuple[Reception, "asyncio.Future[Recorded]"]


class GroupCommit:
    """Shares commits between receptions.

    Args:
        commit: puts receptions on disk by one commit; blocking, run in a thread of its own.

    """

    def __init__(self, commit: Commit) -> None:
        self._commit = commit
        self._waiting: deque[Waiting] = deque()
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="intake")
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> asyncio.Task[None]:
        """Begin to commit; give the task that does."""
        self._task = asyncio.create_task(self._run(), name="group-commit")
        return self._task

    async def stop(self) -> None:
        """Commit what waits, then end."""
        self._stopping = True
        self._arrived.set()
        if self._task is not None:
            await self._task
        self._thread.shutdown()

    async def record(self, reception: Reception) -> Recorded:
        """Return when the reception is on disk.

        Raises:
            TroubleError: it is not; nothing may be promised.

        """
        return await self.submit(reception)

    def submit(self, reception: Reception) -> "asyncio.Future[Recorded]":
        """Put a reception in its place for the next commit; the future is done, or fails, as `record` is."""
        done: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
        self._waiting.append((reception, done))
        self._arrived.set()
        return done

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.wait()
            group = self._next_group()
            if not group:
                if self._stopping:
                    return
                self._arrived.clear()
                continue
            try:
                await self._committed(loop.run_in_executor(self._thread, self._commit_group, group, loop), group)
            except Exception as fault:  # noqa: BLE001 - intake goes on; these senders get no promise
                log.error("intake.failed", fault=type(fault).__name__, receptions=len(group))
                _settle(group, StorageUnavailable("the store did not take the message"))

    async def _committed(self, committing: "asyncio.Future[None]", group: Sequence[Waiting]) -> None:
        """Return once the commit has ended; a store that does not answer meanwhile holds up nobody.

        Whoever waits is told that nothing is promised. What is committed late was received all the same: sent again, it
        is known, and gets its first answer.
        """
        while not committing.done():
            await asyncio.wait({committing}, timeout=STORE_SECONDS)
            if not committing.done():
                log.error("intake.late", receptions=len(group), waiting=len(self._waiting))
                _settle([*group, *self._waiting], StorageUnavailable("the store does not answer"))
                self._waiting.clear()
        committing.result()

    def _next_group(self) -> list[Waiting]:
        group: list[Waiting] = []
        size = 0
        while self._waiting and len(group) < GROUP_RECEPTIONS:
            size += len(self._waiting[0][0].raw)
            if group and size > GROUP_BYTES:
                break
            group.append(self._waiting.popleft())
        return group

    def _commit_group(self, group: Sequence[Waiting], loop: asyncio.AbstractEventLoop) -> None:
        """Commit a group; where the store refuses its data, commit each alone so that one cannot harm the others."""
        try:
            results: Sequence[Recorded | TroubleError] = self._commit([reception for reception, _ in group])
        except TroubleError as error:
            results = [error] * len(group)
        except Exception:
            if len(group) == 1:
                raise
            results = [self._commit_alone(reception) for reception, _ in group]
        loop.call_soon_threadsafe(_settle_each, group, results)

    def _commit_alone(self, reception: Reception) -> Recorded | TroubleError:
        try:
            return self._commit([reception])[0]
        except TroubleError as error:
            return error
        except Exception as fault:  # noqa: BLE001 - as above
            log.error("intake.failed", fault=type(fault).__name__, receptions=1)
            return StorageUnavailable("the store did not take the message")


def _settle(group: Sequence[Waiting], error: TroubleError) -> None:
    _settle_each(group, [error] * len(group))


def _settle_each(group: Sequence[Waiting], results: Sequence[Recorded | TroubleError]) -> None:
    for (_, done), result in zip(group, results, strict=True):
        if done.done():  # the sender went away; the message is kept all the same
            continue
        if isinstance(result, TroubleError):
            done.set_exception(result)
        else:
            done.set_result(result)


def _refused(rule: str) -> "asyncio.Future[Recorded]":
    """Give a reception's future that has failed: it is not put in line."""
    done: asyncio.Future[Recorded] = asyncio.get_running_loop().create_future()
    done.set_exception(IntakePaused(rule))
    return done


def _admitted(examination: Examination, peer: Peer) -> Examination:
    """Refuse what says that it is a source's and comes from elsewhere: it is nobody's, whatever else is wrong."""
    source = examination.source
    if source is None or source.admits(peer.address, peer.subject):
        return examination
    rule = "the network and the certificate that the site's data names for this source"
    return replace(examination, source=None, error=AccessRefused(rule, path="MSH-3"))


@dataclass(frozen=True, slots=True)
class _Taken:
    """A message in line for the commit."""

    octets: int
    examination: Examination
    recorded: "asyncio.Future[Recorded]"


_RUN, _NUMBERS = token_hex(6), itertools.count(1)


def _control_id() -> str:
    """Give a control ID for an answer of ours: no other of this process, nor of any other, has it.

    A random text a message costs a call of the system each.
    """
    return f"{_RUN}{next(_NUMBERS):08x}"


def _file_of(frame: bytes) -> File | SenderError:
    """Give the batch or file in a frame; the error if it cannot be cut up, so that it is refused as one."""
    try:
        return read_file(frame)
    except SenderError as error:
        return error


class Group(Protocol):
    """What takes receptions into the next commit."""

    def submit(self, reception: Reception) -> "asyncio.Future[Recorded]":
        """Put a reception in its place; the future is done once it is on disk, or fails."""


class Hl7Intake:
    """What the MLLP listener calls with each frame.

    Args:
        site: the establishment.
        group: puts receptions on disk.
        recorded: told of each commit, so that the pipeline wakes.
        due: sends the application acknowledgments that follow the pipeline; None: nobody waits for them.
        transport: how frames come; what comes in a file is one message, from no address.
        backlogged: whether a source's own address is still to be told too much for more to be owed to it.

    """

    def __init__(
        self,
        site: Site,
        group: Group,
        recorded: Callable[[], None],
        due: DueAcknowledgments | None,
        transport: Transport = Transport.MLLP,
        backlogged: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._site = site
        self._group = group
        self._transport = transport
        self._recorded = recorded
        self._due = due
        self._backlogged = backlogged
        self._traffic = Traffic()
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def receive(self, frame: bytes, peer: Peer) -> bytes:
        """Give the acknowledgment of a frame, positive only once it is on disk; empty where its sender wants none.

        Raises:
            TroubleError: it is not kept, and its sender, who wants no such answer, can only be told by hanging up.

        """
        async with self._turn(peer):
            batch = self._transport is not Transport.FILE and is_batch(frame)
            file = await self._in_time(frame, _file_of) if batch else None
            if isinstance(file, File):
                several = await self._take_all(file, peer)
            else:
                taken = await self._take(frame, peer, refused=file)
        if isinstance(file, File):
            return await self._answer_file(file, several, peer)
        try:
            recorded = await taken.recorded
        except TroubleError as trouble:
            self._tell(trouble, peer)
            if (code := taken.examination.mode.at_once(trouble.acknowledgment)) is None:
                raise
            return self._acknowledge(taken.examination, code, trouble)
        self._conclude(taken, recorded, peer)
        return recorded.answer

    async def _take(
        self, message: bytes, peer: Peer, *, first: bool = True, refused: SenderError | None = None
    ) -> "_Taken":
        """Examine a message and put it in line for the commit, the first of a frame when its source's rate allows."""
        examination = await self._in_time(message, self._examined)
        if self._transport is not Transport.FILE:
            examination = _admitted(examination, peer)
        if refused is not None:
            examination = replace(examination, error=refused)
        if await self._traffic.turn(examination, waits=first):
            return _Taken(len(message), examination, self._submit(message, examination))
        return _Taken(len(message), examination, _refused(BEYOND_RATE))

    async def _take_all(self, file: File, peer: Peer) -> list["_Taken"]:
        """Examine each message and put it in line for the commit; those behind one that is not taken are left."""
        taken: list[_Taken] = []
        for message in file.messages:
            taken.append(await self._take(message, peer, first=not taken))
            if taken[-1].recorded.done():
                break
            await asyncio.sleep(0)  # the others' turn
        return taken

    async def _answer_file(self, file: File, several: Sequence["_Taken"], peer: Peer) -> bytes:
        """Give the acknowledgment of a batch or file once each of its messages is on disk; a negative one otherwise.

        Each message is decided by itself. If one could not be kept, all is sent again: those that were are known then.
        """
        results = await asyncio.gather(*(taken.recorded for taken in several), return_exceptions=True)
        answers, trouble = [], None
        for taken, result in zip(several, results, strict=True):
            if isinstance(result, TroubleError):
                trouble = result
            elif isinstance(result, BaseException):
                raise result
            else:
                self._conclude(taken, result, peer)
                answers.append(result.answer)
        if trouble is not None:
            self._tell(trouble, peer)
            return self._acknowledge(file.examination, trouble.acknowledgment, trouble)
        log.info("batch.received", messages=len(answers), errors=[error.path for error in file.errors])
        return self.acknowledge_file(file, answers)

    def acknowledge_file(self, file: File, answers: Sequence[bytes]) -> bytes:
        """Give the acknowledgment of a batch or file whose messages are on disk, from those of its messages."""
        ids = iter(_control_id, None)
        return acknowledge_file(file, answers, site=self._site, now=datetime.now(UTC), control_ids=ids)

    @staticmethod
    def _tell(trouble: TroubleError, peer: Peer) -> None:
        if not isinstance(trouble, IntakePaused):  # told once, when it began: refusals must not fill the disk
            log.warning("intake.trouble", error=trouble.name, connection=peer.connection)

    def _conclude(self, taken: "_Taken", recorded: Recorded, peer: Peer) -> None:
        """A message is on disk: the pipeline is woken, what is due is owed, and it is logged."""
        examination = taken.examination
        self._recorded()
        self._owe(recorded, examination, peer)
        error = examination.error
        log.info(
            "message.received",
            message=recorded.message,
            source=examination.source.id if examination.source else "",
            type=examination.message_type if error is None else "",
            bytes=taken.octets,
            answer=recorded.code.value,
            state=recorded.state.value,
            error=error.name if error else None,
        )

    def _turn(self, peer: Peer) -> asyncio.Lock:
        """Frames of one connection are put in line in their order, though a large one takes longer to examine."""
        turn = self._turns.get(peer.connection)
        if turn is None:
            turn = self._turns[peer.connection] = asyncio.Lock()
        return turn

    def _submit(self, frame: bytes, examination: Examination) -> "asyncio.Future[Recorded]":
        error, verdict = examination.error, examination.verdict
        replies = self._replies(examination)
        if self._owes_too_many(examination, replies=replies):
            return _refused("too many application acknowledgments are due: nothing was kept, send again later")
        code = examination.mode.at_once(verdict)
        reception = Reception(
            raw=frame,
            transport=self._transport,
            format=Format.HL7V2,
            source=examination.source.id if examination.source else "",
            control_id=storable(examination.control_id),
            message_type=storable(examination.message_type, MESSAGE_TYPE_LENGTH),
            received_at=datetime.now(UTC),
            principal=examination.source.id if examination.source else "undeclared",
            code=examination.mode.recorded(verdict),
            answer=self._acknowledge(examination, code, None if examination.spared else error) if code else b"",
            error=error,
            subjects=subjects(examination.message) if examination.message else (),
            departs=frozenset((departure.profile, departure.broken.id) for departure in examination.departures),
            replies=replies,
            missing=self._traffic.missing(examination),
        )
        return self._group.submit(reception)

    def _replies(self, examination: Examination) -> bool:
        """Whether the application acknowledgment is to be told at an address of the source's own."""
        source = examination.source
        own = self._due is not None and source is not None and source.reply_to is not None
        return own and examination.mode.follows(examination.verdict)

    def _owes_too_many(self, examination: Examination, *, replies: bool) -> bool:
        """Whether a message that asks for an application acknowledgment is one too many (promise P9)."""
        if replies:
            return examination.source is not None and self._backlogged(examination.source.id)
        return self._due is not None and self._due.full and examination.mode.follows(examination.verdict)

    def _owe(self, recorded: Recorded, examination: Examination, peer: Peer) -> None:
        """The application acknowledgment follows on the connection, if one is wanted; a repetition gets the first's."""
        if self._replies(examination):
            return  # the commit has noted it
        if self._due and peer.line is not None and examination.mode.follows(examination.verdict):
            answer = partial(self._acknowledge_end, examination.header_alone())
            self._due.owe(recorded.duplicate_of or recorded.message, peer.line, answer)

    def _acknowledge_end(self, examination: Examination, outcome: Outcome) -> bytes:
        """Give the application acknowledgment of a message that has ended; empty if its sender wants none such."""
        now = datetime.now(UTC)
        return application_acknowledgment(examination, outcome, site=self._site, now=now, control_id=_control_id())

    async def _in_time(self, frame: bytes, read: Callable[[bytes], R]) -> R:
        """Read a frame, a large one in a thread, so that it holds up nobody else."""
        if len(frame) < LARGE_FRAME:
            return read(frame)
        async with self._large:
            return await asyncio.to_thread(read, frame)

    def _examined(self, frame: bytes) -> Examination:
        """Examine a frame; one that our own code fails on is kept and refused like any other."""
        try:
            return examine(frame, self._site)
        except Exception as fault:  # noqa: BLE001 - the frame is complete: it must be kept and answered
            log.error("intake.examination-failed", fault=type(fault).__name__, bytes=len(frame))
            error = ProcessingFailed(f"the examination failed with {type(fault).__name__}")
            return Examination(None, None, None, error=error)

    def refuse_oversize(self, limit: int, _peer: Peer) -> bytes:
        """Give the answer to a frame beyond the limit, of which nothing was kept."""
        error = LimitExceeded(f"a frame of at most {limit} bytes is taken")
        return self._acknowledge(examine(b"", self._site), error.acknowledgment, error)

    def _acknowledge(self, examination: Examination, code: AckCode, error: GatewayError | None) -> bytes:
        return acknowledge(examination, code, error, site=self._site, now=datetime.now(UTC), control_id=_control_id())
