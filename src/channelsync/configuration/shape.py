"""What `channelsync.yaml` may hold, as frozen models. The docstrings are its documentation.

Types are checked here; what depends on more than one place (names, sums, connectors) elsewhere.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from channelsync.configuration.problems import meant, quoted
from channelsync.configuration.values import (
    BasisPoints,
    Day,
    DurationSeconds,
    LocalTime,
    Margin,
    Name,
    Seconds,
    Text,
    Units,
)
from channelsync.domain.allocation_rules import Guarantee, Strategy
from channelsync.domain.notices import NOTICE_KINDS

__all__ = [
    "AllocationShape",
    "ChannelShape",
    "DemandShape",
    "FileShape",
    "HoldsShape",
    "LimitsShape",
    "ListingShape",
    "LocationShape",
    "Mode",
    "NoticeRuleShape",
    "NotificationsShape",
    "PoolShape",
    "RuleShape",
    "Shape",
    "ShareShape",
    "WindowShape",
]

VERSION: Final = 1

Mode = Literal["live", "shadow", "paused"]


def _available_guarantee(value: object) -> object:
    if value in (Guarantee.BOUNDED, Guarantee.POOLED):
        raise ValueError(f"{quoted(value)} is not available in this version; use strict")
    return value


def _known_version(value: int) -> int:
    if value != VERSION:
        raise ValueError(f"version {value} is unknown to this program; it reads version {VERSION}")
    return value


Version = Annotated[
    int,
    Field(strict=True),
    AfterValidator(_known_version),
    WithJsonSchema({"type": "integer", "const": VERSION}),
]
StrictGuarantee = Annotated[Literal["strict"], BeforeValidator(_available_guarantee)]


def _known_kind(value: object) -> object:
    if isinstance(value, str) and value not in NOTICE_KINDS:
        near = meant(value, NOTICE_KINDS)
        raise ValueError(f"there is no such kind of thing{f'; {near}' if near else ''}")
    return value


NoticeKind = Annotated[
    str,
    BeforeValidator(_known_kind),
    WithJsonSchema({"type": "string", "enum": sorted(NOTICE_KINDS)}),
]
Recipe = Annotated[
    dict[Text, Annotated[int, Field(strict=True, ge=1, le=1_000_000)]], Field(min_length=1)
]


class Shape(BaseModel):
    """Frozen, and no key is accepted that means nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class LocationShape(Shape):
    """A place that holds stock: warehouse, shop, supplier."""

    name: Text | None = None
    """How people call it; its key when absent."""


class PoolShape(Shape):
    """Locations whose stock a group of channels shares."""

    locations: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Where the stock is, most preferred for shipping first. A location is in exactly one pool."""
    channels: tuple[Name, ...] = ()
    """Who sells it. A channel is in exactly one pool."""


class ChannelShape(Shape):
    """One selling account: a shop, a seller account in one region, a till."""

    connector: Text
    """Which kind of channel it is: the name of an installed connector."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """The connector's own settings. Secrets are references: ${NAME}, file:NAME or
    kept:NAME."""
    mode: Mode = "live"
    """live: in step. shadow: every push is computed and logged, none is sent. paused: nothing is
    sent and nothing new is granted. Orders are counted in all three."""
    quarantine_seconds: Seconds | None = None
    """How long a checkout that began before a quantity was lowered may still end in a sale; at
    least the connector's own."""
    apply_limit_seconds: Seconds | None = None
    """How late a quantity that was sent may still apply; at least the connector's own. Until then
    what was sent counts as possibly on sale. A channel that is ever later raises an alarm."""
    poll_interval_seconds: Annotated[float, Field(strict=True, ge=1, le=86_400)] | None = None
    """How often orders are asked for, beside the webhooks."""
    quiet_limit_seconds: Annotated[float, Field(strict=True, ge=1, le=366 * 86_400)] | None = None
    """A channel that gave no sign of life for longer has its quantities lowered."""
    credentials_expire: Day | None = None
    """The day on which a credential of this channel ends, as the marketplace told it. An alarm says
    so from 14 days before."""


class LimitsShape(Shape):
    """What one channel may be given, in units of its listing."""

    floor: Units = 0
    """At least this many while stock lasts."""
    cap: Units | None = None
    """At most this many."""
    buffer: Units = 0
    """Units of its share that stay behind, unsold."""
    stop_sell_at: Units | None = None
    """Show 0 as soon as the share is this small or smaller."""
    multiple: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 1
    """List only whole multiples (cases, pairs)."""

    @model_validator(mode="after")
    def _cap_holds_floor(self) -> LimitsShape:
        if self.cap is not None and self.cap < self.floor:
            raise ValueError(f"cap {self.cap} is below floor {self.floor}")
        return self


class DemandShape(Shape):
    """How quickly demand-weighted shares learn."""

    half_life: DurationSeconds = 7 * 86_400.0
    """After this much time on sale, a sale counts half. Default: 7d."""
    prior_units: Annotated[float, Field(strict=True, gt=0, le=1e6)] = 20.0
    """How many units of sales the quotas weigh as much as. Default: 20."""


