"""Values that cross the line between the engine and a connector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from msgspec import Struct, field

from channelsync.domain.escrow import Outcome
from channelsync.domain.vocabulary import (
    Assumption,
    CancelEffect,
    Enforces,
    Instant,
    PushKind,
    PushSemantics,
)

__all__ = [
    "Assumption",
    "AssumptionFinding",
    "CancelEffect",
    "Change",
    "ChangeResult",
    "CheckResult",
    "Delivery",
    "Enforces",
    "External",
    "Instant",
    "ListingRef",
    "LoadRates",
    "LookAt",
    "Notice",
    "OfferPage",
    "OrderFact",
    "OrderPage",
    "OrderVoid",
    "Outcome",
    "Parsed",
    "Pulled",
    "PushKind",
    "PushRequest",
    "PushSemantics",
    "RegisterSequence",
    "RemoteListing",
    "RemoteReading",
    "Shipment",
    "ShownQuantity",
    "StockCount",
    "SubscriptionReport",
    "WebhookRequest",
]

External: TypeAlias = Mapping[str, str]
"""A channel's own identifiers of one offer, JSON-able; only its connector reads them."""


class ListingRef(Struct, frozen=True, kw_only=True):
    """One channel's offer of an item, as the engine names it to the connector."""

    listing_id: str
    sku: str
    """The SKU as the channel spells it."""
    external: External = field(default_factory=dict)


class RemoteListing(Struct, frozen=True, kw_only=True):
    """An offer found on the channel. One with `refused` is listed with the reason, never synced."""

    sku: str
    external: External
    title: str = ""
    quantity: int | None = None
    refused: str | None = None


class OfferPage(Struct, frozen=True, kw_only=True):
    """A part of the channel's catalogue, as it was read."""

    offers: tuple[RemoteListing, ...]
    cursor: str | None
    """Where the next page begins; None: this was the last. It is kept over restarts."""


class LoadRates(Struct, frozen=True, kw_only=True):
    """Listings a second that the marketplace's limits allow, as far as known now."""

    found: float
    """Offers that reading the catalogue tells."""
    read: float
    """Quantities read back."""
    written: float
    """Quantities written, with as many in one request as there may be."""
    shared: bool = False
    """Whether reading and writing draw on one budget, so that neither goes on beside the other."""


class Change(Struct, frozen=True, kw_only=True):
    """One intended change of one listing's remote quantity."""

    push_id: str
    listing: ListingRef
    kind: PushKind
    units: int
    """Raise and cut: the distance. Set: the new value. Zero: 0."""
    compare: int | None = None
    """The value that the channel must still hold. None on a raise: add without comparing."""
    shown_at: Instant | None = None
    """When the channel last showed what the listing holds; None: never, as far as is known."""


class PushRequest(Struct, frozen=True, kw_only=True):
    """One request, fixed to the byte before it is first sent; every copy is the same bytes."""

    key: str
    """The idempotency key."""
    body: bytes
    push_ids: tuple[str, ...]
    operation: str
    """Which call this is, in the connector's own words (it reads it back on a retry)."""


class ChangeResult(Struct, frozen=True, kw_only=True):
    """What one attempt's answer says of one change."""

    push_id: str
    outcome: Outcome
    reason: str = ""
    """The channel's own words, shortened; never personal data."""
    actual: int | None = None
    """The value that the answer says the channel holds, where it does."""
    stale: bool = False
    """Refused because the channel held another value than `compare`."""
    after_seconds: float | None = None
    """Not before this long from now may a copy be sent."""
    ticket: str | None = None
    """Accepted for a later batch of the channel's own, which `FollowsPushes.follow` is to ask for
    under this name. Until that tells an end, the attempt has none. All changes of a request bear
    the same ticket, or none does."""
    refuse_listing: str | None = None
    """The listing itself is unfit (deleted, bundle, …): stop syncing it, for this reason."""


class RemoteReading(Struct, frozen=True, kw_only=True):
    """What a listing's counter showed at some instant between `sent_at` and `received_at`."""

    listing_id: str
    quantity: int | None
    """None: the channel has no such counter (the findings say why)."""
    sent_at: Instant
    received_at: Instant
    findings: tuple[AssumptionFinding, ...] = ()


class AssumptionFinding(Struct, frozen=True, kw_only=True):
    """One assumption, checked. `listing_id` None: it concerns the whole channel."""

    assumption: Assumption
    holds: bool
    why: str = ""
    listing_id: str | None = None


class OrderFact(Struct, frozen=True, kw_only=True):
    """The full current state of one order line, in listing units; never a delta."""

    order_id: str
    line_id: str
    sku: str | None
    """None where the channel does not tell; then `external` must identify the offer."""
    external: External = field(default_factory=dict)
    ordered: int
    cancelled: int = 0
    """Taken off before shipping (cancelled, edited out, refunded unshipped)."""
    shipped: int = 0
    returned: int = 0
    """Came back after shipping."""
    restocked: int = 0
    """Those of `returned` that a person inspected and put back on the shelf."""
    relisted: int = 0
    """Those of `returned` that the channel itself put back on its counter."""
    version: Instant
    """The channel's own time of this state; newer wins, equal merges upwards."""
    sold_at: Instant | None = None
    """When the channel's counter moved (not when the order was created); None: unknown."""
    cancelled_at: Instant | None = None
    shipped_at: Instant | None = None
    """When the latest of the shipped units left the house; None: none did, or unknown."""
    returned_at: Instant | None = None
    """When the latest of the restocked units was back on the shelf; None: none was, or unknown. A
    count taken later holds them already."""
    cancel_effect: CancelEffect = CancelEffect.UNSURE
    pending: bool = False
    moves_counter: bool = True
    """False: this sale left the channel's counter alone (it comes out of `free`)."""
    location: str | None = None
    """The channel's location that sold or ships it, where it tells."""
    origin: str = ""
    """web, till, staff, … as the channel tells it; kept for explanations."""


