"""The connector contract, kept against the simulated till."""

from __future__ import annotations

from typing_extensions import override

from channelsync.sdk.testing.contract import Clock, ConnectorContract, World
from tests.support.till_world import TillWorld


class TestTill(ConnectorContract):
    @override
    def world(self, clock: Clock) -> World:
        return TillWorld(clock)
