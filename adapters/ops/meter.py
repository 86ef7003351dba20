"""What a process counts and times, and the metrics that it makes with what the other processes did.

Labels are bounded: sources are those of the site, everything else is ``other``. No label holds anything of a patient.
"""

import threading
from bisect import bisect_left
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf
from time import perf_counter
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from adapters.store.watch import KEYS_LEFT_OUT, MISSING
from gateway.errors import AckCode
from gateway.pipeline import Ending
from gateway.reception import Recorded, State, Transport

OTHER = "other"
"""Label of what is no source of the site."""

ACKNOWLEDGMENT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
END_TO_END_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

_ENDED = tuple(state.value for state in State if state is not State.PENDING)

PeerT = TypeVar("PeerT")


ANSWERS, ENDED, DEPARTURES = "answers", "ended", "departures"
TIMED = "timed"
ACKNOWLEDGMENT, END_TO_END = "acknowledgment", "end_to_end"
SUM = "sum"
"""Names of tallies; a time's labels end with its bucket's upper bound, or with ``sum`` for all seconds together."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What came since the last time it was taken.

    Attributes:
        seen: source -> when it last sent something; the source is empty for whoever the site does not name.
        counted: source -> messages recorded.
        tallies: what was counted and timed.

    """

    seen: dict[str, datetime]
    counted: dict[str, int]
    tallies: dict[tuple[str, str], float]


class Meter:
    """Counts and times what this process does, until the watch takes it.

    Args:
        sources: ids of the site's sources.

    """

    def __init__(self, sources: Collection[str]) -> None:
        self._sources = frozenset(sources)
        self._turn = threading.Lock()
        self._seen: dict[str, datetime] = {}
        self._counted: Tally[str] = Tally()
        self._tallies: defaultdict[tuple[str, str], float] = defaultdict(float)

    # -- told by the parts -----------------------------------------------------------------------------------------

    def seen(self, source: str, at: datetime, *, missing: int = 0) -> None:
        """Note that a source sent something, whatever it is answered, and how many messages are missing before it."""
        known = self._known(source)
        with self._turn:
            self._seen[known] = at
            if missing:
                self._tallies[MISSING, known or OTHER] += missing

    def answered(self, source: str, transport: Transport, result: Recorded | AckCode) -> None:
        """Count a reception's answer: what was recorded, or the code of why it was not."""
        code = result if isinstance(result, AckCode) else result.code
        known = self._known(source)
        with self._turn:
            self._tallies[ANSWERS, f"{known or OTHER}|{transport.value}|{code.value}"] += 1
            if isinstance(result, AckCode):
                return
            self._counted[known] += 1
            if result.state is not State.PENDING:
                self._tallies[ENDED, result.state.value] += 1

    def departed(self, source: str, rules: Iterable[tuple[str, str]]) -> None:
        """Count a message under each rule (profile, rule) of its source's profile that it departs from."""
        known = self._known(source) or OTHER
        with self._turn:
            for profile, rule in rules:
                self._tallies[DEPARTURES, f"{known}|{profile}|{rule}"] += 1

    def acknowledged(self, transport: Transport, seconds: float) -> None:
        """Time an answer."""
        with self._turn:
            self._time(ACKNOWLEDGMENT, f"{transport.value}|", ACKNOWLEDGMENT_BUCKETS, seconds)

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
        with self._turn:
            for ending in endings:
                self._tallies[ENDED, ending.outcome.state.value] += 1
            for at in received:
                if at is not None:
                    self._time(END_TO_END, "", END_TO_END_BUCKETS, max(0.0, (now - at).total_seconds()))

    def stepped(self, step: str, secretariat: str) -> None:
        """Count what time did to an item of a secretariat's queue."""
        with self._turn:
            self._tallies[TIMED, f"{secretariat}|{step}"] += 1

    def left_out(self, kinds: Mapping[str, int]) -> None:
        """Count blocking keys by which nobody was looked for, since too many share them, by kind."""
        if kinds:
            with self._turn:
                for kind, times in kinds.items():
                    self._tallies[KEYS_LEFT_OUT, kind] += times

    def _time(self, name: str, labels: str, buckets: Sequence[float], seconds: float) -> None:
        place = bisect_left(buckets, seconds)
        bound: str = floatToGoString(buckets[place] if place < len(buckets) else inf)  # type: ignore[no-untyped-call]
        self._tallies[name, f"{labels}{bound}"] += 1
        self._tallies[name, f"{labels}{SUM}"] += seconds

    # -- taken by the watch ----------------------------------------------------------------------------------------

    def take_traffic(self) -> Traffic:
        """Give what came since the last time."""
        with self._turn:
            traffic = Traffic(self._seen, dict(self._counted), dict(self._tallies))
            self._seen, self._counted, self._tallies = {}, Tally(), defaultdict(float)
        return traffic

    def return_traffic(self, traffic: Traffic) -> None:
        """Keep what could not be written for the next time."""
        with self._turn:
            self._seen = {**traffic.seen, **self._seen}
            self._counted.update(traffic.counted)
            for key, amount in traffic.tallies.items():
                self._tallies[key] += amount

    def _known(self, source: str) -> str:
        return source if source in self._sources else ""


