"""Worker processes beside the one that listens: started, started again when they die, ended with their parent."""

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process

import structlog

log = structlog.get_logger()

AGAIN_SECONDS = 1.0
"""Pause before a process that ended by itself is started again."""

GRACE_SECONDS = 20.0
"""How long a process may take to finish the batch in hand."""

_WORK = (sys.executable, "-m", "adapters.cli", "serve", "--role", "work", "--while-stdin")
"""It ends when its standard input closes, so that one whose parent was killed does not go on."""


class WorkerProcesses:
    """Runs processes of the role ``work`` with the environment of this one.

    Args:
        count: how many.

    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._processes: dict[int, Process] = {}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Keep them running until told to stop; then they finish what they have in hand."""
        await asyncio.gather(*(self._keep(number) for number in range(1, self._count + 1)))

    def stop(self) -> None:
        """Let `run` end."""
        self._stopping.set()

    def renew(self) -> None:
        """Let each take up the rules as the site's folder has them now."""
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGHUP)

    async def _keep(self, number: int) -> None:
        while not self._stopping.is_set():
            # In a session of its own: what a terminal sends to all of its processes (Ctrl-C) is its parent's to answer.
            process = await asyncio.create_subprocess_exec(*_WORK, stdin=PIPE, stdout=DEVNULL, start_new_session=True)
            self._processes[number] = process
            log.info("worker.process-started", worker=number, pid=process.pid)
            if await self._ended_by_itself(process):
                log.error("worker.process-ended", worker=number, code=process.returncode)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), AGAIN_SECONDS)

    async def _ended_by_itself(self, process: Process) -> bool:
        ending = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({ending, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if ending.done():
            stopping.cancel()
            return True
        assert process.stdin is not None
        process.stdin.close()
        done, _ = await asyncio.wait({ending}, timeout=GRACE_SECONDS)
        if not done:
            process.kill()
            await ending
        return False
