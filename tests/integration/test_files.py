"""A watched folder on a real disk and a real inbox: each file ends once, in done or in error, with its answer."""

import asyncio
import os
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sites import demo_site
from structlog.testing import capture_logs

from adapters.files import watcher as watching
from adapters.files.folder import Folder, NotTaken, Unsettled
from adapters.files.purge import FolderPurge
from adapters.files.watcher import Watcher
from adapters.intake import GroupCommit
from adapters.store.database import Database
from adapters.store.inbox import Inbox
from gateway.audit import AuditAction
from gateway.errors import ConfigurationError, StorageUnavailable
from gateway.retention import Terms

NAME = "MARTIN_Zoé"
MESSAGE = (
    "MSH|^~\\&|GAM|SITE|GATEWAY|CHU|20260302081500||ADT^A01^ADT_A01|{0}|T|2.5\rEVN||20260302081500\r"
    "PID|||9000000001^^^CHU^PI||ESSAYEUR^Capucine||19610704|F\rPV1||I|3201||||||||||||||||V-1\r"
)


def message(control_id, application="GAM"):
    return MESSAGE.format(control_id).replace("|GAM|", f"|{application}|").encode()


def drop(folder, name, content):
    """Make a file appear by rename, as a careful sender does."""
    partial = folder / f".{name}"
    partial.write_bytes(content)
    partial.replace(folder / name)


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_file())


class Stage:
    """A folder that is watched, and the inbox behind it."""

    def __init__(self, folder, site, database):
        self.path, self.database = folder, database
        self.inbox = Inbox(database)
        self.commit = self.inbox.record
        source = replace(site.sources[0], folder=str(folder))
        self.group = GroupCommit(lambda receptions: self.commit(receptions))  # noqa: PLW0108 - a test puts another in its place
        self.group.start()
        self.watcher = Watcher(
            source, site, self.group, lambda: None, max_bytes=100_000, settle_seconds=0.02, look_seconds=0.01
        )

    async def until(self, condition, seconds=10):
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - what is waited for is seen from outside
                await asyncio.sleep(0.01)

    async def emptied(self, *left):
        """Return once only these files stand in the folder."""
        await self.until(lambda: names(self.path) == sorted(left))


@asynccontextmanager
async def watched(tmp_path):
    site = demo_site()
    folder = tmp_path / "in"
    folder.mkdir(exist_ok=True)
    database = Database(f"sqlite:///{tmp_path / 'gateway.db'}")
    if database.is_empty():
        database.migrate()
    stage = Stage(folder, site, database)
    running = asyncio.create_task(stage.watcher.run())
    try:
        yield stage
    finally:
        stage.watcher.stop()
        await running
        await stage.group.stop()
        database.close()


async def test_a_file_is_kept_answered_and_moved_and_its_name_never_logged(tmp_path):
    """One message: NAME.ack beside it, the file in done, the bytes in the inbox; no log line names it."""
    with capture_logs() as logs:
        async with watched(tmp_path) as stage:
            drop(stage.path, f"{NAME}.hl7", message("1"))
            await stage.emptied(f"{NAME}.hl7.ack")
            assert names(stage.path / "done") == [f"{NAME}.hl7"]
            answer = (stage.path / f"{NAME}.hl7.ack").read_bytes()
            assert b"MSA|AA|1" in answer
            assert stage.inbox.summary()["received"] == 1
    assert "MARTIN" not in repr(logs)
    assert [entry["messages"] for entry in logs if entry["event"] == "file.taken"] == [1]


async def test_a_batch_is_taken_message_by_message_and_answered_in_order(tmp_path):
    """Each is an entry of its own; what is refused sends the file to error, with the reasons and without values."""
    async with watched(tmp_path) as stage:
        batch = b"FHS|^~\\&|\rBHS|^~\\&|\r" + message("1") + message("2", "STRANGER") + message("3") + b"BTS|3\rFTS|1\r"
        drop(stage.path, "batch.hl7", batch)
        await stage.emptied("batch.hl7.ack")
        assert names(stage.path / "error") == ["batch.hl7", "batch.hl7.err"]
        answers = (stage.path / "batch.hl7.ack").read_bytes()
        codes = [line.split(b"|")[1:3] for line in answers.split(b"\r") if line.startswith(b"MSA")]
        assert codes == [[b"AA", b"1"], [b"AR", b"2"], [b"AA", b"3"]]
        reason = (stage.path / "error" / "batch.hl7.err").read_text()
        assert reason.startswith("message 2 (number 2): AR SourceUndeclared MSH-3: ")
        assert "STRANGER" not in reason
        summary = stage.inbox.summary()
        assert (summary["received"], summary["quarantined"]) == (3, 1)


