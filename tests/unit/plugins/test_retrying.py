"""What is repeated, how often, and after which pauses."""

from __future__ import annotations

import httpx
import pytest

from channelsync.plugins.retrying import ATTEMPTS_MAX, WAIT_SECONDS_MAX, Retrying
from channelsync.sdk.errors import (
    BadDelivery,
    ConnectorError,
    Misconfigured,
    NeedsReauthorization,
    Retryable,
    Throttled,
)
from channelsync.sdk.http import HostRefused
from tests.unit.plugins.world import Clock

REQUEST = httpx.Request("GET", "https://market.example")


class Action:
    """Fails as told, then succeeds."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def retrying(clock: Clock, draw: float = 0.5) -> Retrying:
    return Retrying(draw=lambda: draw, sleep=clock.sleep)


async def test_what_may_succeed_later_is_called_again(clock: Clock) -> None:
    action = Action(Retryable("one"), Retryable("two"))
    assert await retrying(clock).call(action) == "done"
    assert action.calls == 3
    assert clock.slept == [0.375, 0.75]


async def test_the_last_failure_is_raised_after_the_last_try(clock: Clock) -> None:
    action = Action(*(Retryable(str(number)) for number in range(9)))
    with pytest.raises(Retryable, match=str(ATTEMPTS_MAX - 1)):
        await retrying(clock).call(action)
    assert action.calls == ATTEMPTS_MAX


async def test_half_of_every_pause_is_chance(clock: Clock) -> None:
    await retrying(clock, 0.0).call(Action(Retryable("x")))
    await retrying(clock, 1.0).call(Action(Retryable("x")))
    assert clock.slept == [0.25, 0.5]


async def test_the_channels_own_wish_is_kept_and_never_undercut(clock: Clock) -> None:
    await retrying(clock).call(Action(Throttled("slow down", after_seconds=7.0)))
    (slept,) = clock.slept
    assert 7.0 <= slept <= 7.1


async def test_a_longer_pause_is_left_to_the_caller(clock: Clock) -> None:
    action = Action(Throttled("much later", after_seconds=WAIT_SECONDS_MAX + 1))
    with pytest.raises(Throttled, match="much later"):
        await retrying(clock).call(action)
    assert (action.calls, clock.slept) == (1, [])


@pytest.mark.parametrize(
    "error", [NeedsReauthorization("x"), Misconfigured("x"), BadDelivery("x"), ValueError("x")]
)
async def test_what_no_repetition_helps_is_raised_at_once(clock: Clock, error: Exception) -> None:
    action = Action(error)
    with pytest.raises(type(error)):
        await retrying(clock).call(action)
    assert action.calls == 1


@pytest.mark.parametrize("kind", [httpx.ReadTimeout, httpx.ConnectError, httpx.RemoteProtocolError])
async def test_what_the_wire_raised_is_repeated(
    clock: Clock, kind: type[httpx.TransportError]
) -> None:
    action = Action(kind("gone", request=REQUEST))
    assert await retrying(clock).call(action) == "done"
    assert action.calls == 2


async def test_a_refused_host_says_what_the_operator_can_do(clock: Clock) -> None:
    action = Action(HostRefused("evil.example is not among the hosts", request=REQUEST))
    with pytest.raises(Misconfigured, match=r"evil\.example .* CHANNELSYNC_ALLOW_HOSTS"):
        await retrying(clock).call(action)


async def test_every_failed_try_is_heard_of(clock: Clock) -> None:
    heard: list[ConnectorError] = []
    await retrying(clock).call(Action(Throttled("a"), Retryable("b")), on_failure=heard.append)
    assert [str(error) for error in heard] == ["a", "b"]
