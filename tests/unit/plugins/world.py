"""A clock that moves when somebody sleeps, and connectors made for these tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from channelsync.sdk.connector import SDK_VERSION, Channel, ChannelContext, Manifest
from channelsync.sdk.types import (
    Change,
    ChangeResult,
    Enforces,
    ListingRef,
    OrderPage,
    Outcome,
    PushRequest,
    PushSemantics,
    RemoteListing,
    RemoteReading,
)


@dataclass
class Clock:
    """Time that passes only by sleeping."""

    time: float = 1_000.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)


@dataclass
class Log:
    """Remembers what was said."""

    said: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def info(self, event: str, **values: Any) -> None:
        self.said.append(("info", event, values))

    def warning(self, event: str, **values: Any) -> None:
        self.said.append(("warning", event, values))

    @property
    def events(self) -> list[str]:
        return [event for _, event, _ in self.said]


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    base_url: str = "https://market.example"


def manifest(**changes: Any) -> Manifest:
    given: dict[str, Any] = {
        "name": "market",
        "title": "Market",
        "sdk_version": SDK_VERSION,
        "push_semantics": PushSemantics.KEYED_DELTA,
        "enforces": Enforces.STRICT,
        "settings_model": Settings,
        "checks": frozenset(),
        "own_hosts": ("market.example",),
        "requests_per_second": 2.0,
    }
    return Manifest(**{**given, **changes})


def request(*push_ids: str) -> PushRequest:
    return PushRequest(key="key", body=b"{}", push_ids=push_ids or ("1",), operation="adjust")


class Market:
    """A channel that makes one HTTP request a call, and fails as it is told."""

    def __init__(self, context: ChannelContext) -> None:
        self.context = context
        self.failures: list[Exception] = []
        self.answers: list[Sequence[ChangeResult]] = []
        self.calls: list[str] = []
        self.requests_per_call = 1
        self.closed = 0

    async def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.failures:
            raise self.failures.pop(0)
        for _ in range(self.requests_per_call):
            settings = self.context.settings
            assert isinstance(settings, Settings)
            await self.context.http.get(f"{settings.base_url}/{name}")

    async def close(self) -> None:
        self.closed += 1

    def prepare(self, changes: Sequence[Change], *, key: str) -> PushRequest:
        ids = tuple(change.push_id for change in changes)
        return PushRequest(key=key, body=b"{}", push_ids=ids, operation="adjust")

    async def push(self, request: PushRequest) -> Sequence[ChangeResult]:
        await self._call("push")
        if self.answers:
            return self.answers.pop(0)
        return [ChangeResult(push_id=one, outcome=Outcome.APPLIED) for one in request.push_ids]

    async def read(self, listings: Sequence[ListingRef]) -> Sequence[RemoteReading]:
        await self._call("read")
        now = self.context.now()
        return [
            RemoteReading(listing_id=one.listing_id, quantity=1, sent_at=now, received_at=now)
            for one in listings
        ]

    def first_cursor(self, since: float) -> str:
        return f"{since}"

    async def orders_since(self, cursor: str) -> OrderPage:
        await self._call("orders_since")
        return OrderPage(facts=(), cursor=cursor, more=False)

    async def orders_by_id(self, order_ids: Sequence[str]) -> OrderPage:
        await self._call("orders_by_id")
        return OrderPage(facts=(), cursor="", more=False)

    async def listings(self) -> AsyncIterator[RemoteListing]:
        yield RemoteListing(sku="A", external={"id": "1"})
        await self._call("listings")
        yield RemoteListing(sku="B", external={"id": "2"})


@dataclass
class MarketConnector:
    """Opens `Market`, or whatever `make` makes."""

    manifest: Manifest = field(default_factory=manifest)
    make: Callable[[ChannelContext], Channel] = Market

    async def open(self, context: ChannelContext) -> Channel:
        return self.make(context)
