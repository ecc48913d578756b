"""Channels as their connectors declare them, none of them open.

Reading commands need what a channel promises (its semantics, its times), not the channel itself:
they touch no network, and a marketplace that is down does not keep an operator from looking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from channelsync.configuration.configuration import Configuration
from channelsync.plugins.registry import Registry
from channelsync.ports import RunningChannel

__all__ = ["DeclaredChannels"]


class _NotOpen:
    """A channel that can do nothing but close."""

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True, slots=True)
class DeclaredChannels:
    """The configured channels by name."""

    declared: Mapping[str, RunningChannel]

    @classmethod
    def of(cls, configuration: Configuration | None, registry: Registry) -> DeclaredChannels:
        """What a configuration declares; nothing without one."""
        channels = configuration.channels.values() if configuration else ()
        return cls(
            {
                one.channel: RunningChannel(
                    name=one.channel,
                    manifest=registry.get(one.connector).manifest,
                    channel=_NotOpen(),
                    quarantine_seconds=one.quarantine_seconds,
                    apply_limit_seconds=one.apply_limit_seconds,
                    poll_interval_seconds=one.poll_interval_seconds,
                    quiet_limit_seconds=one.quiet_limit_seconds,
                )
                for one in channels
            }
        )

    def get(self, name: str) -> RunningChannel | None:
        """The channel of that name, if it is configured."""
        return self.declared.get(name)

    def names(self) -> tuple[str, ...]:
        """All of them, sorted."""
        return tuple(sorted(self.declared))