async def test_a_batch_that_counts_otherwise_is_taken_and_told(tmp_path):
    """Its messages are kept; the batch acknowledgment and NAME.err say what its envelope says that is not so."""
    async with watched(tmp_path) as stage:
        drop(stage.path, "short.hl7", b"BHS|^~\\&|GAM|||||||B1\r" + message("1") + b"BTS|9\r")
        await stage.emptied("short.hl7.ack")
        answer = (stage.path / "short.hl7.ack").read_bytes()
        assert answer.startswith(b"BHS|")
        codes = [line.split(b"|")[1] for line in answer.split(b"\r") if line.startswith(b"MSA")]
        assert codes == [b"AA", b"AE"]
        reason = (stage.path / "error" / "short.hl7.err").read_text()
        assert reason.startswith("batch: SegmentMissing BTS-1: ")
        assert stage.inbox.summary()["received"] == 1


async def test_what_cannot_be_cut_up_is_refused_as_one(tmp_path):
    """A batch with a line that belongs to no message is kept whole, and its place is told."""
    async with watched(tmp_path) as stage:
        drop(stage.path, "torn.hl7", b"BHS|^~\\&|GAM\rNTE|1\r" + message("1") + b"BTS|1\r")
        await stage.emptied("torn.hl7.ack")
        assert names(stage.path / "error") == ["torn.hl7", "torn.hl7.err"]
        summary = stage.inbox.summary()
        assert (summary["received"], summary["quarantined"]) == (1, 1)


async def test_a_folder_is_no_way_to_speak_as_another_source(tmp_path):
    """What stands in one source's folder is not taken as another's, whatever MSH-3 says."""
    async with watched(tmp_path) as stage:
        drop(stage.path, "other.hl7", message("1", "LAB"))
        await stage.emptied("other.hl7.ack")
        assert b"MSA|AR|1" in (stage.path / "other.hl7.ack").read_bytes()


async def test_the_same_content_again_is_a_duplicate_with_the_same_answer_and_both_files_are_kept(tmp_path):
    """As after a kill between commit and move."""
    async with watched(tmp_path) as stage:
        drop(stage.path, "a.hl7", message("1"))
        await stage.emptied("a.hl7.ack")
        first = (stage.path / "a.hl7.ack").read_bytes()
        drop(stage.path, "a.hl7", message("1"))
        await stage.until(lambda: len(names(stage.path / "done")) == 2)
        assert names(stage.path / "done") == ["a.hl7", "a.hl7.1"]
        assert (stage.path / "a.hl7.ack").read_bytes() == first
        assert stage.inbox.summary()["duplicate"] == 1


async def test_trouble_of_ours_leaves_the_file_until_it_is_over(tmp_path, monkeypatch):
    """No answer, no move; then each message is kept once."""
    monkeypatch.setattr(watching, "TROUBLE_SECONDS", 0.05)
    async with watched(tmp_path) as stage:
        failures = iter(range(3))

        def commit(receptions):
            if next(failures, None) is not None:
                raise StorageUnavailable("the store is away")
            return stage.inbox.record(receptions)

        stage.commit = commit
        drop(stage.path, "a.hl7", message("1") + message("2"))
        await stage.emptied("a.hl7.ack")
        summary = stage.inbox.summary()
        assert (summary["received"], summary["duplicate"]) == (2, 0)
        assert names(stage.path / "done") == ["a.hl7"]


async def test_what_is_no_plain_file_of_fair_size_goes_to_error_with_a_reason_and_the_others_are_taken(tmp_path):
    """Links are not followed, pipes not waited for, folders left alone; names that end as ours or unfinished wait."""
    secret = tmp_path / "secret"
    secret.write_bytes(message("9"))
    async with watched(tmp_path) as stage:
        (stage.path / "folder").mkdir()
        (stage.path / "link.hl7").symlink_to(secret)
        os.mkfifo(stage.path / "pipe.hl7")
        drop(stage.path, "huge.hl7", b"x" * 100_001)
        (stage.path / "later.hl7.tmp").write_bytes(message("8"))
        drop(stage.path, os.fsdecode(b"\xff" + b"n" * 240), message("1"))
        reasons = {"huge.hl7.err", "link.hl7.err", "pipe.hl7.err"}
        await stage.until(lambda: names(stage.path / "done") and reasons <= set(names(stage.path / "error")))
        assert (stage.path / "later.hl7.tmp").exists()
        assert (stage.path / "folder").is_dir()
        assert stage.inbox.summary()["received"] == 1
        assert secret.read_bytes() == message("9")


