"""A hospital's senders, for benchmarks: many MLLP connections from one process, each waiting for its answer.

Run as a program, so that the sender's work is not the gateway's; prints one JSON object.
"""

import json
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from messages import admission, appointment, document, patient_told, result

ANSWER_SECONDS = 60.0


def stay(name: str) -> Iterator[bytes]:
    """Patient after patient: told, admitted, a result in two versions, an appointment that is moved, a report."""
    number = 0
    while True:
        number += 1
        ipp, own = f"8{name}{number:06}", f"{name}-{number}"
        yield patient_told(f"{own}-0", ipp)
        yield admission(f"{own}-1", ipp, f"V{own}", when=1)
        yield result(f"{own}-2", ipp, f"O{own}", when=2, status="P")
        yield result(f"{own}-3", ipp, f"O{own}", when=3, value="7.7", flag="HH")
        yield appointment("S12", f"{own}-4", ipp, f"R{own}", when=4)
        yield appointment("S13", f"{own}-5", ipp, f"R{own}", when=5, starts=3_000)
        yield document("T02", f"{own}-6", ipp, f"D{own}", when=6)


class Sender:
    """One connection: the next message goes out when the last has its answer, or at its time where a rate is set."""

    def __init__(self, address: tuple[str, int], frames: list[bytes]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.frames = frames
        self.next = 0
        self.sent_at = 0.0
        self.latencies: list[float] = []
        self.refused = 0
        self._received = b""

    def send(self) -> None:
        """Send the next message."""
        self.sent_at = time.perf_counter()
        self.socket.sendall(self.frames[self.next])
        self.next += 1

    def take(self) -> bool:
        """Read what came; whether the answer is whole."""
        data = self.socket.recv(65_536)
        if not data:
            raise ConnectionError("closed by the gateway")
        self._received += data
        if not self._received.endswith(b"\x1c\r"):
            return False
        self.latencies.append(time.perf_counter() - self.sent_at)
        self.refused += b"MSA|AA" not in self._received
        self._received = b""
        return True


class Hospital:
    """Senders that send until every message has its answer.

    Args:
        address: the listener's.
        connections: how many senders.
        each: messages a sender.
        rate: messages a second over all of them; 0: as fast as answers come.
        name: begins every identifier, so that runs on one database have patients of their own.

    """

    def __init__(self, address: tuple[str, int], connections: int, each: int, rate: float, name: str) -> None:
        streams = [stay(f"{name}{number:03}") for number in range(connections)]
        self._senders = [Sender(address, [b"\x0b" + next(s) + b"\x1c\r" for _ in range(each)]) for s in streams]
        self._total = connections * each
        self._rate = rate
        self._idle = deque(self._senders)
        self._sent = self._answered = 0
        self._began = 0.0

    def work(self) -> dict[str, object]:
        """Send everything, and give what came of it."""
        self._began = time.perf_counter()
        with selectors.DefaultSelector() as selector:
            for sender in self._senders:
                selector.register(sender.socket, selectors.EVENT_READ, sender)
            while self._answered < self._total:
                self._send_due()
                for key, _ in selector.select(self._pause()):
                    self._take(key.data)
        seconds = time.perf_counter() - self._began
        latencies = sorted(latency for sender in self._senders for latency in sender.latencies)
        return {
            "messages": self._total,
            "seconds": seconds,
            "refused": sum(sender.refused for sender in self._senders),
            "p50_ms": latencies[len(latencies) // 2] * 1e3,
            "p99_ms": latencies[len(latencies) * 99 // 100] * 1e3,
        }

    def _send_due(self) -> None:
        while self._idle and self._sent < self._total and self._due_in() <= 0:
            self._idle.popleft().send()
            self._sent += 1

    def _due_in(self) -> float:
        return self._began + self._sent / self._rate - time.perf_counter() if self._rate else 0.0

    def _pause(self) -> float:
        waits = self._idle and self._sent < self._total
        return max(0.0, self._due_in()) if waits else ANSWER_SECONDS

    def _take(self, sender: Sender) -> None:
        if sender.take():
            self._answered += 1
            if sender.next < len(sender.frames):
                self._idle.append(sender)


if __name__ == "__main__":
    host, port, connections, each, rate, name = sys.argv[1:]
    hospital = Hospital((host, int(port)), int(connections), int(each), float(rate), name)
    print(json.dumps(hospital.work()))  # noqa: T201
