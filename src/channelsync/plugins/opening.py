"""Opens one channel: lends it the HTTP client, the clock and the identifiers, and guards it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
from pydantic import BaseModel

from channelsync.plugins.budget import RateBudget
from channelsync.plugins.guarded import Guard, guarded, pace
from channelsync.plugins.health import ChannelHealth, Log
from channelsync.plugins.registry import Registry
from channelsync.plugins.retrying import Retrying
from channelsync.plugins.shared_budget import SharedBudget
from channelsync.ports import RateTokens
from channelsync.sdk.connector import Channel, ChannelContext, Manifest, VariesBySettings
from channelsync.sdk.declarations import faults_of_channel
from channelsync.sdk.http import http_client
from channelsync.sdk.types import Instant

__all__ = ["ChannelUnusable", "Lent", "OpenChannel", "Sharing", "open_channel"]


class ChannelUnusable(Exception):
    """A channel that does not open, or lacks what its semantics need; the message says which."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """How a channel's rate is kept to by several processes together."""

    tokens: RateTokens | None
    """The common bucket; without it everybody keeps to his share."""
    sharers: Callable[[], int]
    """How many processes there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """What the program lends to every channel."""

    now: Callable[[], Instant]
    new_id: Callable[[], str]
    """A fresh UUID."""
    draw: Callable[[], float]
    """A number evenly spread over [0, 1), for the jitter of pauses."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    allow_hosts: tuple[str, ...] = ()
    """Hosts that the operator lets credentials go to, beside the marketplaces' own."""
    drop_dir: Path | None = None
    """Folder that holds a folder for each channel that is handed files."""
    transport: httpx.AsyncBaseTransport | None = None
    """Replaces the network (simulators, tests)."""
    around: Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport] = lambda inner: inner
    """Puts something around the network that watches what is asked of it."""
    log: Log | None = None
    sharing: Sharing | None = None
    """Where several processes make requests for one channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenChannel:
    """One open channel and what stands around it."""

    name: str
    """The channel's name in the merchant's file."""
    manifest: Manifest
    channel: Channel
    """Guarded; ask it for capabilities by `isinstance`."""
    budget: RateBudget
    health: ChannelHealth
    http: httpx.AsyncClient

    async def close(self) -> None:
        """Close the channel and its connections, in this order, whatever the first one raises."""
        try:
            await self.channel.close()
        finally:
            await self.http.aclose()


def _budget(channel: str, per_second: float, lent: Lent) -> RateBudget:
    if lent.sharing is None:
        return RateBudget(per_second, now=lent.now, sleep=lent.sleep)
    return SharedBudget(
        channel,
        per_second,
        tokens=lent.sharing.tokens,
        sharers=lent.sharing.sharers,
        now=lent.now,
        sleep=lent.sleep,
    )


async def open_channel(
    registry: Registry, *, name: str, connector: str, settings: BaseModel, lent: Lent
) -> OpenChannel:
    """Open the channel `name` with validated `settings` of the connector. Needs no network.

    Raises:
        UnknownConnector: the registry has no such connector, or it is broken.
        ChannelUnusable: it does not open, or lacks what its semantics need. Nothing stays open.
    """
    found = registry.get(connector)
    manifest = found.manifest
    if isinstance(found, VariesBySettings):
        manifest = found.manifest_for(settings)
    budget = _budget(name, manifest.requests_per_second, lent)
    http = http_client(
        allowed_hosts=(*manifest.own_hosts, *lent.allow_hosts),
        transport=lent.transport,
        around=lent.around,
    )

    async def paced(_request: httpx.Request) -> None:
        await pace(budget)

    http.event_hooks = {"request": [paced]}
    context = ChannelContext(
        channel=name,
        settings=settings,
        http=http,
        now=lent.now,
        new_id=lent.new_id,
        folder=None if lent.drop_dir is None else lent.drop_dir / name,
    )
    try:
        channel = await found.open(context)
    except Exception as error:
        await http.aclose()
        raise ChannelUnusable(f"channel {name} does not open: {error}") from error
    if reason := faults_of_channel(manifest, channel):
        await channel.close()
        await http.aclose()
        raise ChannelUnusable(f"channel {name} cannot be used: {connector}: {reason}")
    health = ChannelHealth(name, now=lent.now, log=lent.log)
    retrying = Retrying(draw=lent.draw, sleep=lent.sleep)
    guard = Guard(budget, retrying, health, is_open=lambda: not http.is_closed)
    return OpenChannel(
        name=name,
        manifest=manifest,
        channel=guarded(channel, guard),
        budget=budget,
        health=health,
        http=http,
    )
