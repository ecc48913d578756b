"""How many requests a channel may make: a token bucket that listens to the marketplace.

Reads wait for a token. A push waits for a moment at most, less than a connection may take anyway,
because its send deadline was checked just before; then it is told how long to stay away. The last
token is kept for pushes, so that a long discovery does not hold up a cut; a read that has waited
too long comes first all the same, so that a long series of pushes does not hold up the order feed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from channelsync.sdk.types import Instant

__all__ = ["PAUSE_SECONDS_MAX", "PUSH_WAIT_SECONDS_MAX", "WAIT_SECONDS_MIN", "RateBudget"]

PAUSE_SECONDS_MAX: Final = 3_600.0
PAUSE_SECONDS_DEFAULT: Final = 2.0
"""When a marketplace says "slow down" without saying for how long."""
PUSH_WAIT_SECONDS_MAX: Final = 1.0
WAIT_SECONDS_MIN: Final = 0.001
RATE_FLOOR: Final = 1 / 16
RECOVERY: Final = 1 / 50
"""Every request that is not throttled gives back this part of the declared rate."""
PATIENCE_TOKENS: Final = 4.0
"""A read is patient for as long as this many tokens take to come."""


class RateBudget:
    """The budget of one channel: the declared rate, and a burst of two seconds' worth."""

    def __init__(
        self,
        per_second: float,
        *,
        now: Callable[[], Instant],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        if per_second <= 0:
            raise ValueError(f"a rate of {per_second} requests a second")
        self._declared = per_second
        self._rate = per_second
        self._burst = max(2.0, 2.0 * per_second)
        self._tokens = self._burst
        self._now = now
        self._sleep = sleep
        self._seen_at = now()
        self._paused_until = self._seen_at
        self._reader_turn = asyncio.Lock()
        self._reader_since: Instant | None = None
        self._waited_seconds = 0.0

    @property
    def per_second(self) -> float:
        """The rate now: the declared one, or less after the channel asked us to slow down."""
        return self._rate

    @property
    def waited_seconds(self) -> float:
        """How long callers have waited for tokens, all together."""
        return self._waited_seconds

    async def _wait(self, seconds: float) -> None:
        self._waited_seconds += seconds
        await self._sleep(seconds)

    async def acquire(self) -> None:
        """Wait for a token and take it; callers are served in their order."""
        async with self._reader_turn:
            self._reader_since = self._refreshed()
            try:
                while wait := self._reader_wait():
                    await self._wait(wait)
                self._tokens -= 1
            finally:
                self._reader_since = None

    async def take_soon(self) -> float:
        """Take a token for a push and return 0; or none, and return the seconds to stay away.

        Waits for at most `PUSH_WAIT_SECONDS_MAX`.
        """
        wait = self._take()
        if 0 < wait <= PUSH_WAIT_SECONDS_MAX:
            await self._wait(wait)
            wait = self._take()
        return wait

    async def room(self) -> None:
        """Wait until a push would find a token, for as long as `take_soon` would; take none.

        Whoever composes a push only then takes along what was planned meanwhile.
        """
        wait = self._push_wait()
        if 0 < wait <= PUSH_WAIT_SECONDS_MAX:
            await self._wait(wait)

    def _take(self) -> float:
        wait = self._push_wait()
        if wait == 0:
            self._tokens -= 1
        return wait

    def _push_wait(self) -> float:
        self._refreshed()
        wait = self._wait_for(1.0)
        if wait == 0 and self._reader_is_due():
            wait = 1 / self._rate
        return wait

    async def spend(self) -> None:
        """Count a request that cannot wait, in a push that has its token already."""
        self.debit()

    def _give_back(self) -> None:
        """A token that was taken was not used."""
        self._tokens = min(self._tokens + 1, self._burst)

    def _set_declared(self, per_second: float, burst: float) -> None:
        """Keep to another rate from now on; a slowdown that the channel asked for stays."""
        if per_second == self._declared and burst == self._burst:
            return
        self._refreshed()
        self._rate *= per_second / self._declared
        self._declared = per_second
        self._burst = burst
        self._tokens = min(self._tokens, burst)

    def debit(self) -> None:
        """Count a request that could not wait; the next ones wait for it."""
        self._refreshed()
        self._tokens -= 1

    def throttled(self, after_seconds: float | None = None) -> None:
        """The channel asked us to slow down: pause, then go on at half the rate."""
        now = self._refreshed()
        pause = PAUSE_SECONDS_DEFAULT if after_seconds is None else max(after_seconds, 0.0)
        self._paused_until = max(self._paused_until, now + min(pause, PAUSE_SECONDS_MAX))
        self._rate = max(self._rate / 2, self._declared * RATE_FLOOR)
        self._tokens = min(self._tokens, 1.0)

    def answered(self) -> None:
        """A request was answered without complaint: the rate recovers."""
        self._rate = min(self._rate + self._declared * RECOVERY, self._declared)

    def _refreshed(self) -> Instant:
        """Add what has come since the last look. A clock that was set back costs nothing."""
        now = self._now()
        passed = now - self._seen_at
        if passed < 0:
            self._paused_until += passed
        else:
            running = min(passed, max(0.0, now - self._paused_until))
            self._tokens = min(self._burst, self._tokens + running * self._rate)
        self._seen_at = now
        return now

    def _wait_for(self, tokens: float) -> float:
        pause = max(0.0, self._paused_until - self._seen_at)
        missing = max(0.0, tokens - self._tokens)
        wait = pause + missing / self._rate
        # A wait too short to move a clock of POSIX seconds would be waited for ever.
        return max(wait, WAIT_SECONDS_MIN) if wait else 0.0

    def _reader_wait(self) -> float:
        self._refreshed()
        wait = self._wait_for(1.0 if self._reader_is_due() else 2.0)
        # A due reader must be looked at again when it becomes due, not when a second token comes.
        return min(wait, max(self._wait_for(1.0), 1 / self._rate)) if wait else 0.0

    def _reader_is_due(self) -> bool:
        since = self._reader_since
        return since is not None and self._seen_at - since >= PATIENCE_TOKENS / self._rate