class WindowShape(Shape):
    """When a rule holds: from `from` until just before `to`."""

    from_: LocalTime | None = Field(default=None, alias="from")
    """The first instant."""
    to: LocalTime | None = None
    """The instant at which it ends."""


class ShareShape(Shape):
    """How stock is shared: what rules and the default have in common."""

    guarantee: StrictGuarantee | None = None
    """What is promised about overselling. Only strict (never) is available."""
    strategy: Strategy | None = None
    """quota: a percentage each. fixed: a number of units each. priority: each channel in turn up to
    its cap. demand: by what each channel sells while it has something to sell. Default: quota."""
    quotas: dict[Name, BasisPoints] | None = None
    """Channel: percentage of what can be promised; at most 100% in a pool, the rest is common to
    all. Without any: equal shares. With demand: the shares assumed at first."""
    fixed: dict[Name, Units] | None = None
    """Channel: units of the item."""
    priority: tuple[Name, ...] | None = None
    """Channels, most important first."""
    limits: dict[Name, LimitsShape] | None = None
    """Channel: bounds on its share."""
    low_water: BasisPoints | None = None
    """A listing is topped up when it falls below this part of its share. Default: 50%."""
    margins: dict[Name, Margin] | None = None
    """Channel: profit per unit; keeps units for the better-paid channels."""
    demand: DemandShape | None = None
    """How quickly the strategy demand learns."""


class RuleShape(ShareShape):
    """An exception for some items, channels or times. What it does not say, the default says."""

    name: Text
    """How explanations call it."""
    skus: tuple[Text, ...] = ()
    """Patterns such as IPHONE-*; one match is enough. None: every SKU."""
    tags: tuple[Text, ...] = ()
    """An item must carry all of them."""
    channels: tuple[Name, ...] = ()
    """Only items offered on one of these channels. None: wherever they are offered."""
    window: WindowShape | None = None
    """Only at this time."""


class AllocationShape(ShareShape):
    """How stock is shared between the channels of a pool."""

    safety_stock: Units | None = None
    """Units never offered, once per item and pool. Default: 0."""
    rules: tuple[RuleShape, ...] = ()
    """Exceptions; the most specific that matches an item applies, among equals the first."""


class ListingShape(Shape):
    """What one external SKU is made of."""

    recipe: Recipe
    """Item SKU: units of it in one unit of the listing."""


class HoldsShape(Shape):
    """Units held for carts."""

    default_ttl: DurationSeconds = 900.0
    """How long a hold lasts that names no time of its own. Default: 15m."""


class NoticeRuleShape(Shape):
    """Who is told of what."""

    name: Text
    """How the list of what was sent calls it; each rule its own."""
    to: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Names of targets."""
    when: tuple[NoticeKind, ...] = ()
    """Kinds of things: shortfall, low_stock, or any alarm. None: everything."""
    channels: tuple[Name, ...] = ()
    """Only what concerns one of these channels. None: whatever it concerns."""
    after: DurationSeconds | None = None
    """Only what has stood this long. Default: at once."""
    digest: DurationSeconds | None = None
    """Collect for this long, then tell everything in one message. Default: at once."""
    ends: bool = False
    """Whether its end is told as well."""


class NotificationsShape(Shape):
    """Who is told when something wants a person."""

    targets: dict[Name, Text] = Field(default_factory=dict)
    """Name: where messages go, as a reference (${NAME}, file:NAME, kept:NAME) to an Apprise URL: a
    mail address, a chat, a push service. Needs channelsync[notify]."""
    rules: tuple[NoticeRuleShape, ...] = ()
    """Who is told of what. Without rules nobody is."""
    low_stock: Units | None = None
    """An item of which so few units can be promised in a pool counts as low_stock."""
    mute_until: LocalTime | None = None
    """Nothing is sent before this time; what happened meanwhile is told then."""


class FileShape(Shape):
    """The whole file."""

    version: Version
    """The format's version: 1."""
    timezone: Text = "UTC"
    """The zone of times without an offset, such as Europe/Berlin."""
    locations: Annotated[dict[Name, LocationShape], Field(min_length=1)]
    """Every place that holds stock."""
    pools: Annotated[dict[Name, PoolShape], Field(min_length=1)] | None = None
    """Which channels share which stock. Without: one pool "main" of everything."""
    channels: dict[Name, ChannelShape] = Field(default_factory=dict)
    """Every selling account."""
    allocation: AllocationShape = AllocationShape()
    """How stock is shared."""
    listings: dict[Name, dict[Text, ListingShape]] = Field(default_factory=dict)
    """Listings mapped by hand, by channel and the SKU it shows; all others are found by SKU."""
    holds: HoldsShape = HoldsShape()
    """Units held for carts that are not paid yet."""
    notifications: NotificationsShape = NotificationsShape()
    """Who is told when something wants a person."""
