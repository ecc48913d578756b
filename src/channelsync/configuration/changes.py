"""What differs between two configurations, so that a reload touches only that. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from channelsync.configuration.configuration import ChannelConfiguration, Configuration

__all__ = ["ChannelChange", "ConfigurationDiff", "compare"]

_PLAIN_KEYS = (
    "connector",
    "mode",
    "pool",
    "quarantine_seconds",
    "apply_limit_seconds",
    "poll_interval_seconds",
    "quiet_limit_seconds",
    "credentials_expire_at",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelChange:
    """One channel that stays, and what of it changed. Names only: values may be secret."""

    channel: str
    keys: tuple[str, ...]
    """`mode`, `settings.access_token`, …"""

    @property
    def reopens(self) -> bool:
        """Whether the open channel must be closed and opened again."""
        return any(key == "connector" or key.startswith("settings") for key in self.keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationDiff:
    """What a reload has to do. Nothing but names, sorted."""

    channels_added: tuple[str, ...] = ()
    channels_removed: tuple[str, ...] = ()
    """Each keeps its exposure until it is zeroed and settled."""
    channels_changed: tuple[ChannelChange, ...] = ()
    locations_added: tuple[str, ...] = ()
    locations_removed: tuple[str, ...] = ()
    locations_changed: tuple[str, ...] = ()
    pools_changed: tuple[str, ...] = ()
    """Pools that came, went, or hold other locations or channels."""
    allocation_changed: bool = False
    """The rules of a pool that stays differ: targets must be computed again."""
    listings_changed: tuple[str, ...] = ()
    """Channels whose hand mapping differs: discover again. A recipe changes only from a settled
    zero."""
    holds_changed: bool = False
    notifications_changed: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return self == ConfigurationDiff()

    def lines(self) -> tuple[str, ...]:
        """The changes for people, one a line."""
        named = (
            ("channel added", self.channels_added),
            ("channel removed", self.channels_removed),
            ("location added", self.locations_added),
            ("location removed", self.locations_removed),
            ("location changed", self.locations_changed),
            ("pool changed", self.pools_changed),
            ("listings changed", self.listings_changed),
        )
        said = [f"{what}: {name}" for what, names in named for name in names]
        said += [
            f"channel changed: {one.channel} ({', '.join(one.keys)})"
            for one in self.channels_changed
        ]
        if self.allocation_changed:
            said.append("allocation changed")
        if self.holds_changed:
            said.append("holds changed")
        if self.notifications_changed:
            said.append("notifications changed")
        return tuple(said)


def compare(old: Configuration, new: Configuration) -> ConfigurationDiff:
    """What changed from `old` to `new`, secrets that were replaced behind their reference too."""
    stay = sorted(old.channels.keys() & new.channels.keys())
    changes = (_channel_change(old.channels[name], new.channels[name]) for name in stay)
    pools = old.pools.keys() | new.pools.keys()
    return ConfigurationDiff(
        channels_added=tuple(sorted(new.channels.keys() - old.channels.keys())),
        channels_removed=tuple(sorted(old.channels.keys() - new.channels.keys())),
        channels_changed=tuple(change for change in changes if change.keys),
        locations_added=tuple(sorted(new.locations.keys() - old.locations.keys())),
        locations_removed=tuple(sorted(old.locations.keys() - new.locations.keys())),
        locations_changed=tuple(
            name
            for name in sorted(old.locations.keys() & new.locations.keys())
            if old.locations[name] != new.locations[name]
        ),
        pools_changed=tuple(
            pool for pool in sorted(pools) if old.pools.get(pool) != new.pools.get(pool)
        ),
        allocation_changed=any(
            old.rules_for(pool) != new.rules_for(pool)
            for pool in old.pools.keys() & new.pools.keys()
        ),
        listings_changed=tuple(
            sorted(
                name
                for name in old.channels.keys() | new.channels.keys()
                if old.recipes_for(name) != new.recipes_for(name)
            )
        ),
        holds_changed=old.hold_ttl_seconds != new.hold_ttl_seconds,
        notifications_changed=(old.notices, old.notice_targets)
        != (new.notices, new.notice_targets),
    )


def _channel_change(old: ChannelConfiguration, new: ChannelConfiguration) -> ChannelChange:
    keys = [key for key in _PLAIN_KEYS if getattr(old, key) != getattr(new, key)]
    if type(old.settings) is not type(new.settings):
        keys.append("settings")
    else:
        keys += [
            f"settings.{name}"
            for name in type(new.settings).model_fields
            if getattr(old.settings, name) != getattr(new.settings, name)
        ]
    return ChannelChange(channel=new.channel, keys=tuple(keys))