_COUNTED = (
    (
        ANSWERS,
        "gateway_answers",
        "Receptions answered, by source, transport and acknowledgment code (trouble is AE)",
        ["source", "transport", "answer"],
    ),
    (
        DEPARTURES,
        "gateway_profile_departures",
        "Messages that depart from their source's profile, by its rules; one counts under each",
        ["source", "profile", "rule"],
    ),
    (
        MISSING,
        "gateway_sequence_missing",
        "Messages that never came, by the sequence numbers (MSH-13) of those that did",
        ["source"],
    ),
    (
        TIMED,
        "gateway_items_timed",
        "What time did to items: taken up (wake), freed (expire), told as late (escalate)",
        ["secretariat", "step"],
    ),
    (
        KEYS_LEFT_OUT,
        "gateway_matching_keys_left_out",
        "Blocking keys by which nobody was looked for, since too many share them, by kind",
        ["kind"],
    ),
)
"""Tallies whose own labels are the metric's: tally, metric, what it says, labels."""


def counters(tallies: Mapping[tuple[str, str], float]) -> Iterator[Metric]:
    """Give the counters and histograms that tallies make."""
    for tally, metric, said, labels in _COUNTED:
        family = CounterMetricFamily(metric, said, labels=labels)
        for (name, values), amount in sorted(tallies.items()):
            if name == tally:
                family.add_metric(values.split("|"), amount)
        yield family
    ended = CounterMetricFamily("gateway_messages_ended", "Messages that ended, by state", labels=["state"])
    for state in _ENDED:
        ended.add_metric([state], tallies.get((ENDED, state), 0.0))
    yield ended
    said = "From a frame or request body received to its answer ready (MLLP) or its bytes on disk (HTTP)"
    acknowledgment = HistogramMetricFamily("gateway_acknowledgment_seconds", said, labels=["transport"])
    for transport in (Transport.MLLP, Transport.HTTP):
        _fill(acknowledgment, [transport.value], ACKNOWLEDGMENT, ACKNOWLEDGMENT_BUCKETS, tallies)
    yield acknowledgment
    said = "From a message's reception to its end in the pipeline; a replay counts from the first reception"
    end_to_end = HistogramMetricFamily("gateway_end_to_end_seconds", said, labels=[])
    _fill(end_to_end, [], END_TO_END, END_TO_END_BUCKETS, tallies)
    yield end_to_end


def _fill(
    family: HistogramMetricFamily,
    labels: list[str],
    name: str,
    bounds: Sequence[float],
    tallies: Mapping[tuple[str, str], float],
) -> None:
    """Add one series: each bucket holds all that came within its bound."""
    buckets, total = [], 0.0
    for bound in map(floatToGoString, (*bounds, inf)):
        total += tallies.get((name, "|".join((*labels, bound))), 0.0)
        buckets.append((bound, total))
    family.add_metric(labels, buckets, tallies.get((name, "|".join((*labels, SUM))), 0.0))


class Metrics(Collector):
    """Gives metrics made when they are asked for, from what was read before: a scrape reads nothing.

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
