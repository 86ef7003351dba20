"""An HTTP server that takes what is posted to it, as the receiver of an alarm webhook does."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Sink:
    """What was posted, in order, and how to answer it.

    Attributes:
        url: where to post.
        received: every body.
        answers: statuses to answer next; 204 once none is left.

    """

    def __init__(self) -> None:
        self.url = ""
        self.received: list[dict[str, Any]] = []
        self.answers: list[int] = []


@contextmanager
def a_sink() -> Iterator[Sink]:
    """A sink on a free loopback port for the time of the block."""
    sink = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sink.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(sink.answers.pop(0) if sink.answers else 204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        sink.url = f"http://127.0.0.1:{server.server_address[1]}/secret-path"
        try:
            yield sink
        finally:
            server.shutdown()
            thread.join()
