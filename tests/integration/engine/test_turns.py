"""A push that finds no room in its channel's rate waits for its turn, and no longer."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from typing_extensions import override

from channelsync.domain.escrow import Outcome
from channelsync.domain.vocabulary import PushSemantics
from channelsync.sdk.testing.memory import MemoryChannel
from channelsync.sdk.types import ChangeResult, PushRequest
from channelsync.store import tables
from tests.support.house import Build

CAS = PushSemantics.KEYED_COMPARE_AND_SET
TURN_SECONDS = 0.5


class BusyChannel(MemoryChannel):
    """It has no room for a push, ever."""

    @override
    async def push(self, request: PushRequest) -> Sequence[ChangeResult]:
        return [
            ChangeResult(push_id=push_id, outcome=Outcome.UNSENT, after_seconds=TURN_SECONDS)
            for push_id in request.push_ids
        ]


async def test_waiting_for_ones_turn_is_no_failure_and_pauses_do_not_grow(build: Build) -> None:
    house = await build(
        stock={"MUG": 10},
        quotas={"a": 10_000},
        semantics={"a": CAS},
        open_channel=lambda _name, market: BusyChannel(market),
    )
    await house.settle_down(10, step=TURN_SECONDS)
    attempts = await house.rows(tables.attempts)
    assert len(attempts) > 10
    [request] = await house.rows(tables.requests)
    waited = request.not_before - attempts[-1].ended_at
    assert waited == pytest.approx(TURN_SECONDS, abs=0.01)
