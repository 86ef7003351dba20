"""The metrics of one process, in a registry of their own.

Labels are bounded: sources are those of the site, everything else is ``other``. No label holds anything of a patient.
"""

import threading
from collections import Counter as Tally
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.errors import AckCode
from gateway.pipeline import Ending
from gateway.reception import Recorded, State, Transport

OTHER = "other"
"""Label of what is no source of the site."""

ACKNOWLEDGMENT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
END_TO_END_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

_ENDED = tuple(state.value for state in State if state is not State.PENDING)

PeerT = TypeVar("PeerT")


@dataclass(frozen=True, slots=True)
class Traffic:
    """What came since the last time it was taken.

    Attributes:
        seen: source -> when it last sent something; the source is empty for whoever the site does not name.
        counted: source -> messages recorded.

    """

    seen: dict[str, datetime]
    counted: dict[str, int]


class Meter:
    """Counts and times what this process does.

    Args:
        sources: ids of the site's sources.

    """

    def __init__(self, sources: Collection[str]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series for each, of no use
        self._sources = frozenset(sources)
        self._turn = threading.Lock()
        self._seen: dict[str, datetime] = {}
        self._counted: Tally[str] = Tally()
        self.registry = CollectorRegistry(auto_describe=False)
        self._answers = Counter(
            "gateway_answers",
            "Receptions answered by this process: by source, transport and acknowledgment code (trouble is AE)",
            ["source", "transport", "answer"],
            registry=self.registry,
        )
        self._ended = Counter(
            "gateway_messages_ended", "Messages that ended in this process, by state", ["state"], registry=self.registry
        )
        self._acknowledgment = Histogram(
            "gateway_acknowledgment_seconds",
            "From a frame or request body received to its answer ready (MLLP) or its bytes on disk (HTTP)",
            ["transport"],
            buckets=ACKNOWLEDGMENT_BUCKETS,
            registry=self.registry,
        )
        self._end_to_end = Histogram(
            "gateway_end_to_end_seconds",
            "From a message's reception to its end in the pipeline; a replay counts from the first reception",
            buckets=END_TO_END_BUCKETS,
            registry=self.registry,
        )
        for state in _ENDED:
            self._ended.labels(state)
        for transport in Transport:
            self._acknowledgment.labels(transport.value)

    # -- told by the parts -----------------------------------------------------------------------------------------

    def seen(self, source: str, at: datetime) -> None:
        """Note that a source sent something, whatever it is answered."""
        with self._turn:
            self._seen[self._known(source)] = at

    def answered(self, source: str, transport: Transport, result: Recorded | AckCode) -> None:
        """Count a reception's answer: what was recorded, or the code of why it was not."""
        code = result if isinstance(result, AckCode) else result.code
        self._answers.labels(self._known(source) or OTHER, transport.value, code.value).inc()
        if isinstance(result, AckCode):
            return
        with self._turn:
            self._counted[self._known(source)] += 1
        if result.state is not State.PENDING:
            self._ended.labels(result.state.value).inc()

    def acknowledged(self, transport: Transport, seconds: float) -> None:
        """Time an answer."""
        self._acknowledgment.labels(transport.value).observe(seconds)

    def timed(self, handler: Callable[[bytes, PeerT], Awaitable[bytes]]) -> Callable[[bytes, PeerT], Awaitable[bytes]]:
        """Give a handler of MLLP frames whose answers are timed."""

        async def receive(frame: bytes, peer: PeerT) -> bytes:
            began = perf_counter()
            answer = await handler(frame, peer)
            self.acknowledged(Transport.MLLP, perf_counter() - began)
            return answer

        return receive

    def counted(self, refuse: Callable[[int, PeerT], bytes]) -> Callable[[int, PeerT], bytes]:
        """Give what answers frames beyond the limit, of which nothing is kept, and counts them."""

        def answer(limit: int, peer: PeerT) -> bytes:
            self.answered("", Transport.MLLP, AckCode.AR)
            return refuse(limit, peer)

        return answer

    def ended(self, endings: Sequence[Ending], received: Iterable[datetime | None], now: datetime) -> None:
        """Count the messages of a batch that was committed, and time them."""
        for ending in endings:
            self._ended.labels(ending.outcome.state.value).inc()
        for at in received:
            if at is not None:
                self._end_to_end.observe(max(0.0, (now - at).total_seconds()))

    # -- taken by the watch ----------------------------------------------------------------------------------------

    def take_traffic(self) -> Traffic:
        """Give what came since the last time."""
        with self._turn:
            traffic = Traffic(self._seen, dict(self._counted))
            self._seen, self._counted = {}, Tally()
        return traffic

    def return_traffic(self, traffic: Traffic) -> None:
        """Keep what could not be written for the next time."""
        with self._turn:
            self._seen = {**traffic.seen, **self._seen}
            self._counted.update(traffic.counted)

    def exposition(self) -> bytes:
        """Give all metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def _known(self, source: str) -> str:
        return source if source in self._sources else ""


class Gauges(Collector):
    """Gives gauges made when they are asked for, from what was read before: a scrape reads nothing.

    Args:
        families: makes them.

    """

    def __init__(self, families: Callable[[], Iterator[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Give the metrics."""
        return self._families()


def gauge(name: str, said: str, value: float | None) -> Iterator[Metric]:
    """Give a gauge; none while its value is unknown."""
    if value is not None:
        yield GaugeMetricFamily(name, said, value=value)


def gauges(name: str, said: str, label: str, values: dict[str, float]) -> Iterator[Metric]:
    """Give a gauge for each value of a label."""
    family = GaugeMetricFamily(name, said, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    yield family
