"""Repeats what may be repeated: reads, polls, discovery. Never a push.

A repeated push is a new attempt that must be recorded, and perhaps charged, before it leaves
(design: "The escrow protocol"); only the engine may make one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import httpx
import tenacity

from channelsync.sdk.errors import Misconfigured, Retryable
from channelsync.sdk.http import HostRefused

__all__ = ["ATTEMPTS_MAX", "WAIT_SECONDS_MAX", "Retrying"]

ATTEMPTS_MAX: Final = 4
WAIT_SECONDS_FIRST: Final = 0.5
WAIT_SECONDS_MAX: Final = 10.0
"""Longer than this nobody waits here: the caller comes back when the channel said."""

_Result = TypeVar("_Result")


class Retrying:
    """Calls again after `Retryable`: growing, jittered pauses, at most `ATTEMPTS_MAX` calls."""

    def __init__(
        self,
        *,
        draw: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Take `draw`, evenly spread over [0, 1), for the jitter, and `sleep` for the pauses."""
        self._draw = draw
        self._sleep = sleep

    async def call(
        self,
        action: Callable[[], Awaitable[_Result]],
        *,
        on_failure: Callable[[Retryable], None] = lambda _error: None,
    ) -> _Result:
        """The result of `action`; `on_failure` hears of every failed try.

        Raises:
            Retryable: it failed too often, or asked for a longer pause than is waited for here.
            ConnectorError: whatever else `action` raises, at once.
        """

        async def once() -> _Result:
            try:
                return await _translated(action)
            except Retryable as error:
                on_failure(error)
                raise

        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception(_worth_waiting),
            stop=tenacity.stop_after_attempt(ATTEMPTS_MAX),
            wait=self._wait,
            sleep=self._sleep,
            reraise=True,
        )
        return await retrying(once)

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """The channel's own wish, or a pause that doubles, of which half is chance."""
        longest = min(WAIT_SECONDS_FIRST * 2.0 ** (state.attempt_number - 1), WAIT_SECONDS_MAX)
        pause = longest * (0.5 + self._draw() / 2)
        error = state.outcome.exception() if state.outcome else None
        wished = error.after_seconds if isinstance(error, Retryable) else None
        return pause if wished is None else wished + pause * 0.1


def _worth_waiting(error: BaseException) -> bool:
    return isinstance(error, Retryable) and (error.after_seconds or 0.0) <= WAIT_SECONDS_MAX


async def _translated(action: Callable[[], Awaitable[_Result]]) -> _Result:
    """What the wire raised, in the SDK's words, where the connector let it through."""
    try:
        return await action()
    except HostRefused as error:
        raise Misconfigured(
            f"{error}; the operator can add the host to CHANNELSYNC_ALLOW_HOSTS"
        ) from error
    except httpx.TransportError as error:
        raise Retryable(f"no answer: {type(error).__name__}") from error
