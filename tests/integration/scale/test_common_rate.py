"""A channel's rate holds over all processes together, with Redis and without it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from channelsync.plugins.budget import PUSH_WAIT_SECONDS_MAX
from channelsync.plugins.shared_budget import SharedBudget
from channelsync.ports import RateTokens, TokensUnavailable
from channelsync.queue.redis_tokens import RedisTokens
from tests.support.servers import Redis

RATE = 5.0


@dataclass
class Clock:
    """Time in hand; sleeping passes it."""

    at: float = 1_760_000_000.0

    def __call__(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds


@pytest.fixture
async def tokens(own_redis: Redis) -> AsyncIterator[RedisTokens]:
    made = RedisTokens(own_redis.url)
    yield made
    await made.close()


def processes(count: int, clock: Clock, tokens: RateTokens | None) -> list[SharedBudget]:
    return [
        SharedBudget(
            "shop", RATE, tokens=tokens, sharers=lambda: count, now=clock, sleep=clock.sleep
        )
        for _ in range(count)
    ]


async def sent_within(budgets: list[SharedBudget], clock: Clock, seconds: float) -> int:
    """Requests that so many processes make, each as fast as it is let."""
    end, sent = clock.at + seconds, 0
    while clock.at < end:
        for budget in budgets:
            if await budget.take_soon() == 0:
                sent += 1
        clock.at += 0.05
    return sent


@pytest.mark.parametrize("count", [1, 4])
async def test_together_they_send_no_more_than_one_may(tokens: RedisTokens, count: int) -> None:
    clock = Clock()
    begun = clock.at
    sent = await sent_within(processes(count, clock, tokens), clock, 20.0)
    allowed = (clock.at - begun) * RATE
    assert 0.8 * allowed <= sent <= allowed + 2 * RATE + 1


async def test_a_pause_that_one_was_asked_for_holds_for_all(tokens: RedisTokens) -> None:
    clock = Clock()
    one, other = processes(2, clock, tokens)
    assert await other.take_soon() == 0
    await tokens.pause("shop", clock.at + 30)
    assert await other.take_soon() == pytest.approx(30, abs=1)
    one.throttled(60)
    assert await one.take_soon() > 0


async def test_a_read_waits_for_the_common_bucket(tokens: RedisTokens) -> None:
    clock = Clock()
    one, other = processes(2, clock, tokens)
    for _ in range(int(2 * RATE)):
        assert await one.take_soon() == 0
    before = clock.at
    await other.acquire()
    assert clock.at > before


async def test_a_push_waits_a_moment_for_the_common_bucket_and_no_longer(
    tokens: RedisTokens,
) -> None:
    clock = Clock()
    one, other = processes(2, clock, tokens)
    for _ in range(int(2 * RATE)):
        assert await one.take_soon() == 0
    before = clock.at
    assert await other.take_soon() == 0
    assert 0 < clock.at - before <= PUSH_WAIT_SECONDS_MAX
    await tokens.pause("shop", clock.at + 30)
    before = clock.at
    assert await other.take_soon() == pytest.approx(30, abs=1)
    assert clock.at == pytest.approx(before)


@pytest.mark.parametrize("count", [1, 4])
async def test_without_redis_everybody_keeps_to_his_share(count: int) -> None:
    clock = Clock()
    sent = await sent_within(processes(count, clock, None), clock, 20.0)
    assert sent <= 20 * RATE + 2 * RATE + count


async def test_when_redis_dies_the_rate_still_holds(own_redis: Redis, tokens: RedisTokens) -> None:
    clock = Clock()
    budgets = processes(4, clock, tokens)
    await sent_within(budgets, clock, 5.0)
    own_redis.kill()
    sent = await sent_within(budgets, clock, 20.0)
    assert 0 < sent <= 20 * RATE + 2 * RATE + 4


async def test_a_bucket_that_cannot_be_asked_is_said_to_be_so(
    own_redis: Redis, tokens: RedisTokens
) -> None:
    own_redis.kill()
    for _ in range(2):
        with pytest.raises(TokensUnavailable):
            await tokens.take("shop", rate=1, burst=2, now=0.0)
