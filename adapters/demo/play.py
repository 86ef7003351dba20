"""The scenario played over real sockets: each source has its own MLLP connection, the FHIR agenda its own HTTP one."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx

from adapters.demo.scenario import Scenario
from adapters.demo.steps import Step
from adapters.mllp.client import Client, PeerUnavailable

ANSWER_SECONDS = 30.0
"""How long an answer may take."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a step was answered.

    Attributes:
        code: MSA-1, or the HTTP status.
        body: the answer's bytes.

    """

    code: str
    body: bytes


Progress = Callable[[Step, Answer], None]
"""Told of each step once it is answered."""


def ignore(_step: Step, _answer: Answer) -> None:
    """A Progress that tells nobody."""


async def play(
    scenario: Scenario, mllp: str, http: str, pace: float = 0.0, progress: Progress = ignore
) -> tuple[Answer, ...]:
    """Give the answer of each step, sent one after the other in the scenario's order.

    Args:
        scenario: what is sent.
        mllp: ``host:port``.
        http: base URL.
        pace: seconds between two steps.
        progress: told of each step.

    Raises:
        PeerUnavailable: an answer did not come.

    """
    host, _, port = mllp.rpartition(":")
    answers: list[Answer] = []
    async with AsyncExitStack() as stack:
        sources = sorted({step.source for step in scenario.steps})
        clients = {source: await stack.enter_async_context(Client(host, int(port))) for source in sources}
        web = await stack.enter_async_context(httpx.AsyncClient(base_url=http, timeout=ANSWER_SECONDS, trust_env=False))
        for step in scenario.steps:
            if answers and pace:
                await asyncio.sleep(pace)
            over_mllp = step.method == "MLLP"
            answer = await (_framed(clients[step.source], step) if over_mllp else _requested(web, step))
            answers.append(answer)
            progress(step, answer)
    return tuple(answers)


async def _framed(client: Client, step: Step) -> Answer:
    body = await client.send(step.payload, ANSWER_SECONDS)
    lines = body.decode("latin-1").split("\r")
    acknowledged = next((line.split("|") for line in lines if line.startswith("MSA|")), ["MSA", ""])
    return Answer(acknowledged[1], body)


async def _requested(web: httpx.AsyncClient, step: Step) -> Answer:
    request = web.build_request(
        step.method,
        step.target,
        content=step.payload,
        params={"identifier": step.search} if step.search else None,
        headers={"Content-Type": "application/fhir+json", "X-Request-Id": step.request},
    )
    try:
        response = await web.send(request)
    except httpx.HTTPError:
        raise PeerUnavailable("no HTTP answer came") from None
    return Answer(str(response.status_code), response.content)
