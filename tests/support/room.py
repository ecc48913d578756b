"""A room where messages arrive: a server that takes whatever is posted to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from typing_extensions import override

__all__ = ["Room", "room_open"]


@dataclass(slots=True)
class Room:
    """What was posted, and where to."""

    address: str
    """Host and port."""
    posted: list[bytes] = field(default_factory=list)


class _Door(BaseHTTPRequestHandler):
    posted: list[bytes]

    def do_POST(self) -> None:
        self.posted.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def room_open() -> Iterator[Room]:
    """A room that is open for as long as the block lasts."""
    posted: list[bytes] = []
    with HTTPServer(("127.0.0.1", 0), type("Door", (_Door,), {"posted": posted})) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Room(f"127.0.0.1:{server.server_port}", posted)
        server.shutdown()
