"""What a connector is: a `Connector` (data and a door) that opens a `Channel` (capabilities).

A connector's package exposes one `Connector` under the entry-point group `channelsync.connectors`
and imports nothing of ours but `channelsync.sdk`. A channel implements the capability protocols
that its manifest's semantics need; the engine asks by `isinstance`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import httpx
from pydantic import BaseModel

from channelsync.sdk.types import (
    Assumption,
    AssumptionFinding,
    CancelEffect,
    Change,
    ChangeResult,
    CheckResult,
    Delivery,
    Enforces,
    Instant,
    ListingRef,
    LoadRates,
    OfferPage,
    OrderPage,
    Parsed,
    Pulled,
    PushKind,
    PushRequest,
    PushSemantics,
    RemoteListing,
    RemoteReading,
    Shipment,
    SubscriptionReport,
    WebhookRequest,
)

__all__ = [
    "SDK_VERSION",
    "AcceptsSales",
    "Channel",
    "ChannelContext",
    "ConfirmsShipments",
    "Connector",
    "Discovers",
    "DiscoversInPages",
    "FetchesOrders",
    "FollowsPushes",
    "Manifest",
    "Mirrors",
    "PullsDeliveries",
    "Pushes",
    "Reads",
    "ReceivesWebhooks",
    "RecordsPushes",
    "SizesRequests",
    "Subscribes",
    "TellsRates",
    "TestsItself",
    "VariesBySettings",
]

SDK_VERSION: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a connector declares about its channel, as data. Durations in seconds."""

    name: str
    title: str
    sdk_version: int
    push_semantics: PushSemantics
    enforces: Enforces
    settings_model: type[BaseModel]
    """May have a property `counter_owner`: a text that names whose numbers a channel with these
    settings writes. Two channels with the same are refused."""
    checks: frozenset[Assumption]
    own_hosts: tuple[str, ...] = ()
    """Hosts that credentials may go to: exact, or `*.example.com`. Others need the operator."""
    batch_size: int = 1
    batch_atomic: bool = False
    """Whether one bad change refuses the whole request."""
    requests_per_second: float = 2.0
    confirms_at_once: bool = True
    """False: an answer means "accepted", and the change applies later."""
    raises_without_compare: bool = False
    """Whether a keyed raise may be sent without naming the value it replaces."""
    key_life_seconds: float = 86_400.0
    apply_limit_seconds: float = 60.0
    quarantine_seconds: float = 0.0
    """Default; a merchant may lengthen it."""
    read_lag_seconds: float = 0.0
    clock_skew_seconds: float = 2.0
    visibility_lag_seconds: float = 0.0
    poll_interval_seconds: float = 60.0
    quiet_limit_seconds: float = 900.0
    """A feed without any sign of life for longer shrinks the channel's grants."""
    cancel_effect: CancelEffect = CancelEffect.UNSURE


@dataclass(frozen=True, slots=True)
class ChannelContext:
    """What the host lends to an open channel."""

    channel: str
    """The channel's name in the merchant's YAML."""
    settings: BaseModel
    """An instance of the manifest's settings model, references resolved."""
    http: httpx.AsyncClient
    """Never retries, never follows redirects, caps time and size; use no other client."""
    now: Callable[[], Instant]
    new_id: Callable[[], str] = field(repr=False)
    """A fresh UUID, from the host's source of randomness."""
    folder: Path | None = None
    """The channel's own folder for files that are handed over; None: the host lends none. Where it
    is, the operator decides: no merchant's setting names a path."""


@runtime_checkable
class Channel(Protocol):
    """An open channel. Every method may raise `channelsync.sdk.errors.ConnectorError`."""

    async def close(self) -> None:
        """Let go of everything."""


@runtime_checkable
class Pushes(Protocol):
    """Writes quantities (every semantics but live)."""

    def prepare(self, changes: Sequence[Change], *, key: str) -> PushRequest:
        """Fix one request for these changes (at most `batch_size`, all of one listing kind each).

        Pure: the same arguments give the same bytes. Nothing is sent.
        """

    async def push(self, request: PushRequest) -> Sequence[ChangeResult]:
        """Send exactly these bytes once. One result for every push id, whatever the wire does.

        Raises:
            NeedsReauthorization, Misconfigured: nothing was sent.
        """


@runtime_checkable
class SizesRequests(Protocol):
    """Decides how many changes share a request (without it: as many as `batch_size` allows)."""

    def request_size(self, kinds: Sequence[PushKind]) -> int:
        """How many of the waiting changes, from the first, make the next request. Asks nobody.

        0: none before one of the requests ends that were taken in under a ticket (`FollowsPushes`),
        because they would be quicker then. Without such a request one change is sent all the same.

        They come in the order of their urgency: zeros, cuts, then whatever puts units on sale.
        """


@runtime_checkable
class FollowsPushes(Protocol):
    """Some of its pushes are taken in under a ticket and applied in a batch of the channel's."""

    async def follow(self, request: PushRequest, ticket: str) -> Sequence[ChangeResult] | None:
        """What became of a request that was taken in under a ticket; None: it is not done yet."""


@runtime_checkable
class Reads(Protocol):
    """Reads quantities back."""

    async def read(self, listings: Sequence[ListingRef]) -> Sequence[RemoteReading]:
        """One reading for every listing, in any order, with the assumptions seen on the way."""


@runtime_checkable
class FetchesOrders(Protocol):
    """Polls orders."""

    def first_cursor(self, since: Instant) -> str:
        """A cursor from which paging finds every order unshipped at `since` or changed after."""

    async def orders_since(self, cursor: str) -> OrderPage:
        """The next page. Overlap and repetition are harmless; a gap is not."""

    async def orders_by_id(self, order_ids: Sequence[str]) -> OrderPage:
        """The current state of some orders; `complete_to` is None, the cursor empty."""


