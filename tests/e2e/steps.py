"""The gateway's commands, with every effect that the process has outside itself named, and the process ended at one.

Run as ``python steps.py COMMAND...``, it is the ``gateway`` command. What a process does to the world are statements
and commits on its database, and bytes taken from and given to sockets: between two of them nothing happens that could
be seen from outside, so to be killed before and after each is to be killed everywhere. Each is named by the functions
of ours that are under way and by what it is about, so a new statement is a new step by itself. The steps count from the
first bytes of an MLLP frame.

GATEWAY_STEP_TRACE: file that the names are appended to, one a line. GATEWAY_STEP_KILL: ``NAME#2``, the step at which
the process ends at its second passing, by `os._exit`: no thread, no ``finally`` and no buffer has its turn.
GATEWAY_STEP_CLOCK: every so many readings, the clock jumps back by two hours, and forth again.
GATEWAY_STEP_ALONE: if given, every claim waits for a neighbour's partitions, and every batch names too much to be
locked, and is processed alone (PostgreSQL).
"""

import itertools
import os
import re
import socket
import sys
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any
from weakref import WeakSet

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect

TRACE = "GATEWAY_STEP_TRACE"
KILL = "GATEWAY_STEP_KILL"
CLOCK = "GATEWAY_STEP_CLOCK"
ALONE = "GATEWAY_STEP_ALONE"
THE_DAY = datetime(2026, 3, 2, 7, 40, tzinfo=UTC)
JUMP = timedelta(hours=2)
KILLED = 71
"""Exit code of a process that has reached its step."""

ADAPTERS = str(Path(__file__).parents[2] / "adapters")
_SUBJECT = re.compile(r"\b(?:INTO|FROM|UPDATE)\s+([a-z_]+)")


class Steps:
    """Counts the steps of this process, writes them down, and ends it at one.

    Args:
        trace: file for the names; none if empty.
        kill: step at which to end; none if empty.

    """

    def __init__(self, trace: str, kill: str) -> None:
        self._trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if trace else None
        self._kill = kill
        self._passed: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._begun = False

    def begin(self) -> None:
        """Count from here on."""
        self._begun = True

    def passed(self, what: str, frame: FrameType | None) -> None:
        """A step is passed; the process ends if it is the one."""
        if not self._begun:
            return
        name = f"{_under_way(frame)}: {what}"
        with self._lock:
            self._passed[name] += 1
            step = f"{name}#{self._passed[name]}"
            if self._trace is not None:
                os.write(self._trace, f"{step}\n".encode())
            if step == self._kill:
                os._exit(KILLED)


def _under_way(frame: FrameType | None) -> str:
    """Name the functions of the adapters that are under way, the outermost first, and the line of the innermost."""
    names: list[str] = []
    place = ""
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(ADAPTERS):
            place = place or f" ({Path(code.co_filename).name}:{frame.f_lineno})"
            names.append(code.co_qualname.replace(".<locals>.<lambda>", ""))
        frame = frame.f_back
    return (" > ".join(reversed(names)) or "event loop") + place


def _subject(statement: str) -> str:
    """Say what a statement does, and to which table."""
    found = _SUBJECT.search(statement)
    verb, *_ = statement.split(maxsplit=1)
    return f"{verb} {found.group(1)}" if found else statement.split("(", maxsplit=1)[0].strip()[:40]


def watch(steps: Steps) -> None:
    """Every statement, commit and use of a socket of this process passes its step, before and after."""
    _watch_statements(steps)
    _watch_commits(steps)
    _watch_sockets(steps)


def _watch_statements(steps: Steps) -> None:
    @event.listens_for(Engine, "before_cursor_execute")
    def _before(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        steps.passed(f"before {_subject(statement)}", sys._getframe(1))

    @event.listens_for(Engine, "after_cursor_execute")
    def _after(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        steps.passed(f"after {_subject(statement)}", sys._getframe(1))


def _watch_commits(steps: Steps) -> None:
    commit = DefaultDialect.do_commit

    def do_commit(dialect: DefaultDialect, connection: Any) -> None:
        steps.passed("before COMMIT", sys._getframe(1))
        commit(dialect, connection)
        steps.passed("after COMMIT", sys._getframe(1))

    DefaultDialect.do_commit = do_commit  # type: ignore[method-assign]


def _watch_sockets(steps: Steps) -> None:
    senders: WeakSet[socket.socket] = WeakSet()
    plain = socket.socket

    def accept(self: socket.socket) -> tuple[socket.socket, Any]:
        connection, address = plain_accept(self)
        senders.add(connection)
        return connection, address

    def recv(self: socket.socket, *arguments: Any) -> bytes:
        data = super(plain, self).recv(*arguments)
        if data and self in senders:
            steps.begin()
        _passed(self, f"{'bytes came from' if data else 'end of'} {_peer(self)}")
        return data

    def send(self: socket.socket, *arguments: Any) -> int:
        _passed(self, f"before bytes to {_peer(self)}")
        sent = super(plain, self).send(*arguments)
        _passed(self, f"after bytes to {_peer(self)}")
        return sent

    def _peer(connection: socket.socket) -> str:
        return "sender" if connection in senders else "broker"

    def _passed(connection: socket.socket, what: str) -> None:
        if connection.family != socket.AF_UNIX:  # the event loop's own bell
            steps.passed(what, None)

    plain_accept = plain.accept
    plain.accept, plain.recv, plain.send = accept, recv, send  # type: ignore[method-assign]


def crowd(work: ModuleType) -> None:
    """Each claim is one whose oldest message was torn for long, and each batch one that names too much."""
    due = work.Work._due

    def _due(self: Any, connection: Any) -> Any:
        self._torn = work._Torn(next((w.message_id for w in work._oldest(connection, 1)), 0), work.PATIENCE)
        return due(self, connection)

    work.Work._due = _due
    work.MOST_LOCKS = 0


class _Kind(type):
    """Makes what the jumping clock gives, and all other instants, its instances."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


def let_jump(every: int) -> None:
    """The clock that our modules read jumps back, and forth again, each time that it has been read so often.

    It runs from a moment of the day that the tests' messages tell of: after all that they tell, or before.
    """
    readings = itertools.count()
    past = datetime.now(UTC) - THE_DAY

    class Jumping(datetime, metaclass=_Kind):
        """The clock."""

        def __new__(cls, *arguments: Any, **named: Any) -> datetime:  # type: ignore[misc]
            return datetime(*arguments, **named)  # noqa: DTZ001 - as whoever asks says

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            back = next(readings) // every % 2
            return datetime.now(tz) - past - (JUMP if back else timedelta())

    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in {"adapters", "mappings", "gateway"} and getattr(module, "datetime", 0) is datetime:
            module.datetime = Jumping  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(ADAPTERS).parent))
    watch(Steps(os.environ.pop(TRACE, ""), os.environ.pop(KILL, "")))
    import adapters.service  # noqa: F401 - imported by the command only when it runs
    from adapters.cli import main
    from adapters.store import work

    if os.environ.pop(ALONE, ""):
        crowd(work)
    if every := int(os.environ.pop(CLOCK, "0")):
        let_jump(every)
    main()