async def test_a_file_that_is_still_written_is_not_taken(tmp_path):
    """It is taken once, whole, when its writer has been silent for long enough."""
    async with watched(tmp_path) as stage:
        stage.watcher._settle_seconds = 0.3
        content = message("1")
        with (stage.path / "slow.hl7").open("wb", buffering=0) as file:
            for start in range(0, len(content), 40):
                file.write(content[start : start + 40])
                await asyncio.sleep(0.05)
        await stage.emptied("slow.hl7.ack")
        assert b"MSA|AA|1" in (stage.path / "slow.hl7.ack").read_bytes()
        assert stage.inbox.summary()["received"] == 1


async def test_a_folder_that_goes_away_is_told_once_and_watched_again(tmp_path, monkeypatch):
    """A network drive comes back."""
    monkeypatch.setattr(watching, "TROUBLE_SECONDS", 0.02)
    with capture_logs() as logs:
        async with watched(tmp_path) as stage:
            away = stage.path.rename(tmp_path / "away")
            await asyncio.sleep(0.2)
            away.rename(stage.path)
            drop(stage.path, "a.hl7", message("1"))
            await stage.emptied("a.hl7.ack")
    assert [entry["event"] for entry in logs].count("folder.trouble") == 1


def test_a_file_that_changed_or_went_since_it_was_found_is_left(tmp_path):
    folder = Folder(tmp_path, 1000)
    drop(tmp_path, "a", b"one")
    (found,) = folder.look()
    drop(tmp_path, "a", b"two")
    with pytest.raises(Unsettled):
        folder.read(found)
    (tmp_path / "a").unlink()
    with pytest.raises(Unsettled):
        folder.read(found)
    folder.done(found)
    folder.refuse(found, ["gone"])
    assert names(tmp_path / "error") == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path):
    folder = Folder(tmp_path, 1000)
    drop(tmp_path, "a", b"one")
    (tmp_path / "a").chmod(0)
    with pytest.raises(NotTaken):
        folder.read(folder.look()[0])


def test_a_folder_that_is_not_there_is_refused_at_the_start(tmp_path):
    site = demo_site()
    source = replace(site.sources[0], folder=str(Path(tmp_path, "none")))
    with pytest.raises(ConfigurationError):
        Watcher(source, site, GroupCommit(lambda _: []), lambda: None, max_bytes=1)


DAY = timedelta(days=1)


def test_what_was_done_with_goes_when_its_time_has_passed(tmp_path):
    """Taken files by the term of bodies, refused ones with their reasons by the longer one; an event says how many."""
    folder, events = Folder(tmp_path, 100), []
    for name in ("done/a", "done/b", "error/c", "error/c.err", "new", "new.ack"):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, (0, 0))  # its writer's time says nothing of how long it lies there
    (tmp_path / "done" / "kept by the site").mkdir()
    purge = FolderPurge(Terms(30 * DAY, 180 * DAY, None, DAY), events.append)
    now = datetime.now(UTC)
    assert [purge.run(folder, "gam", now + days * DAY) for days in (0, 29, 31, 31, 179, 181)] == [0, 0, 2, 0, 0, 2]
    assert names(tmp_path) == ["new", "new.ack"]
    assert names(tmp_path / "done") + names(tmp_path / "error") == []
    assert (tmp_path / "done" / "kept by the site").is_dir()
    assert [(e.action, e.detail["count"], e.detail["source"]) for e in events] == [
        (AuditAction.STORE_PURGED, 2, "gam")
    ] * 2


def test_what_is_kept_for_ever_stays(tmp_path):
    """A term of 0 days is none."""
    folder = Folder(tmp_path, 100)
    (tmp_path / "done" / "a").write_bytes(b"x")
    purge = FolderPurge(Terms(None, None, None, DAY), pytest.fail)
    assert purge.run(folder, "gam", datetime.now(UTC) + 9_999 * DAY) == 0


def test_nothing_goes_that_the_audit_trail_does_not_know(tmp_path):
    """A store in trouble keeps the files."""

    def trouble(_event):
        raise StorageUnavailable("the disk is full")

    folder = Folder(tmp_path, 100)
    (tmp_path / "done" / "a").write_bytes(b"x")
    with pytest.raises(StorageUnavailable):
        FolderPurge(Terms(DAY, DAY, None, DAY), trouble).run(folder, "gam", datetime.now(UTC) + 2 * DAY)
    assert names(tmp_path / "done") == ["a"]