@runtime_checkable
class Discovers(Protocol):
    """Finds the channel's offers."""

    def listings(self) -> AsyncIterator[RemoteListing]:
        """Every offer, unfit ones included with `refused` set."""


@runtime_checkable
class DiscoversInPages(Discovers, Protocol):
    """Finds the channel's offers page by page, so that a large catalogue is read in parts.

    A page that fails is asked for again, not the whole; after a restart reading goes on where it
    was.
    """

    async def offers_page(self, cursor: str | None) -> OfferPage:
        """The page at a cursor of the page before; None: the first one.

        A page may be asked for twice. A cursor that is no longer understood begins anew.
        """

    def whole_catalogue(self, offers: Sequence[RemoteListing]) -> Sequence[RemoteListing]:
        """What the offers of all pages, in their order, come to: one for every listing.

        Pure. Only the whole shows which SKU is ambiguous; an offer that came twice counts once.
        """


@runtime_checkable
class ReceivesWebhooks(Protocol):
    """Understands webhooks."""

    def verify_webhook(self, request: WebhookRequest) -> Delivery:
        """Authenticate the raw bytes, then reduce them to what may be stored.

        Raises:
            Unauthentic: signature, shop or age is wrong.
            BadDelivery: authentic, but the body is malformed.
        """

    def parse(self, delivery: Delivery) -> Parsed:
        """What a stored delivery says. Pure.

        Raises:
            BadDelivery: the reduction is not understood.
        """


@runtime_checkable
class PullsDeliveries(Protocol):
    """Fetches what a channel tells from a queue, at least once and in any order."""

    async def pull(self) -> Sequence[Pulled]:
        """What waits now; waits itself for a few seconds where nothing does."""

    async def acknowledge(self, receipts: Sequence[str]) -> None:
        """These were stored for good and need not come again. A loss is harmless."""

    def parse(self, delivery: Delivery) -> Parsed:
        """What a stored delivery says. Pure.

        Raises:
            BadDelivery: the reduction is not understood.
        """


@runtime_checkable
class AcceptsSales(Protocol):
    """Understands what a till posts in batches to `/pos/v1/{channel}/sales`, object by object.

    One bad object refuses its own row alone.
    """

    def authenticate(self, request: WebhookRequest) -> None:
        """Prove that a request to `/pos/v1/{channel}/…` is the till's own.

        Raises:
            Unauthentic: it is not; the message says what to look at.
        """

    def accept_sale(self, data: Mapping[str, Any]) -> Delivery:
        """One object, reduced to what may be stored; `parse` understands it like a webhook's.

        Its dedupe key follows from its content: the same object again is the same delivery.

        Raises:
            BadDelivery: the object is malformed; the message says where, and repeats none of it.
        """

    def parse_batch(self, data: Mapping[str, Any]) -> Parsed:
        """What one object says: `parse` of `accept_sale`, for callers that store nothing.

        Raises:
            BadDelivery: as `accept_sale`.
        """


@runtime_checkable
class Subscribes(Protocol):
    """Keeps subscriptions alive."""

    async def ensure_subscriptions(self, url: str) -> SubscriptionReport:
        """Make the channel deliver every topic we need to `url`; mend what is missing.

        A channel that is pulled from (`PullsDeliveries`) knows its queue, and gets no URL.
        """


@runtime_checkable
class ConfirmsShipments(Protocol):
    """Can be told that an order of its own has left the house."""

    async def confirm_shipment(self, shipment: Shipment) -> None:
        """Tell of one package. The same package may be told again; the feed tells the rest.

        Raises:
            Misconfigured: the channel refuses it; the message says why.
        """


@runtime_checkable
class TellsRates(Protocol):
    """Knows how quickly the marketplace's limits let many listings be loaded."""

    def load_rates(self, listings: int) -> LoadRates:
        """What a load of so many may reach. Asks nobody; better known once calls were answered."""


@runtime_checkable
class TestsItself(Protocol):
    """Checks credentials, rights and the channel-wide assumptions."""

    async def test(self) -> Sequence[CheckResult]:
        """One result a check; never raises for a failed check."""

    async def check_assumptions(self) -> Sequence[AssumptionFinding]:
        """Channel-wide findings (location active, rights complete, …)."""


@runtime_checkable
class RecordsPushes(Protocol):
    """A live channel that wants to be told its number although it does not obey it."""

    async def tell(self, quantities: Sequence[tuple[ListingRef, int]]) -> None:
        """Show these numbers to the channel's people; a loss is harmless."""


@runtime_checkable
class Mirrors(Protocol):
    """A live channel whose number is to follow what lies on one of our shelves."""

    def shelf(self) -> str:
        """The code of our location that it shows."""

    async def mirror(self, units: Sequence[tuple[ListingRef, int]]) -> None:
        """Show these units: what lies there and is promised to nobody. A loss is harmless."""


@runtime_checkable
class VariesBySettings(Protocol):
    """A connector whose channels differ by their settings."""

    def manifest_for(self, settings: BaseModel) -> Manifest:
        """What a channel with these settings declares; its name and model are always the same."""


class Connector(Protocol):
    """A kind of channel: its manifest, and the door to one open channel."""

    @property
    def manifest(self) -> Manifest:
        """What it declares."""

    async def open(self, context: ChannelContext) -> Channel:
        """Open one channel. Must not need the network: an unreachable channel opens, degraded."""
