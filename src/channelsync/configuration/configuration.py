"""A checked configuration, as the rest of the program reads it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from datetime import time as time_of_day
from types import MappingProxyType
from typing import Any, Final, TypeVar

from pydantic import BaseModel, SecretStr

from channelsync.configuration.names import DEFAULT_POOL, DEFAULT_RULE
from channelsync.configuration.shape import (
    AllocationShape,
    DemandShape,
    FileShape,
    LimitsShape,
    Mode,
    NotificationsShape,
    RuleShape,
    ShareShape,
    WindowShape,
)
from channelsync.domain.allocation_rules import WHOLE, Guarantee, Limits, Rule, Strategy
from channelsync.domain.notices import NOTICE_KINDS, NoticePolicy, NoticeRule
from channelsync.domain.vocabulary import Instant
from channelsync.sdk.connector import Manifest

__all__ = [
    "ChannelConfiguration",
    "Configuration",
    "LocationConfiguration",
    "PoolConfiguration",
]

DEFAULT_LOW_WATER: Final = 5_000

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationConfiguration:
    """A place that holds stock."""

    location: str
    """Its key in the file."""
    name: str
    """How people call it."""
    pool: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolConfiguration:
    """Locations whose stock a group of channels shares."""

    pool: str
    locations: tuple[str, ...]
    """Most preferred for shipping first."""
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelConfiguration:
    """One selling account. Durations in seconds, the connector's own where the file is silent."""

    channel: str
    connector: str
    settings: BaseModel
    """The connector's settings, references resolved."""
    mode: Mode
    pool: str
    quarantine_seconds: float
    apply_limit_seconds: float
    poll_interval_seconds: float
    quiet_limit_seconds: float
    credentials_expire_at: Instant | None = None
    """When that day begins."""


class Configuration:
    """Everything that one valid file says. Never changes; a changed file makes another one."""

    def __init__(
        self,
        shape: FileShape,
        *,
        settings: Mapping[str, BaseModel],
        manifests: Mapping[str, Manifest],
        zone: tzinfo,
        notice_targets: Mapping[str, SecretStr] = MappingProxyType({}),
        uses_kept: bool = False,
    ) -> None:
        self.uses_kept: Final = uses_kept
        """Whether a credential of it is kept in the store (`kept:NAME`), and may change there."""
        self._shape = shape
        self._zone = zone
        self.fingerprint: Final = _fingerprint(shape)
        """SHA-256, hexadecimal, of the content: equal for files that differ only in comments,
        order of keys and layout. Holds no secret, so it does not change with one."""
        self.pools: Final = MappingProxyType(_pools(shape))
        pool_of_location = _pool_of(self.pools, "locations")
        pool_of_channel = _pool_of(self.pools, "channels")
        self.locations: Final = MappingProxyType(
            {
                key: LocationConfiguration(
                    location=key, name=location.name or key, pool=pool_of_location[key]
                )
                for key, location in shape.locations.items()
            }
        )
        self.channels: Final = MappingProxyType(
            {
                key: replace(
                    _channel(
                        key,
                        shape,
                        settings[key],
                        manifests[channel.connector],
                        pool_of_channel[key],
                    ),
                    credentials_expire_at=self._beginning(channel.credentials_expire),
                )
                for key, channel in shape.channels.items()
            }
        )
        self.hold_ttl_seconds: Final = shape.holds.default_ttl
        """How long a hold lasts that names no time of its own."""
        self.notices: Final = self._notices(shape.notifications)
        """Who is told of what."""
        self.notice_targets: Final = MappingProxyType(dict(notice_targets))
        """Where messages go, by the name of the target."""
        self._rules = {pool: self._pool_rules(pool) for pool in self.pools}

    @property
    def allocation(self) -> AllocationShape:
        """The allocation as the file states it."""
        return self._shape.allocation

    @property
    def timezone(self) -> str:
        """The zone of times without an offset, and of those shown to the merchant."""
        return self._shape.timezone

    def rules_for(self, pool: str) -> tuple[Rule, ...]:
        """The allocation rules of a pool, naming its channels only; the default rule is the last.

        Raises:
            KeyError: there is no such pool.
        """
        return self._rules[pool]

    def safety_stock_for(self, pool: str) -> int:
        """Units of an item never offered, once in the pool, where no rule says otherwise."""
        return self._rules[pool][-1].safety_stock or 0

    def recipes_for(self, channel: str) -> Mapping[str, Mapping[str, int]]:
        """Listings of a channel mapped by hand: external SKU -> item SKU -> units."""
        listings = self._shape.listings.get(channel, {})
        return {sku: MappingProxyType(dict(shape.recipe)) for sku, shape in listings.items()}

    def as_json(self) -> dict[str, Any]:
        """The content with its defaults, references unresolved: no secret is in it."""
        return _content(self._shape)

    def _pool_rules(self, pool: str) -> tuple[Rule, ...]:
        own = frozenset(self.pools[pool].channels)
        default = self._shape.allocation
        rules = [
            self._rule(rule.name, rule, pool)
            for rule in default.rules
            if not rule.channels or own.intersection(rule.channels)
        ]
        return (*rules, self._rule(DEFAULT_RULE, default, pool))

    def _rule(self, name: str, share: ShareShape, pool: str) -> Rule:
        """A rule with what it leaves to the default, restricted to the pool's channels."""
        channels = self.pools[pool].channels
        default = self._shape.allocation
        rule = share if isinstance(share, RuleShape) else RuleShape(name=name)
        window = rule.window or WindowShape()
        strategy = share.strategy or default.strategy or Strategy.QUOTA
        quotas = _own(share.quotas, channels) or _own(default.quotas, channels)
        if not quotas:
            quotas = _equal_shares(channels)
        limits = {**(default.limits or {}), **(share.limits or {})}
        demand = share.demand or default.demand or DemandShape()
        return Rule(
            name=name,
            skus=rule.skus,
            tags=rule.tags,
            channels=tuple(channel for channel in rule.channels if channel in channels),
            window_from=self._instant(window.from_),
            window_to=self._instant(window.to),
            strategy=strategy,
            quotas=MappingProxyType(quotas),
            fixed=MappingProxyType(_own(share.fixed, channels) or _own(default.fixed, channels)),
            priority=tuple(
                channel
                for channel in share.priority or default.priority or ()
                if channel in channels
            ),
            limits=MappingProxyType(
                {channel: _limits(one) for channel, one in _own(limits, channels).items()}
            ),
            low_water_basis_points=_first(share.low_water, default.low_water, DEFAULT_LOW_WATER),
            guarantee=Guarantee(share.guarantee or default.guarantee or Guarantee.STRICT),
            safety_stock=_first(default.safety_stock, None, 0),
            demand_half_life_seconds=demand.half_life,
            demand_prior_units=demand.prior_units,
            margins=MappingProxyType(
                _own(share.margins, channels) or _own(default.margins, channels)
            ),
        )

    def _notices(self, shape: NotificationsShape) -> NoticePolicy:
        return NoticePolicy(
            rules=tuple(
                NoticeRule(
                    name=rule.name,
                    targets=tuple(dict.fromkeys(rule.to)),
                    kinds=frozenset(rule.when) or NOTICE_KINDS,
                    channels=frozenset(rule.channels),
                    after_seconds=rule.after or 0.0,
                    digest_seconds=rule.digest or 0.0,
                    tells_ends=rule.ends,
                )
                for rule in shape.rules
            ),
            low_stock=shape.low_stock,
            muted_until=self._instant(shape.mute_until),
        )

    def _beginning(self, day: date | None) -> Instant | None:
        return None if day is None else self._instant(datetime.combine(day, time_of_day.min))

    def _instant(self, time: datetime | None) -> Instant | None:
        if time is None:
            return None
        return (time if time.tzinfo else time.replace(tzinfo=self._zone)).timestamp()


