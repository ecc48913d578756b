"""A channel's failure is told once, and its recovery once."""

from __future__ import annotations

import pytest

from channelsync.plugins.health import ChannelHealth
from channelsync.sdk.errors import NeedsReauthorization, Retryable
from tests.unit.plugins.world import Clock, Log


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def health(clock: Clock, log: Log) -> ChannelHealth:
    return ChannelHealth("shop", now=clock.now, log=log)


def test_a_long_failure_is_two_lines(health: ChannelHealth, clock: Clock, log: Log) -> None:
    for _ in range(50):
        health.failed("read", Retryable("no answer"))
        clock.time += 10
    health.succeeded("read")
    health.succeeded("read")
    assert log.events == ["channel_failed", "channel_recovered"]
    assert log.said[1][2] == {
        "channel": "shop",
        "operation": "read",
        "failed_seconds": 500.0,
        "tries": 50,
    }


def test_success_from_the_beginning_says_nothing(health: ChannelHealth, log: Log) -> None:
    health.succeeded("read")
    assert log.events == []
    assert health.is_well


def test_operations_fail_apart(health: ChannelHealth, clock: Clock) -> None:
    health.failed("push", Retryable("no answer"))
    clock.time += 1
    health.failed("read", NeedsReauthorization("the token is refused"))
    health.succeeded("orders_since")
    assert [(one.operation, one.since) for one in health.failures] == [
        ("push", 1_000.0),
        ("read", 1_001.0),
    ]
    assert (health.needs_person, health.is_well) == (True, False)
    health.succeeded("read")
    assert (health.needs_person, health.is_well) == (False, False)


def test_a_failure_that_comes_to_need_a_person_is_told_again(
    health: ChannelHealth, log: Log
) -> None:
    health.failed("read", Retryable("no answer"))
    health.failed("read", NeedsReauthorization("the token is refused"))
    health.failed("read", NeedsReauthorization("the token is refused"))
    assert log.events == ["channel_failed", "channel_failed"]
    assert log.said[1][2]["reason"] == "NeedsReauthorization: the token is refused"
    assert health.failures[0].tries == 3


def test_the_words_of_an_unexpected_error_are_not_repeated(health: ChannelHealth, log: Log) -> None:
    health.failed("read", RuntimeError("Bearer shpat_secret"))
    assert log.said[0][2]["reason"] == "RuntimeError: an unexpected error"
