"""Channels of real connectors, opened into a house of memory markets."""

from __future__ import annotations

from typing import Any

from channelsync.ports import RunningChannel
from channelsync.sdk.connector import Channel, ChannelContext, Connector
from channelsync.sdk.http import http_client
from channelsync_pos.connector import connector as till_connector
from tests.support.house import House

__all__ = ["TILL_KEY", "TILL_SECRET", "SplitVerifier", "open_channel", "open_till", "open_with"]

TILL_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TILL_KEY = "a-key-of-at-least-24-characters"


class SplitVerifier:
    """A channel whose verifier breaks instead of deciding."""

    async def close(self) -> None:
        """Nothing is open."""

    def verify_webhook(self, request: Any) -> Any:
        raise ZeroDivisionError(str(request))

    def parse(self, delivery: Any) -> Any:
        raise ZeroDivisionError(str(delivery))


def open_channel(house: House, name: str, connector: Any, channel: Channel) -> None:
    """Let the house know an open channel."""
    manifest = connector.manifest
    house.channels.running[name] = RunningChannel(
        name=name,
        manifest=manifest,
        channel=channel,
        quarantine_seconds=manifest.quarantine_seconds,
        poll_interval_seconds=manifest.poll_interval_seconds,
        quiet_limit_seconds=manifest.quiet_limit_seconds,
    )


async def open_till(house: House, name: str, **settings: Any) -> None:
    """Open a till in place of the market of that name."""
    await open_with(
        house, name, till_connector, webhook_secret=TILL_SECRET, location="dc", **settings
    )


async def open_with(house: House, name: str, connector: Connector, **settings: Any) -> None:
    """Open a channel of any connector in place of the market of that name."""
    context = ChannelContext(
        channel=name,
        settings=connector.manifest.settings_model.model_validate(settings),
        http=http_client(allowed_hosts=()),
        now=house.clock,
        new_id=house.engine.environment.new_id,
    )
    open_channel(house, name, connector, await connector.open(context))
