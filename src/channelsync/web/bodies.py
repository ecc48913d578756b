"""Request bodies, read under a cap: neither uvicorn nor Starlette has one of its own."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from starlette.requests import Request

from channelsync.web.head import header
from channelsync.web.problems import Problem

__all__ = ["BODY_BYTES_MAX", "read_body"]

BODY_BYTES_MAX: Final = 1024 * 1024
_KEPT: Final = "channelsync.body"


async def read_body(request: Request, *, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """The raw body, counted as it arrives; what Content-Length claims is not believed.

    A second reader of the same request is given what the first one has read.

    Raises:
        Problem: it is larger than `bytes_max` (413), or encoded (415).
    """
    kept = request.scope.get(_KEPT)
    if kept is not None and len(kept) <= bytes_max:
        return bytes(kept)
    encoding = header(request.scope, b"content-encoding") or "identity"
    if encoding.strip().lower() != "identity":
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body as it is, without Content-Encoding"
        )
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > bytes_max:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is above {bytes_max} bytes"
            )
        chunks.append(chunk)
    body = request.scope[_KEPT] = b"".join(chunks)
    return body
