"""HTTP/1.1 at the socket: the server's own protocol over httptools, which parses in C, bounded."""

from __future__ import annotations

from typing import Final

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["HEAD_BYTES_MAX", "BoundedHttp"]

HEAD_BYTES_MAX: Final = 65_536
"""Of a head, as other servers have it; and of whatever else stands around a body."""


class BoundedHttp(HttpToolsProtocol):
    """A connection. The parser itself would gather a head, or a trailer, without end."""

    _untold_bytes = 0
    """Received since the parser told of a part of a body, or of the end of a request."""
    _head_is_told = False

    @override
    def data_received(self, data: bytes) -> None:
        self._untold_bytes += len(data)
        super().data_received(data)
        if self._untold_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.logger.warning("A head without an end.")
            self.send_400_response("Invalid HTTP request received.")

    @override
    def on_message_begin(self) -> None:
        self._head_is_told = False
        super().on_message_begin()

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        # What follows a body proves nothing: who asks was looked at before.
        if not self._head_is_told:
            super().on_header(name, value)

    @override
    def on_headers_complete(self) -> None:
        self._head_is_told = True
        super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        self._untold_bytes = 0
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._untold_bytes = 0
        super().on_message_complete()
