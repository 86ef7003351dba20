"""A watched folder on disk: which files are there to be taken, and where they go. Names are never logged (promise P6).

Beside a file ``NAME`` its answer appears as ``NAME.ack``; the file then goes to ``done/``, or to ``error/`` with
``NAME.err`` that says why. Everything appears by rename, whole, and is on disk before the next step.
"""

import heapq
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ANSWER, REASON = ".ack", ".err"
"""Endings of what we write; such files are never taken."""

UNFINISHED = (".tmp", ".part", ".partial", ".filepart")
"""Endings of files that their writer will rename once they are whole; as those that begin with a dot, they wait."""

MOST_AT_ONCE = 1_000
"""Files looked at in one turn, the oldest first."""

LONGEST_NAME = 220
"""Bytes of a file's name that are kept in the names of others."""


class NotTaken(Exception):
    """This file cannot be taken; the text says what was expected, and holds no name."""


class Unsettled(Exception):
    """The file is still being written, or is gone."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file as it is now.

    Attributes:
        name: its name in the folder; may hold anything.
        stamp: device, inode, size in bytes, and time of the last change, in nanoseconds.

    """

    name: str
    stamp: tuple[int, int, int, int]

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return self.stamp[2]


@dataclass(frozen=True, slots=True)
class Kept:
    """A file that was done with.

    Attributes:
        path: where it lies.
        refused: it is in the folder of errors.
        since: when it came to lie there: its last change of place or content, whatever time its writer gave it.

    """

    path: Path
    refused: bool
    since: datetime


class Folder:
    """One source's folder.

    Args:
        path: the folder.
        max_bytes: the largest file that is taken.

    Raises:
        OSError: the folder is not there, or nothing can be written to it.

    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._done, self._error = path / "done", path / "error"
        for folder in (self._done, self._error):
            folder.mkdir(exist_ok=True)

    def look(self) -> list[Found]:
        """Give what is there to be taken, the oldest first; folders in it are left alone. OSError if it is away."""
        with os.scandir(self._path) as entries:
            found = [file for entry in entries if (file := _found(entry))]
        return heapq.nsmallest(MOST_AT_ONCE, found, key=lambda file: (file.stamp[3], file.name))

    def read(self, file: Found) -> bytes:
        """Give the bytes of a file.

        Raises:
            Unsettled: it is no longer as it was found.
            NotTaken: it is no plain file, too large, or cannot be read.

        """
        try:
            # A link would lead out of the folder, and a pipe would wait for ever.
            number = os.open(self._path / file.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise Unsettled from None
        except OSError as error:
            raise NotTaken(f"a plain file that can be read is expected: {error.strerror}") from None
        with open(number, "rb") as opened:  # noqa: PTH123 - by number
            before = os.fstat(number)
            if not stat.S_ISREG(before.st_mode):
                raise NotTaken("a plain file is expected")
            if before.st_size > self._max_bytes:
                raise NotTaken(f"a file of at most {self._max_bytes} bytes is expected")
            content = opened.read(self._max_bytes + 1)
            if _stamp(before) != file.stamp or _stamp(os.fstat(number)) != file.stamp or len(content) != file.size:
                raise Unsettled
        return content

    def answer(self, file: Found, content: bytes) -> None:
        """The answer stands beside the file, whole and on disk."""
        _write(self._path, _beside(file.name, ANSWER), content)

    def done(self, file: Found) -> None:
        """The file is in the folder of those that were taken."""
        self._move(file, self._done / _free_name(self._done, file.name))

    def refuse(self, file: Found, reasons: list[str]) -> None:
        """The file is in the folder of errors, and the reasons stood there before it."""
        name = _free_name(self._error, file.name)
        _write(self._error, _beside(name, REASON), "".join(f"{reason}\n" for reason in reasons).encode())
        if not self._move(file, self._error / name):
            (self._error / _beside(name, REASON)).unlink(missing_ok=True)

    def kept(self) -> Iterator[Kept]:
        """Give the files that were taken or refused; OSError if the folders are away."""
        for folder, refused in ((self._done, False), (self._error, True)):
            with os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):  # the site empties them as well
                        status = entry.stat(follow_symlinks=False)
                        if not stat.S_ISDIR(status.st_mode):
                            yield Kept(Path(entry.path), refused, datetime.fromtimestamp(status.st_ctime, UTC))

    def remove(self, files: Iterable[Kept]) -> None:
        """They are no more, and that is on disk."""
        for file in files:
            file.path.unlink(missing_ok=True)
        for folder in (self._done, self._error):
            _sync(folder)

    def _move(self, file: Found, to: Path) -> bool:
        """Whether the file now stands there; it was gone already, otherwise."""
        try:
            (self._path / file.name).rename(to)
        except FileNotFoundError:
            return False
        _sync(to.parent)
        _sync(self._path)
        return True


def _found(entry: "os.DirEntry[str]") -> Found | None:
    if entry.name.startswith(".") or entry.name.endswith((ANSWER, REASON, *UNFINISHED)):
        return None
    with suppress(FileNotFoundError):  # gone meanwhile
        status = entry.stat(follow_symlinks=False)
        if not stat.S_ISDIR(status.st_mode):
            return Found(entry.name, _stamp(status))
    return None


def _stamp(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _beside(name: str, ending: str) -> str:
    return os.fsdecode(os.fsencode(name)[:LONGEST_NAME]) + ending


def _free_name(folder: Path, name: str) -> str:
    """Give a name that nothing there has: a file of the same name may have come before."""
    free, number = name, 1
    while os.path.lexists(folder / free):
        free, number = _beside(name, f".{number}"), number + 1
    return free


def _write(folder: Path, name: str, content: bytes) -> None:
    """The file is there, whole and on disk."""
    partial = folder / f".{name}.partial"
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / name)
    _sync(folder)


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
