"""A marketplace in memory: counters, shoppers and orders, without a wire.

It keeps every promise of its semantics and none beyond, and loses or refuses calls on demand. For
tests of the engine and as the shortest example of a connector; wire formats belong to simulators.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace
from pydantic import BaseModel, ConfigDict

from channelsync.sdk.connector import SDK_VERSION, ChannelContext, Manifest
from channelsync.sdk.errors import Retryable
from channelsync.sdk.types import (
    Assumption,
    CancelEffect,
    Change,
    ChangeResult,
    Enforces,
    Instant,
    ListingRef,
    OrderFact,
    OrderPage,
    Outcome,
    PushKind,
    PushRequest,
    PushSemantics,
    RemoteListing,
    RemoteReading,
    Shipment,
)

__all__ = ["MemoryChannel", "MemoryConnector", "MemoryMarket", "MemorySettings"]


class MemorySettings(BaseModel):
    """Nothing to set."""

    model_config = ConfigDict(extra="forbid")


@dataclass(slots=True)
class MemoryMarket:
    """The marketplace itself: what is true, whoever asks."""

    semantics: PushSemantics
    now: Callable[[], Instant]
    counters: dict[str, int] = field(default_factory=dict)
    orders: dict[str, OrderFact] = field(default_factory=dict)
    applied_keys: dict[str, list[ChangeResult]] = field(default_factory=dict)
    late: list[tuple[str, int]] = field(default_factory=list)
    """Absolute sets that were accepted and are not applied yet."""
    faults: list[str] = field(default_factory=list)
    """For the next pushes, one each: lose_answer, lose_request, refuse, offline, accept_late."""
    offline: bool = False
    pushes_seen: int = 0
    relists: bool = True

    def sell(self, sku: str, units: int = 1) -> str | None:
        """A shopper buys; None where the counter refuses. Returns the order id."""
        if self.counters.get(sku, 0) < units:
            return None
        self.counters[sku] -= units
        return self.book(sku, units)

    def book(self, sku: str, units: int, *, moves_counter: bool = True) -> str:
        """Note an order that was taken, whatever the counter says."""
        order_id = f"order-{len(self.orders) + 1}"
        self.orders[order_id] = OrderFact(
            order_id=order_id,
            line_id="1",
            sku=sku,
            ordered=units,
            version=self.now(),
            sold_at=self.now(),
            moves_counter=moves_counter,
            cancel_effect=CancelEffect.RELISTED if self.relists else CancelEffect.NOT_RELISTED,
        )
        return order_id

    def cancel(self, order_id: str, units: int | None = None) -> None:
        """Cancel units of an order, and put them back on the counter if this market does so."""
        fact = self.orders[order_id]
        gone = fact.ordered - fact.cancelled if units is None else units
        if self.relists and fact.sku is not None:
            self.counters[fact.sku] += gone
        self._change(order_id, cancelled=fact.cancelled + gone, cancelled_at=self.now())

    def ship(self, order_id: str) -> None:
        """Ship everything that is not cancelled."""
        fact = self.orders[order_id]
        self._change(order_id, shipped=fact.ordered - fact.cancelled, shipped_at=self.now())

    def _change(self, order_id: str, **changes: Any) -> None:
        self.orders[order_id] = replace(self.orders[order_id], version=self.now(), **changes)

    def apply_late(self) -> None:
        """Let every accepted set apply, in order."""
        for sku, quantity in self.late:
            self.counters[sku] = quantity
        self.late.clear()

    def net_sold(self, sku: str) -> int:
        """Units accepted and not cancelled."""
        return sum(f.ordered - f.cancelled for f in self.orders.values() if f.sku == sku)


class MemoryChannel:
    """An open channel onto a market."""

    def __init__(self, market: MemoryMarket) -> None:
        self._market = market

    async def close(self) -> None:
        """Nothing to let go of."""

    # ------------------------------------------------------------ pushing

    def prepare(self, changes: Sequence[Change], *, key: str) -> PushRequest:
        """The changes as JSON, in the order given."""
        rows = [
            {
                "push_id": change.push_id,
                "sku": change.listing.sku,
                "kind": change.kind,
                "units": change.units,
                "compare": change.compare,
            }
            for change in changes
        ]
        return PushRequest(
            key=key,
            body=json.dumps(rows).encode(),
            push_ids=tuple(change.push_id for change in changes),
            operation="change",
        )

    async def push(self, request: PushRequest) -> Sequence[ChangeResult]:
        """Apply the rows one by one, once per key."""
        market = self._market
        fault = market.faults.pop(0) if market.faults else ""
        if market.offline or fault == "offline":
            return self._all(request, Outcome.UNSENT, "nobody answers")
        market.pushes_seen += 1
        if fault == "lose_request":
            return self._all(request, Outcome.UNKNOWN, "the request was lost")
        if fault == "refuse":
            return self._all(request, Outcome.REFUSED, "refused")
        rows = json.loads(request.body)
        if market.semantics is PushSemantics.ABSOLUTE:
            results = [self._set(row, late=fault == "accept_late") for row in rows]
        elif request.key in market.applied_keys:
            results = market.applied_keys[request.key]
        else:
            results = [self._change(row) for row in rows]
            market.applied_keys[request.key] = results
        if fault == "lose_answer":
            return self._all(request, Outcome.UNKNOWN, "the answer was lost")
        return results

    def _all(self, request: PushRequest, outcome: Outcome, reason: str) -> list[ChangeResult]:
        return [
            ChangeResult(push_id=push_id, outcome=outcome, reason=reason)
            for push_id in request.push_ids
        ]

    def _set(self, row: dict[str, Any], *, late: bool) -> ChangeResult:
        if late:
            self._market.late.append((row["sku"], row["units"]))
            return ChangeResult(push_id=row["push_id"], outcome=Outcome.ACCEPTED)
        self._market.counters[row["sku"]] = row["units"]
        return ChangeResult(push_id=row["push_id"], outcome=Outcome.APPLIED)

    def _change(self, row: dict[str, Any]) -> ChangeResult:
        counters = self._market.counters
        held = counters.get(row["sku"], 0)
        if row["compare"] is not None and row["compare"] != held:
            return ChangeResult(push_id=row["push_id"], outcome=Outcome.REFUSED, stale=True)
        sign = 1 if row["kind"] == PushKind.RAISE else -1
        counters[row["sku"]] = held + sign * row["units"]
        return ChangeResult(
            push_id=row["push_id"], outcome=Outcome.APPLIED, actual=counters[row["sku"]]
        )

    # ------------------------------------------------------------ looking

    async def read(self, listings: Sequence[ListingRef]) -> Sequence[RemoteReading]:
        """The counters as they are."""
        self._require_online()
        now = self._market.now()
        return [
            RemoteReading(
                listing_id=listing.listing_id,
                quantity=self._market.counters.get(listing.sku),
                sent_at=now,
                received_at=now,
            )
            for listing in listings
        ]

    def first_cursor(self, since: Instant) -> str:
        """Everything, since there is so little."""
        return f"{since}"

    async def orders_since(self, cursor: str) -> OrderPage:
        """Every order, on one page."""
        self._require_online()
        return OrderPage(
            facts=tuple(self._market.orders.values()),
            cursor=cursor,
            more=False,
            complete_to=self._market.now(),
        )

    async def orders_by_id(self, order_ids: Sequence[str]) -> OrderPage:
        """The orders named."""
        self._require_online()
        found = [self._market.orders[i] for i in order_ids if i in self._market.orders]
        return OrderPage(facts=tuple(found), cursor="", more=False)

    async def listings(self) -> AsyncIterator[RemoteListing]:
        """One offer a counter."""
        self._require_online()
        for sku in sorted(self._market.counters):
            yield RemoteListing(sku=sku, external={"id": sku})

    async def confirm_shipment(self, shipment: Shipment) -> None:
        """The order is shipped; telling it again changes nothing."""
        self._require_online()
        self._market.ship(shipment.order_id)

    def _require_online(self) -> None:
        if self._market.offline:
            raise Retryable("nobody answers")


class MemoryConnector:
    """The connector of one market."""

    def __init__(self, market: MemoryMarket, **declared: Any) -> None:
        self._market = market
        values: dict[str, Any] = {
            "name": "memory",
            "title": "A marketplace in memory",
            "sdk_version": SDK_VERSION,
            "push_semantics": market.semantics,
            "enforces": Enforces.STRICT,
            "settings_model": MemorySettings,
            "checks": frozenset({Assumption.READS_BACK}),
            "clock_skew_seconds": 0.0,
            "apply_limit_seconds": 10.0,
            "poll_interval_seconds": 30.0,
        }
        self._manifest = Manifest(**{**values, **declared})

    @property
    def manifest(self) -> Manifest:
        """What it declares."""
        return self._manifest

    async def open(self, context: ChannelContext) -> MemoryChannel:
        """A channel onto the market."""
        return MemoryChannel(self._market)
