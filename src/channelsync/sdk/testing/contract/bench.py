"""One world with its channel opened, and what the clauses of the contract do with both."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import httpx
from msgspec.structs import replace

from channelsync.sdk.connector import (
    Channel,
    ChannelContext,
    FetchesOrders,
    Manifest,
    ReceivesWebhooks,
    Subscribes,
    VariesBySettings,
)
from channelsync.sdk.errors import Resting, Retryable
from channelsync.sdk.http import http_client
from channelsync.sdk.testing.contract.breaking import ContractBroken, expect
from channelsync.sdk.testing.contract.hearing import Word
from channelsync.sdk.testing.contract.wire import Wire
from channelsync.sdk.testing.contract.world import HOOK_URL, Clock, World
from channelsync.sdk.types import (
    Change,
    ChangeResult,
    Delivery,
    LookAt,
    OrderPage,
    Outcome,
    Parsed,
    PushKind,
    PushRequest,
    PushSemantics,
    RemoteReading,
    WebhookRequest,
)

__all__ = ["Bench", "open_bench", "words_of"]

PAGES_MAX: Final = 500
TRIES_MAX: Final = 8
MOMENT_SECONDS: Final = 2.0


class Bench:
    """A world, the wire to it and the channel at its end."""

    def __init__(self, world: World, wire: Wire, http: httpx.AsyncClient, channel: Any) -> None:
        self.world = world
        self.wire = wire
        self._http = http
        self.channel: Any = channel
        """Ask it for capabilities by `isinstance`, as the engine does."""
        self._opened_at = world.clock()
        self._pushes = itertools.count(1)
        self._keys = itertools.count(1)

    async def close(self) -> None:
        """Close the channel, then the wire."""
        await self.channel.close()
        await self._http.aclose()

    @property
    def clock(self) -> Clock:
        """Everybody's clock."""
        return self.world.clock

    @property
    def manifest(self) -> Manifest:
        """What the connector declares for this world's settings."""
        return declared_by(self.world)

    @property
    def semantics(self) -> PushSemantics:
        """What a write means."""
        return self.manifest.push_semantics

    @property
    def keyed(self) -> bool:
        """Whether a write bears an idempotency key."""
        return self.semantics in {PushSemantics.KEYED_COMPARE_AND_SET, PushSemantics.KEYED_DELTA}

    @property
    def compares(self) -> bool:
        """Whether a write names the value that it replaces."""
        return self.semantics is PushSemantics.KEYED_COMPARE_AND_SET

    @property
    def taken(self) -> Outcome:
        """What the answer to a good push proves."""
        return Outcome.APPLIED if self.manifest.confirms_at_once else Outcome.ACCEPTED

    # ------------------------------------------------------------ faults

    @contextmanager
    def fault(self, name: str) -> Iterator[None]:
        """Every call of a block meets this fault.

        Raises:
            ContractBroken: the simulator never injected it.
        """
        faults = self.world.faults
        before = faults.injected.get(name, 0)
        setattr(faults.answers, name, 1.0)
        try:
            yield
        finally:
            setattr(faults.answers, name, 0.0)
        expect(
            faults.injected.get(name, 0) > before,
            f"the simulator injected no {name!r}: it must draw from World.faults at every call and"
            " count what it injects",
        )

    # ------------------------------------------------------------ pushing

    def change(self, sku: str, *, held: int, to: int) -> Change:
        """The change of a counter from one value to another, in this channel's semantics."""
        kind, units, compare = self._shape(held, to)
        return Change(
            push_id=f"push-{next(self._pushes)}",
            listing=self.world.listing(sku),
            kind=kind,
            units=units,
            compare=compare,
        )

    def _shape(self, held: int, to: int) -> tuple[PushKind, int, int | None]:
        if self.semantics is PushSemantics.ABSOLUTE:
            return (PushKind.SET if to else PushKind.ZERO), to, None
        kind = PushKind.RAISE if to > held else PushKind.CUT
        return kind, abs(to - held), held if self.compares else None

    def blind_raise(self, sku: str, units: int) -> Change:
        """A raise that names no old value."""
        return replace(self.change(sku, held=0, to=units), compare=None)

    def prepared(self, *changes: Change, key: str | None = None) -> PushRequest:
        """A request with a key of its own."""
        request = self.channel.prepare(changes, key=key or f"key-{next(self._keys):06d}")
        wanted = sorted(change.push_id for change in changes)
        expect(
            isinstance(request, PushRequest) and sorted(request.push_ids) == wanted,
            f"prepare gave {request!r} for the pushes {wanted}",
        )
        prepared: PushRequest = request
        return prepared

    async def push(self, request: PushRequest) -> dict[str, ChangeResult]:
        """Send one copy; its results by push id, one for each."""
        results = await self.channel.push(request)
        told = sorted(result.push_id for result in results)
        expect(
            told == sorted(request.push_ids),
            f"push must give one result for every push id {sorted(request.push_ids)}, whatever the"
            f" wire does; it gave {told}",
        )
        return {result.push_id: result for result in results}

    async def push_one(self, change_or_request: Change | PushRequest) -> ChangeResult:
        """Send one copy of a request with one change."""
        request = (
            change_or_request
            if isinstance(change_or_request, PushRequest)
            else self.prepared(change_or_request)
        )
        [result] = (await self.push(request)).values()
        return result

    async def pause(self, result: ChangeResult | None = None) -> None:
        """Let the time pass that an answer asked for, and a moment."""
        asked = result.after_seconds if result is not None else None
        await self.world.later((asked or 0.0) + MOMENT_SECONDS)

    async def shown_at_last(self, sku: str) -> int:
        """The true counter once whatever was written has been applied, or never will be."""
        await self.world.later(self.manifest.apply_limit_seconds)
        return await self.world.shown(sku)

    async def warmed_up(self) -> None:
        """Have whatever a first call needs (tokens, locations), so that a push is one request."""
        if hasattr(self.channel, "read"):
            await self.patiently("read", [])
        if isinstance(self.channel, FetchesOrders):
            await self.page(self.channel.first_cursor(self.clock()))

    # ------------------------------------------------------------ looking

    async def patiently(self, method: str, *given: Any) -> Any:
        """Call as the host does: again when `Retryable` or `Resting` say so, a few times."""
        for _ in range(TRIES_MAX):
            try:
                return await getattr(self.channel, method)(*given)
            except (Retryable, Resting) as error:
                self.clock.passes((error.after_seconds or 0.0) + MOMENT_SECONDS)
        raise ContractBroken(f"{method} still raises Retryable after {TRIES_MAX} tries")

    async def reading(self, sku: str) -> RemoteReading:
        """One listing, read back."""
        listing = self.world.listing(sku)
        readings = await self.patiently("read", [listing])
        told = [one.listing_id for one in readings]
        expect(told == [listing.listing_id], f"read was asked for {sku!r} alone and told {told}")
        only: RemoteReading = readings[0]
        return only

    async def page(self, cursor: str) -> OrderPage:
        """One page of orders."""
        page: OrderPage = await self.patiently("orders_since", cursor)
        expect(
            not (page.more and page.complete_to is not None),
            "a page says `more` and yet tells a watermark: only the last page can know it",
        )
        expect(json.loads(json.dumps(page.cursor)) == page.cursor, "a cursor must be plain text")
        return page

    async def pages(self, cursor: str) -> list[OrderPage]:
        """Every page from a cursor to the last."""
        found: list[OrderPage] = []
        while len(found) < PAGES_MAX:
            page = await self.page(cursor)
            found.append(page)
            if not page.more:
                return found
            expect(page.cursor != cursor, "a page says `more` and repeats its own cursor")
            cursor = page.cursor
        raise ContractBroken(f"paging did not end within {PAGES_MAX} pages")

    async def by_poll(self, since: float) -> list[Word]:
        """Everything that paging from a first cursor tells."""
        pages = await self.pages(self.channel.first_cursor(since))
        return [word for page in pages for word in words_of(page)]

    async def by_id(self, orders: Iterable[str]) -> list[Word]:
        """The current state of some orders."""
        wanted = sorted(set(orders))
        page: OrderPage = await self.patiently("orders_by_id", wanted)
        expect(
            not page.more and page.complete_to is None,
            "orders_by_id is no poll: `more` must be False and `complete_to` None",
        )
        return words_of(page)

    # ------------------------------------------------------------ hearing

    async def subscribed(self) -> None:
        """Let the marketplace deliver what happens from now on."""
        if isinstance(self.channel, Subscribes):
            await self.patiently("ensure_subscriptions", HOOK_URL)

    def verified(self, request: WebhookRequest) -> Delivery:
        """A genuine webhook, as it comes back from where it was stored."""
        delivery: Delivery = self.channel.verify_webhook(request)
        stored: Mapping[str, Any] = json.loads(json.dumps(dict(delivery.reduced)))
        return replace(delivery, reduced=stored)

    async def by_webhook(self, requests: Sequence[WebhookRequest]) -> list[Word]:
        """Everything that these webhooks tell, thin ones followed up."""
        words: list[Word] = []
        for request in requests:
            parsed: Parsed = self.channel.parse(self.verified(request))
            words += [*parsed.facts, *parsed.voids]
            look = parsed.look_at or LookAt()
            if look.orders:
                words += await self.by_id(look.orders)
            if look.feed:
                words += await self.by_poll(self._opened_at)
        return words

    @property
    def told_by_webhook(self) -> bool:
        """Whether orders are told by webhook at all."""
        return isinstance(self.channel, ReceivesWebhooks)


def declared_by(world: World) -> Manifest:
    """The manifest of a channel with this world's settings."""
    connector = world.connector
    if isinstance(connector, VariesBySettings):
        return connector.manifest_for(world.settings)
    return connector.manifest


def words_of(page: OrderPage) -> list[Word]:
    """The facts and voids of a page."""
    return [*page.facts, *page.voids]


async def open_bench(world: World) -> Bench:
    """Open the channel of a world on a wire that records."""
    wire = Wire(world.transport(), world.clock)
    manifest = declared_by(world)
    numbers = itertools.count(1)
    http = http_client(allowed_hosts=(*manifest.own_hosts, *world.allowed_hosts), transport=wire)
    context = ChannelContext(
        channel="contract",
        settings=world.settings,
        http=http,
        now=world.clock,
        new_id=lambda: f"00000000-0000-4000-8000-{next(numbers):012d}",
    )
    channel = await world.connector.open(context)
    expect(isinstance(channel, Channel), f"open gave {type(channel).__name__}, which is no Channel")
    return Bench(world, wire, http, channel)
