"""A memory market's channel with a wire that can be watched, and the webhooks and pages of one.

Requests can be held back, swallowed, or interrupted at any instant; orders can stay hidden from the
feed for a while. What the market itself does is untouched.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from msgspec import structs
from msgspec.structs import replace
from typing_extensions import override

from channelsync.domain.vocabulary import Instant
from channelsync.sdk.errors import BadDelivery
from channelsync.sdk.testing.memory import MemoryChannel, MemoryMarket
from channelsync.sdk.types import (
    CancelEffect,
    Change,
    ChangeResult,
    Delivery,
    ListingRef,
    OrderFact,
    OrderPage,
    OrderVoid,
    Outcome,
    Parsed,
    PushRequest,
    RemoteListing,
    RemoteReading,
    WebhookRequest,
)

__all__ = ["HookedChannel", "Killed", "Wire", "webhook"]


class Killed(BaseException):
    """The process is gone: nothing of ours catches it, as nothing catches SIGKILL."""


async def _nothing() -> None:
    """Nothing happens."""


@dataclass(slots=True)
class Wire:
    """What happens between us and one market. Hooks run once for every call."""

    before_push: Callable[[], Awaitable[None]] = _nothing
    after_push: Callable[[], Awaitable[None]] = _nothing
    before_call: Callable[[str], None] = lambda _what: None
    """Told of every call, by its name; for counting and for crashes."""
    after_call: Callable[[str], None] = lambda _what: None
    faults: list[str] = field(default_factory=list)
    """For the next pushes, one each: `delay` (unanswered, arrives with `deliver_late`), `swallow`
    (accepted, never applied)."""
    delayed: list[PushRequest] = field(default_factory=list)
    hidden_until: dict[str, Instant] = field(default_factory=dict)
    """Orders that the feed does not tell yet, by key."""
    visibility_lag_seconds: float = 0.0
    identities: dict[str, str] = field(default_factory=dict)
    """The market's own id of an offer, where it is not its SKU."""


class HookedChannel(MemoryChannel):
    """An open channel onto a market, over a wire."""

    def __init__(self, market: MemoryMarket, wire: Wire | None = None) -> None:
        super().__init__(market)
        self.wire = wire or Wire()

    def late_feeds(self) -> int:
        """Sets that the market has accepted and not applied yet."""
        return len(self._market.late)

    def _as_named_now(self, listing: ListingRef) -> ListingRef:
        """An offer goes by its identity; its SKU may be another by now."""
        for sku, identity in self.wire.identities.items():
            if identity == listing.external.get("id"):
                return replace(listing, sku=sku)
        return listing

    # ------------------------------------------------------------ pushing

    @override
    def prepare(self, changes: Sequence[Change], *, key: str) -> PushRequest:
        """The changes, of offers as they are named now."""
        named = [replace(one, listing=self._as_named_now(one.listing)) for one in changes]
        return super().prepare(named, key=key)

    @override
    async def push(self, request: PushRequest) -> Sequence[ChangeResult]:
        """Over the wire, with whatever happens there."""
        wire = self.wire
        wire.before_call("push")
        await wire.before_push()
        fault = wire.faults.pop(0) if wire.faults else ""
        if fault == "delay":
            wire.delayed.append(request)
            return self._all(request, Outcome.UNKNOWN, "no answer")
        if fault == "swallow":
            return self._all(request, Outcome.ACCEPTED, "")
        results = await super().push(request)
        await wire.after_push()
        wire.after_call("push")
        return results

    async def deliver_late(self) -> None:
        """What was held back arrives now; nobody hears the answers."""
        while self.wire.delayed:
            await super().push(self.wire.delayed.pop(0))

    # ------------------------------------------------------------ looking

    @override
    async def read(self, listings: Sequence[ListingRef]) -> Sequence[RemoteReading]:
        """The counters, over the wire."""
        self.wire.before_call("read")
        readings = await super().read([self._as_named_now(listing) for listing in listings])
        self.wire.after_call("read")
        return readings

    @override
    async def orders_since(self, cursor: str) -> OrderPage:
        """What changed since the cursor and is to be seen by now."""
        self._require_online()
        self.wire.before_call("poll")
        now, lag = self._market.now(), self.wire.visibility_lag_seconds
        since = float(cursor)
        facts = tuple(
            fact
            for key, fact in self._market.orders.items()
            if fact.version >= since and self.wire.hidden_until.get(key, now) <= now
        )
        self.wire.after_call("poll")
        return OrderPage(facts=facts, cursor=str(now - lag), more=False, complete_to=now - lag)

    @override
    async def listings(self) -> AsyncIterator[RemoteListing]:
        """One offer a counter, under the market's own id."""
        async for offer in super().listings():
            identity = self.wire.identities.get(offer.sku, offer.sku)
            yield RemoteListing(sku=offer.sku, external={"id": identity})

    # ------------------------------------------------------------ webhooks

    def verify_webhook(self, request: WebhookRequest) -> Delivery:
        """Nothing to check on a wire of our own."""
        reduced = json.loads(request.body)
        return Delivery(dedupe_key=reduced["key"], topic="orders", reduced=reduced)

    def parse(self, delivery: Delivery) -> Parsed:
        """Facts and voids, as `webhook` wrote them."""
        told = delivery.reduced
        if "facts" not in told:
            raise BadDelivery("it names no order")
        facts = (
            OrderFact(**{**fact, "cancel_effect": CancelEffect(fact["cancel_effect"])})
            for fact in told["facts"]
        )
        voids = (
            OrderVoid(**{**void, "cancel_effect": CancelEffect(void["cancel_effect"])})
            for void in told["voids"]
        )
        return Parsed(facts=tuple(facts), voids=tuple(voids))


def webhook(key: str, *told: OrderFact | OrderVoid) -> Delivery:
    """A delivery that says this."""
    reduced = {
        "key": key,
        "facts": [structs.asdict(one) for one in told if isinstance(one, OrderFact)],
        "voids": [structs.asdict(one) for one in told if isinstance(one, OrderVoid)],
    }
    return Delivery(dedupe_key=key, topic="orders", reduced=reduced)
