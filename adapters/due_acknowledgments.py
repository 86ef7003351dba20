"""Application acknowledgments that are due: each follows its message's end in the pipeline, on the sender's connection.

They need not be kept: how a message ended is, so that the sender whose connection broke, or who was not told before we
were stopped, sends the message again and is told again (2.5.1 §2.9.3: what is not acknowledged is sent again).
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog

from adapters.mllp.listener import Line
from gateway.errors import AckCode, GatewayError, TroubleError, restored
from gateway.reception import Outcome, State
from gateway.site import Site
from mappings.hl7v2 import Examination, acknowledge

log = structlog.get_logger()

MOST_DUE = 10_000
"""How many may be due at one time (promise P9); no further message that asks for one is taken meanwhile."""

POLL_SECONDS = 0.05
LOOKING_SHARE = 0.1
"""How often outcomes are looked for while any is due, the worker may be another process; and how much of the time the
looking may take: a pipeline that stands still is not asked the more for what waits on it."""

Answer = Callable[[Outcome], bytes]
"""Gives the acknowledgment that an outcome deserves; empty where its sender wants none."""


def application_acknowledgment(
    examination: Examination, outcome: Outcome, *, site: Site, now: datetime, control_id: str, answered: bool = False
) -> bytes:
    """Give the application acknowledgment of a message that has ended; empty if its sender wants none such.

    Args:
        examination: what the message's header showed.
        outcome: how it ended.
        site: the establishment.
        now: aware instant.
        control_id: the answer's own MSH-10.
        answered: it asks for an accept acknowledgment itself.

    """
    error = None if examination.spared else _error_of(outcome)
    code = error.acknowledgment if error else AckCode.AA
    if not examination.mode.application.on(code):
        return b""
    return acknowledge(examination, code, error, site=site, now=now, control_id=control_id, answered=answered)


def _error_of(outcome: Outcome) -> GatewayError | None:
    """Give what a sender is told of a message's end: why it was quarantined, or what is objected to though it was not.

    By CI-SIS (CDA en HL7v2 2.1) an objection makes the application acknowledgment negative: its code is in ERR-5.
    """
    if outcome.state is State.QUARANTINED:
        return restored(outcome.error, outcome.rule, outcome.path)
    objection = outcome.objection
    return restored(objection.error, objection.rule, objection.path) if objection else None


@dataclass(frozen=True, slots=True)
class _Due:
    line: Line
    answer: Answer


class DueAcknowledgments:
    """What is due on the connections that are open.

    Args:
        outcomes: gives how those messages ended that have; blocking.

    """

    def __init__(self, outcomes: Callable[[Collection[int]], dict[int, Outcome]]) -> None:
        self._outcomes = outcomes
        self._due: defaultdict[int, list[_Due]] = defaultdict(list)
        self._count = 0
        self._any = asyncio.Event()

    @property
    def full(self) -> bool:
        """Whether no more may be owed."""
        return self._count >= MOST_DUE

    def owe(self, message: int, line: Line, answer: Answer) -> None:
        """A message's acknowledgment is sent on this connection once the message has ended, while it is open."""
        self._due[message].append(_Due(line, answer))
        self._count += 1
        self._any.set()

    async def run(self) -> None:
        """Send what is due, until cancelled."""
        while True:
            await self._any.wait()
            self._forget_closed()
            if not self._due:
                self._any.clear()
                continue
            began = time.monotonic()
            with suppress(TroubleError):  # the next look may find the store well again
                for number, outcome in (await asyncio.to_thread(self._outcomes, list(self._due))).items():
                    self._settle(number, outcome)
            await asyncio.sleep(max(POLL_SECONDS, (time.monotonic() - began) / LOOKING_SHARE))

    def _settle(self, number: int, outcome: Outcome) -> None:
        for due in self._due.pop(number):
            self._count -= 1
            if due.line.open and (answer := due.answer(outcome)):
                due.line.say(answer)
                log.info("message.acknowledged", message=number, state=outcome.state.value)

    def _forget_closed(self) -> None:
        for number, due in list(self._due.items()):
            still = [each for each in due if each.line.open]
            self._count -= len(due) - len(still)
            if still:
                self._due[number] = still
            else:
                del self._due[number]
