"""One token bucket a channel for all processes, in Redis: a rate holds over all of them together.

The bucket is counted by the processes' common clock, which never runs backwards here. Whoever
cannot reach Redis goes on with its share of the rate (`channelsync.plugins.shared_budget`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from channelsync.domain.vocabulary import Instant
from channelsync.ports import TokensUnavailable

__all__ = ["RedisTokens"]

ANSWER_SECONDS_MAX: Final = 1.0
REST_SECONDS: Final = 2.0
"""After a failure Redis is left alone for so long."""
KEEP_SECONDS: Final = 7_200
_TAKE: Final = """
local rate, burst, now = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'pause')
local tokens = tonumber(kept[1]) or burst
local at = tonumber(kept[2]) or now
local pause = tonumber(kept[3]) or 0
if now > at then
  local from = math.max(at, math.min(pause, now))
  tokens = math.min(burst, tokens + (now - from) * rate)
  at = now
end
local wait = math.max(pause - at, 0) + math.max(1 - tokens, 0) / rate
if ARGV[4] == 'must' then wait = 0 end
if wait == 0 then tokens = tokens - 1 end
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', string.format('%.6f', at))
redis.call('EXPIRE', KEYS[1], ARGV[5])
return tostring(wait)
"""
_PAUSE: Final = """
local pause = tonumber(redis.call('HGET', KEYS[1], 'pause')) or 0
if tonumber(ARGV[1]) > pause then redis.call('HSET', KEYS[1], 'pause', ARGV[1]) end
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 0
"""


class RedisTokens:
    """The buckets of every channel."""

    def __init__(self, url: str) -> None:
        # No socket timeout: the client would send through `asyncio.wait_for`, which on Python 3.11
        # can drop a cancellation. `_ask` bounds the whole question instead.
        self._redis: Redis = Redis.from_url(url, socket_connect_timeout=ANSWER_SECONDS_MAX)
        self._take = self._redis.register_script(_TAKE)
        self._pause = self._redis.register_script(_PAUSE)
        self._rests_until = 0.0

    async def take(
        self, channel: str, *, rate: float, burst: float, now: Instant, must: bool = False
    ) -> float:
        """Take a token and return 0; or none, and return the seconds until there is one.

        With `must` it is taken in any case, and the next ones wait for it.

        Raises:
            TokensUnavailable: Redis cannot be asked.
        """
        arguments = [rate, burst, now, "must" if must else "may", KEEP_SECONDS]
        return float(await self._ask(self._take, channel, arguments))

    async def pause(self, channel: str, until: Instant) -> None:
        """Nobody gets a token before then.

        Raises:
            TokensUnavailable: Redis cannot be told.
        """
        await self._ask(self._pause, channel, [until, KEEP_SECONDS])

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()

    async def _ask(self, script: object, channel: str, arguments: Sequence[object]) -> bytes:
        loop = asyncio.get_running_loop()
        if loop.time() < self._rests_until:
            raise TokensUnavailable("Redis did not answer a moment ago")
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                answer: bytes = await script(  # type: ignore[operator]
                    keys=[f"channelsync:budget:{channel}"], args=list(arguments)
                )
        except (RedisError, OSError, TimeoutError) as error:
            self._rests_until = loop.time() + REST_SECONDS
            raise TokensUnavailable(str(error) or type(error).__name__) from error
        return answer
