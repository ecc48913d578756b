"""What every use case is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from channelsync.domain.escrow import ChannelLimits
from channelsync.engine.latest import Latest
from channelsync.engine.policy import Policy
from channelsync.engine.sums import Sums, latest_sums
from channelsync.ports import Environment, OpenChannels, Presence, RunningChannel, WakeBus
from channelsync.store.database import Database
from channelsync.store.presence import Alone
from channelsync.tracing import NoTracing, Tracing

__all__ = ["Engine", "limits_of"]


@dataclass(slots=True)
class Engine:
    """The store, the open channels, the merchant's policy, time and identity."""

    database: Database
    channels: OpenChannels
    environment: Environment
    bus: WakeBus
    policy: Policy
    presence: Presence = field(default_factory=Alone)
    tracing: Tracing = field(default_factory=NoTracing)
    sending: set[str] = field(default_factory=set)
    """Requests that this process is sending: from before a copy is committed until its end is."""
    sums: Latest[Sums] = field(init=False, repr=False)
    """Sums over the whole house, for who looks again and again."""

    def __post_init__(self) -> None:
        self.sums = latest_sums(self)

    @property
    def now(self) -> Callable[[], float]:
        """The clock."""
        return self.environment.now

    def wake(self, kinds: Iterable[str]) -> None:
        """Tell the workers of these kinds that there may be work."""
        for kind in kinds:
            self.bus.wake(kind)


def limits_of(channel: RunningChannel) -> ChannelLimits:
    """What a channel promises about time, with the merchant's own limits."""
    manifest, said = channel.manifest, channel.apply_limit_seconds
    return ChannelLimits(
        apply_limit_seconds=manifest.apply_limit_seconds if said is None else said,
        quarantine_seconds=channel.quarantine_seconds,
        read_lag_seconds=manifest.read_lag_seconds,
        clock_skew_seconds=manifest.clock_skew_seconds,
    )
