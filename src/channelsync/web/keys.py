"""`Idempotency-Key`: the same key and request are answered alike, however often they come."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from channelsync.engine.idempotency import (
    Act,
    Answer,
    KeyInFlight,
    KeyReused,
    Once,
    Outside,
    Transact,
)
from channelsync.web.head import header
from channelsync.web.problems import MEDIA_TYPE, Problem

__all__ = ["answer_of", "key_of", "told"]

KEY_PATTERN: Final = re.compile(r"[\x21-\x7e]{1,200}", re.ASCII)


def key_of(request: Request, scope: str) -> str | None:
    """The caller's key, apart from everybody else's; None where none was sent.

    Raises:
        Problem: it cannot be a key.
    """
    key = header(request.scope, b"idempotency-key")
    if key is None:
        return None
    if not KEY_PATTERN.fullmatch(key):
        raise Problem(
            HTTPStatus.BAD_REQUEST, "Idempotency-Key: 1 to 200 printable characters, no spaces"
        )
    return f"{scope}/{key}"


async def answer_of(
    once: Once,
    key: str | None,
    fingerprint: str,
    act: Act,
    outside: Outside | None = None,
    transact: Transact | None = None,
) -> Response:
    """Act once, and answer.

    Raises:
        Problem: the key was used for something else (422), or is being answered (409).
    """
    return await told(once.answer(key, fingerprint, act, outside, transact))


async def told(answering: Awaitable[Answer]) -> Response:
    """An answer as a response.

    Raises:
        Problem: the key was used for something else (422), or is being answered (409).
    """
    try:
        answer = await answering
    except KeyReused:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "this Idempotency-Key was used for another request: use a fresh one",
        ) from None
    except KeyInFlight:
        raise Problem(
            HTTPStatus.CONFLICT, "the first request with this Idempotency-Key is being answered"
        ) from None
    refused = answer.status >= HTTPStatus.BAD_REQUEST
    media_type = MEDIA_TYPE if refused else "application/json"
    return Response(answer.body, status_code=answer.status, media_type=media_type)
