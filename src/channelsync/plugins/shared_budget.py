"""A channel's rate budget that holds over all processes together.

Each process keeps its own bucket for fairness between reads and pushes, and asks the common one
before every request. Where that cannot be asked, each process keeps to its share of the rate: the
declared one divided by the processes there are. That may be too slow, never too fast.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from typing_extensions import override

from channelsync.plugins.budget import (
    PAUSE_SECONDS_DEFAULT,
    PAUSE_SECONDS_MAX,
    PUSH_WAIT_SECONDS_MAX,
    WAIT_SECONDS_MIN,
    RateBudget,
)
from channelsync.ports import RateTokens, TokensUnavailable
from channelsync.sdk.types import Instant

__all__ = ["SharedBudget"]


class SharedBudget(RateBudget):
    """The budget of one channel in one of several processes."""

    def __init__(
        self,
        channel: str,
        per_second: float,
        *,
        tokens: RateTokens | None,
        sharers: Callable[[], int],
        now: Callable[[], Instant],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        super().__init__(per_second, now=now, sleep=sleep)
        self._channel = channel
        self._common = tokens
        self._sharers = sharers
        self._whole = per_second
        self._whole_burst = self._burst
        self._telling: set[asyncio.Task[None]] = set()

    @override
    async def acquire(self) -> None:
        while True:
            await super().acquire()
            wait = await self._take_common()
            if wait == 0:
                return
            self._give_back()
            await self._wait(wait)

    @override
    async def take_soon(self) -> float:
        until = self._now() + PUSH_WAIT_SECONDS_MAX
        while True:
            if wait := await super().take_soon():
                return wait
            if not (wait := await self._take_common()):
                return 0.0
            self._give_back()
            if self._now() + wait > until:
                return wait
            await self._wait(max(wait, WAIT_SECONDS_MIN))

    @override
    async def spend(self) -> None:
        await super().spend()
        await self._take_common(must=True)

    @override
    def throttled(self, after_seconds: float | None = None) -> None:
        super().throttled(after_seconds)
        pause = PAUSE_SECONDS_DEFAULT if after_seconds is None else max(after_seconds, 0.0)
        until = self._now() + min(pause, PAUSE_SECONDS_MAX)
        if self._common is not None:
            telling = asyncio.create_task(self._tell_pause(self._common, until))
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)

    async def _tell_pause(self, common: RateTokens, until: Instant) -> None:
        try:
            await common.pause(self._channel, until)
        except TokensUnavailable:
            self._keep_to_share()

    async def _take_common(self, *, must: bool = False) -> float:
        """A token of the common bucket; 0 where it was taken, or there is none to ask."""
        if self._common is None:
            self._keep_to_share()
            return 0.0
        try:
            wait = await self._common.take(
                self._channel,
                rate=self._whole,
                burst=self._whole_burst,
                now=self._now(),
                must=must,
            )
        except TokensUnavailable:
            self._keep_to_share()
            return 0.0
        self._set_declared(self._whole, self._whole_burst)
        return wait

    def _keep_to_share(self) -> None:
        share = self._whole / max(self._sharers(), 1)
        self._set_declared(share, max(1.0, 2.0 * share))
