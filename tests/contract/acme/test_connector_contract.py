"""The connector contract, kept by the connector that every new one begins as."""

from __future__ import annotations

from typing_extensions import override

from channelsync.sdk.testing.contract import Clock, ConnectorContract, World
from templates.connector.tests.test_contract import AcmeWorld


class TestAcme(ConnectorContract):
    @override
    def world(self, clock: Clock) -> World:
        return AcmeWorld(clock)
