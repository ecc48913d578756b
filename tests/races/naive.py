"""The negative control: a stock sync as it is usually written, "recompute and push".

Every habit in here is taken from a tool in the field and looks reasonable on its own. It is run
through the same races as the real engine, and each race must catch it: a race that it survives
proves nothing. What is in `NaiveRecords` is its database; everything else dies with its process.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil

from channelsync.domain.vocabulary import Instant
from channelsync.sdk.errors import Retryable
from channelsync.sdk.types import OrderFact, OrderVoid, Outcome, PushRequest
from tests.support.hooked import HookedChannel

__all__ = ["NaiveEngine", "NaiveRecords"]

RETRIES = 3
POLL_SECONDS = 30.0


@dataclass(slots=True)
class NaiveRecords:
    """What it has committed."""

    on_hand: dict[tuple[str, str], int] = field(default_factory=dict)
    orders: dict[str, dict[str, int]] = field(default_factory=dict)
    ledger: list[tuple[str, str, str, int]] = field(default_factory=list)
    """Order, SKU, place, units."""
    holds: dict[str, tuple[str, int, Instant]] = field(default_factory=dict)
    confirmed: list[tuple[str, int]] = field(default_factory=list)
    modified: dict[str, Instant] = field(default_factory=dict)
    synced_at: Instant = 0.0
    cursors: dict[str, Instant] = field(default_factory=dict)
    sending: dict[str, dict[tuple[str, str], int]] = field(default_factory=dict)
    """Jobs under way, so that a restart can finish them."""


@dataclass(slots=True)
class NaiveEngine:
    """Listens, recomputes, pushes."""

    records: NaiveRecords
    channels: Mapping[str, HookedChannel]
    quotas: Mapping[str, int]
    recipes: Mapping[str, Mapping[str, int]]
    """Of bundles, by the SKU that channels know."""
    jobs: list[tuple[str, dict[tuple[str, str], int]]] = field(default_factory=list)
    queued: set[str] = field(default_factory=set)
    keys: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    # ------------------------------------------------------------ stock

    def available(self, sku: str) -> int:
        """What is left to sell; of a bundle, as many as its components allow."""
        if sku in self.recipes:
            return min(self.available(part) // n for part, n in self.recipes[sku].items())
        held = sum(units for kept, units, _ in self.records.holds.values() if kept == sku)
        return sum(n for (key, _), n in self.records.on_hand.items() if key == sku) - held

    def changed(self, *skus: str) -> None:
        """Queue a sync of each, unless one is queued."""
        for sku in dict.fromkeys(skus):
            if sku not in self.queued:
                self.queued.add(sku)
                self.jobs.append((sku, self._numbers(sku)))

    def _numbers(self, sku: str) -> dict[tuple[str, str], int]:
        offers = [name for name, parts in self.recipes.items() if sku in parts] or [sku]
        numbers = {}
        for offer in offers:
            left = total = max(self.available(offer), 0)
            for channel, share in self.quotas.items():
                numbers[channel, offer] = min(ceil(total * share / 10_000), left)
                left -= numbers[channel, offer]
        return numbers

    def count(self, sku: str, place: str, units: int) -> None:
        """The merchant's form says how many there are."""
        self.records.on_hand[sku, place] = units
        self.changed(sku)

    def adjust(self, sku: str, place: str, delta: int) -> None:
        """Units came or went."""
        self.records.on_hand[sku, place] = self.records.on_hand.get((sku, place), 0) + delta
        self.changed(sku)

    def post(self, sku: str, place: str, delta: int, begun_at: Instant) -> None:
        """The warehouse's own system writes to the stock table; the sync finds it by its time."""
        self.records.on_hand[sku, place] += delta
        self.records.modified[sku] = begun_at

    def sync_modified(self, now: Instant) -> None:
        """Queue what was modified since the last time."""
        self.changed(*(s for s, at in self.records.modified.items() if at > self.records.synced_at))
        self.records.synced_at = now

    def rename(self, old: str, new: str) -> None:
        """Another SKU for the same thing."""
        records = self.records
        moved = {(new if sku == old else sku, at): n for (sku, at), n in records.on_hand.items()}
        records.on_hand = moved

    # ------------------------------------------------------------ orders

    async def hear(self, channel: str, fact: OrderFact) -> None:
        """An order was created or changed."""
        if fact.sku is not None and await self._take(channel, fact):
            self.changed(*self._parts(fact.sku))

    async def _take(self, channel: str, fact: OrderFact) -> bool:
        sku, order = fact.sku or "", f"{channel}/{fact.order_id}"
        if fact.pending:
            return False  # not paid, not an order
        known = self.records.orders.get(order)
        await asyncio.sleep(0)  # a round trip to the database
        if known is None:
            self.records.orders[order] = {sku: fact.ordered}
            self._book(order, sku, fact.ordered)
        elif fact.cancelled or fact.restocked:
            self._take_back(order, sku)
        elif (before := known.get(sku)) is not None:
            known[sku] = fact.ordered
            self._book(order, sku, fact.ordered - before)
        return True

    def void(self, channel: str, void: OrderVoid) -> None:
        """An order was cancelled."""
        order = f"{channel}/{void.order_id}"
        for sku in tuple(self.records.orders.get(order, ())):
            self._take_back(order, sku)
            self.changed(*self._parts(sku))

    def _parts(self, sku: str) -> tuple[str, ...]:
        return tuple(self.recipes.get(sku, {sku: 1}))

    def _book(self, order: str, sku: str, units: int) -> None:
        for part, each in self.recipes.get(sku, {sku: 1}).items():
            left = units * each
            places = [place for item, place in self.records.on_hand if item == part]
            for place in places:
                take = min(left, max(self.records.on_hand[part, place], 0))
                if take:
                    self.records.on_hand[part, place] -= take
                    self.records.ledger.append((order, part, place, units * each))
                    left -= take

    def _take_back(self, order: str, sku: str) -> None:
        if sku not in self.records.orders[order]:
            return
        self.records.orders[order][sku] = 0
        for entry in [entry for entry in self.records.ledger if entry[0] == order]:
            _, part, place, units = entry
            self.records.ledger.remove(entry)
            self.records.on_hand[part, place] += units

    async def poll(self, now: Instant) -> None:
        """Look for orders that were missed, everywhere; the next poll goes on from now."""
        parts: list[str] = []
        for name, channel in self.channels.items():
            with contextlib.suppress(Retryable):
                page = await channel.orders_since(str(self.records.cursors.get(name, 0)))
                for fact in page.facts:
                    known = f"{name}/{fact.order_id}" in self.records.orders
                    if fact.sku and not known and await self._take(name, fact):
                        parts += self._parts(fact.sku)
                self.records.cursors[name] = now
        self.changed(*parts)

    # ------------------------------------------------------------ its own shop

    async def checkout(self, sku: str, units: int) -> bool:
        """Sell if there is enough."""
        if self.available(sku) < units:
            return False
        await asyncio.sleep(0)  # the payment
        self.records.confirmed.append((sku, units))
        self._book(f"own-{len(self.records.confirmed)}", sku, units)
        self.changed(sku)
        return True

    def hold(self, sku: str, units: int, until: Instant) -> str:
        """Keep units for a cart."""
        name = f"hold-{len(self.records.holds) + 1}"
        self.records.holds[name] = (sku, units, until)
        return name

    def expire(self, now: Instant) -> None:
        """Carts that ran out keep nothing."""
        for name, (sku, _, until) in list(self.records.holds.items()):
            if until <= now:
                self.records.holds[name] = (sku, 0, until)
                self.changed(sku)

    def pay(self, hold: str, units: int) -> bool:
        """The payment came through: the order stands."""
        sku, _, until = self.records.holds[hold]
        self.records.holds[hold] = (sku, 0, until)
        self.records.confirmed.append((sku, units))
        self._book(f"paid-{hold}", sku, units)
        self.changed(sku)
        return True

    # ------------------------------------------------------------ pushing

    async def work(self) -> None:
        """Run what is queued, oldest first."""
        while self.jobs:
            if self._feed_is_busy(self.jobs[0]):
                return
            sku, numbers = self.jobs.pop(0)
            self.records.sending[sku] = numbers
            await self._send(numbers)
            del self.records.sending[sku]
            self.queued.discard(sku)

    def _feed_is_busy(self, job: tuple[str, dict[tuple[str, str], int]]) -> bool:
        """Never two feeds at once: the next waits until the channel has done the last."""
        return any(self.channels[name].late_feeds() for name, _ in job[1])

    async def resume(self) -> None:
        """After a restart: finish what was under way."""
        for sku, numbers in list(self.records.sending.items()):
            await self._send(numbers)
            del self.records.sending[sku]

    async def _send(self, numbers: Mapping[tuple[str, str], int]) -> None:
        for (channel, sku), units in numbers.items():
            # One channel that fails must not stop the others; its next change comes soon.
            for _ in range(RETRIES):
                if await self._push(channel, sku, units) is not Outcome.UNKNOWN:
                    break

    async def _push(self, channel: str, sku: str, units: int) -> Outcome:
        key = f"naive-{next(self.keys)}"
        rows = [{"push_id": key, "sku": sku, "kind": "set", "units": units, "compare": None}]
        request = PushRequest(
            key=key, body=json.dumps(rows).encode(), push_ids=(key,), operation="change"
        )
        (result,) = await self.channels[channel].push(request)
        return result.outcome