def _first(value: int | None, default: int | None, otherwise: int) -> int:
    if value is not None:
        return value
    return otherwise if default is None else default


def _own(values: Mapping[str, _Value] | None, channels: tuple[str, ...]) -> dict[str, _Value]:
    """What concerns these channels."""
    return {channel: value for channel, value in (values or {}).items() if channel in channels}


def _equal_shares(channels: tuple[str, ...]) -> dict[str, int]:
    if not channels:
        return {}
    share, left = divmod(WHOLE, len(channels))
    return {channel: share + (index < left) for index, channel in enumerate(channels)}


def _limits(shape: LimitsShape) -> Limits:
    return Limits(
        floor=shape.floor,
        cap=shape.cap,
        buffer=shape.buffer,
        stop_sell_at=shape.stop_sell_at,
        multiple=shape.multiple,
    )


def _pools(shape: FileShape) -> dict[str, PoolConfiguration]:
    if shape.pools is None:
        everything = PoolConfiguration(
            pool=DEFAULT_POOL, locations=tuple(shape.locations), channels=tuple(shape.channels)
        )
        return {DEFAULT_POOL: everything}
    return {
        key: PoolConfiguration(pool=key, locations=pool.locations, channels=pool.channels)
        for key, pool in shape.pools.items()
    }


def _pool_of(pools: Mapping[str, PoolConfiguration], members: str) -> dict[str, str]:
    return {name: key for key, pool in pools.items() for name in getattr(pool, members)}


def _channel(
    key: str, shape: FileShape, settings: BaseModel, manifest: Manifest, pool: str
) -> ChannelConfiguration:
    said = shape.channels[key]
    return ChannelConfiguration(
        channel=key,
        connector=said.connector,
        settings=settings,
        mode=said.mode,
        pool=pool,
        quarantine_seconds=(
            manifest.quarantine_seconds
            if said.quarantine_seconds is None
            else said.quarantine_seconds
        ),
        apply_limit_seconds=(
            manifest.apply_limit_seconds
            if said.apply_limit_seconds is None
            else said.apply_limit_seconds
        ),
        poll_interval_seconds=said.poll_interval_seconds or manifest.poll_interval_seconds,
        quiet_limit_seconds=said.quiet_limit_seconds or manifest.quiet_limit_seconds,
    )


def _content(shape: FileShape) -> dict[str, Any]:
    return shape.model_dump(mode="json", by_alias=True, exclude_none=True)


def _fingerprint(shape: FileShape) -> str:
    canonical = json.dumps(_content(shape), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()