class OrderVoid(Struct, frozen=True, kw_only=True):
    """A whole order or sale is void, heard of without its lines. Parked until they come."""

    order_id: str
    at: Instant
    cancel_effect: CancelEffect = CancelEffect.UNSURE


class StockCount(Struct, frozen=True, kw_only=True):
    """A physical count told by a channel (a till's stock-take)."""

    sku: str
    location: str
    on_hand: int
    counted_at: Instant
    reference: str


class RegisterSequence(Struct, frozen=True, kw_only=True):
    """A till register's gapless numbering: `sequence` was just heard. A gap is a missing sale."""

    register_id: str
    sequence: int


class ShownQuantity(Struct, frozen=True, kw_only=True):
    """The channel says what an offer shows now. Our own writes and its sales echo like this too."""

    external: External
    """Matched against the listings' `external` as a subset."""
    quantity: int
    at: Instant
    """When it showed that, on the channel's clock."""


class LookAt(Struct, frozen=True, kw_only=True):
    """Something changed; go and look. The engine answers by polling or reading."""

    orders: tuple[str, ...] = ()
    """Order ids to fetch with `orders_by_id`."""
    listings: tuple[External, ...] = ()
    """Identifiers of offers to read; matched against the listings' `external` as a subset."""
    shown: tuple[ShownQuantity, ...] = ()
    """Offers to read only where the number contradicts the books."""
    tickets: tuple[str, ...] = ()
    """Pushes to follow now: the channel says that it is done with them."""
    catalogue: bool = False
    """Discover the listings again."""
    subscriptions: bool = False
    feed: bool = False
    """Poll the orders now: something was sold, and nothing says what."""


class Notice(Struct, frozen=True, kw_only=True):
    """The channel says something about itself: `stop` freezes it until a person acts."""

    message: str
    stop: bool = False


class Parsed(Struct, frozen=True, kw_only=True):
    """Everything one delivery says."""

    facts: tuple[OrderFact, ...] = ()
    voids: tuple[OrderVoid, ...] = ()
    counts: tuple[StockCount, ...] = ()
    sequences: tuple[RegisterSequence, ...] = ()
    look_at: LookAt | None = None
    notices: tuple[Notice, ...] = ()


class OrderPage(Struct, frozen=True, kw_only=True):
    """One page of an order poll."""

    facts: tuple[OrderFact, ...]
    cursor: str
    """Where to go on; opaque, JSON-able, safe to use twice."""
    more: bool
    voids: tuple[OrderVoid, ...] = ()
    counts: tuple[StockCount, ...] = ()
    sequences: tuple[RegisterSequence, ...] = ()
    look_at: LookAt | None = None
    """What the page shows beside orders, such as somebody else's writing of a number."""
    complete_to: Instant | None = None
    """On the last page: the instant, on the channel's clock, up to which every order whose counter
    moved is in the pages since the cursor's start (poll start minus the visibility lag)."""


class WebhookRequest(Struct, frozen=True, kw_only=True):
    """An HTTP request to a receiver, raw. Header names are lower case."""

    url: str
    """The public URL that the channel called."""
    headers: Mapping[str, str]
    body: bytes
    received_at: Instant


class Delivery(Struct, frozen=True, kw_only=True):
    """An authentic webhook, reduced to what is stored: ids, SKUs, quantities, times. No person."""

    dedupe_key: str
    topic: str
    reduced: Mapping[str, Any]
    """JSON-able; `parse` must understand it alone."""


class Pulled(Struct, frozen=True, kw_only=True):
    """One message fetched from the channel's queue; it comes again unless it is acknowledged."""

    receipt: str
    """What `acknowledge` is told."""
    body: bytes
    delivery: Delivery | None
    """None: it is not understood, as `problem` says."""
    problem: str = ""


class SubscriptionReport(Struct, frozen=True, kw_only=True):
    """What `ensure_subscriptions` found and mended, by topic."""

    kept: tuple[str, ...] = ()
    created: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class Shipment(Struct, frozen=True, kw_only=True):
    """One package of ours that left the house."""

    order_id: str
    reference: str
    """Names the package within its order; the same again edits what was told of it."""
    carrier: str
    """The channel's own code of the carrier."""
    tracking: str
    shipped_at: Instant
    lines: tuple[tuple[str, int], ...]
    """Line ids with the units in the package."""
    origin: str = ""
    """`OrderFact.origin` of the order."""


class CheckResult(Struct, frozen=True, kw_only=True):
    """One line of `channelsync channels test`."""

    name: str
    ok: bool
    message: str
