"""The rate budget of a channel."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channelsync.plugins.budget import PUSH_WAIT_SECONDS_MAX, RateBudget
from tests.unit.plugins.world import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


def budget_of(clock: Clock, per_second: float = 2.0) -> RateBudget:
    return RateBudget(per_second, now=clock.now, sleep=clock.sleep)


async def test_a_burst_passes_and_then_the_rate_holds(clock: Clock) -> None:
    budget = budget_of(clock)
    for _ in range(13):
        await budget.acquire()
    # Four at once but for the one that is kept for pushes, then two a second.
    assert clock.time - 1_000 == pytest.approx(5.0)


async def test_a_push_finds_a_token_although_reads_take_all_they_can(clock: Clock) -> None:
    budget = budget_of(clock)
    for _ in range(10):
        await budget.acquire()
        assert await budget.take_soon() == 0 or clock.slept[-1] <= PUSH_WAIT_SECONDS_MAX


async def test_a_push_without_a_token_is_told_how_long_to_stay_away(clock: Clock) -> None:
    budget = budget_of(clock, 0.1)
    assert [await budget.take_soon() for _ in range(2)] == [0, 0]
    wait = await budget.take_soon()
    assert wait == pytest.approx(10.0)
    assert clock.slept == []
    clock.time += wait
    assert await budget.take_soon() == 0


async def test_a_push_waits_a_moment_rather_than_come_again(clock: Clock) -> None:
    budget = budget_of(clock)
    assert [await budget.take_soon() for _ in range(8)] == [0] * 8
    assert clock.slept == pytest.approx([0.5] * 4)


async def test_room_is_waited_for_and_left_to_the_push(clock: Clock) -> None:
    budget = budget_of(clock)
    await budget.room()
    assert [await budget.take_soon() for _ in range(4)] == [0] * 4
    assert clock.slept == []
    await budget.room()
    assert clock.slept == pytest.approx([0.5])
    assert await budget.take_soon() == 0
    budget.throttled(PUSH_WAIT_SECONDS_MAX + 1)
    await budget.room()
    assert clock.slept == pytest.approx([0.5])


async def test_a_read_that_waited_too_long_comes_before_the_next_push(clock: Clock) -> None:
    budget = budget_of(clock)
    for _ in range(4):
        assert await budget.take_soon() == 0
    read = asyncio.create_task(budget.acquire())
    pushed = 0
    while not read.done():
        assert pushed < 20
        pushed += await budget.take_soon() == 0
        await asyncio.sleep(0)
    assert pushed >= 1


async def test_readers_are_served_in_their_order(clock: Clock) -> None:
    budget = budget_of(clock)
    served: list[int] = []

    async def one(number: int) -> None:
        await budget.acquire()
        served.append(number)

    await asyncio.gather(*(one(number) for number in range(12)))
    assert served == list(range(12))


async def test_a_reader_that_gives_up_leaves_its_place(clock: Clock) -> None:
    never = asyncio.Event()

    async def wait_for_ever(_seconds: float) -> None:
        await never.wait()

    budget = RateBudget(2.0, now=clock.now, sleep=wait_for_ever)
    for _ in range(3):
        await budget.acquire()
    waiting = asyncio.create_task(budget.acquire())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    clock.time += 10
    await budget.acquire()


async def test_after_a_throttle_nobody_passes_before_the_time_the_channel_named(
    clock: Clock,
) -> None:
    budget = budget_of(clock)
    budget.throttled(30.0)
    assert await budget.take_soon() == pytest.approx(30.0)
    await budget.acquire()
    assert clock.time >= 1_030


async def test_a_throttle_halves_the_rate_and_good_answers_bring_it_back(clock: Clock) -> None:
    budget = budget_of(clock)
    budget.throttled()
    assert budget.per_second == 1.0
    for _ in range(10):
        budget.throttled()
    assert budget.per_second == 2.0 / 16
    for _ in range(60):
        budget.answered()
    assert budget.per_second == 2.0


async def test_a_pause_has_a_bound(clock: Clock) -> None:
    budget = budget_of(clock)
    budget.throttled(1e9)
    assert await budget.take_soon() == pytest.approx(3_600.0)


async def test_a_clock_set_back_neither_blocks_nor_floods(clock: Clock) -> None:
    budget = budget_of(clock)
    for _ in range(3):
        await budget.acquire()
    budget.throttled(10.0)
    clock.time -= 86_400
    assert await budget.take_soon() <= 10.5
    clock.time += 11
    assert await budget.take_soon() == 0
    for _ in range(20):
        await budget.acquire()
    assert clock.slept


async def test_requests_that_could_not_wait_are_waited_for_later(clock: Clock) -> None:
    budget = budget_of(clock)
    for _ in range(10):
        budget.debit()
    start = clock.time
    await budget.acquire()
    # Seven tokens: six that are owed, and one for itself; it waited too long to leave one.
    assert clock.time - start == pytest.approx(3.5)


def test_a_rate_of_nothing_is_refused(clock: Clock) -> None:
    with pytest.raises(ValueError, match="a rate of 0 requests"):
        budget_of(clock, 0)


@given(
    rate=st.floats(0.05, 50),
    steps=st.lists(
        st.one_of(st.just("push"), st.just("read"), st.floats(0, 5)), min_size=1, max_size=60
    ),
)
@settings(max_examples=100, deadline=None)
def test_no_window_ever_holds_more_than_the_burst_and_the_rate(
    rate: float, steps: list[str | float]
) -> None:
    clock = Clock(time=1_800_000_000.0)
    budget = budget_of(clock, rate)
    passed: list[float] = []

    async def run() -> None:
        for step in steps:
            if isinstance(step, float):
                clock.time += step
            elif step == "read":
                await budget.acquire()
                passed.append(clock.time)
            elif await budget.take_soon() == 0:
                passed.append(clock.time)

    asyncio.run(run())
    burst = max(2.0, 2 * rate)
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            allowed = burst + (passed[last] - start) * rate
            assert last - first + 1 <= allowed + 1e-3
