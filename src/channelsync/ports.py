"""What the engine needs of the outside, as protocols. `bootstrap` hands it the real things."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from channelsync.domain.vocabulary import Instant
from channelsync.sdk.connector import Channel, Manifest

__all__ = [
    "Clock",
    "Environment",
    "FarBus",
    "NoticeRefused",
    "NoticeUnanswered",
    "Notifier",
    "OpenChannels",
    "Presence",
    "RateTokens",
    "RunningChannel",
    "TokensUnavailable",
    "WakeBus",
]

Clock = Callable[[], Instant]


@dataclass(frozen=True, slots=True)
class Environment:
    """Time and identity, injected so that a run can be repeated exactly."""

    now: Clock
    new_id: Callable[[], str]
    owner: str
    """This process; leases and attempts carry it. Its last part, behind a hyphen, is eight
    hexadecimal digits that no other process has."""


class WakeBus(Protocol):
    """Tells workers that there may be work. Losing a wake-up costs time, never work."""

    def wake(self, kind: str) -> None:
        """Some work of this kind was just committed."""

    async def wait(self, kind: str, timeout_seconds: float) -> bool:
        """Return after a wake-up of this kind, or after the time; whether it was a wake-up."""


class FarBus(WakeBus, Protocol):
    """Wakes the workers of other processes as well."""

    async def run(self, *, listens: bool) -> None:
        """Tell the others and, with `listens`, hear them; until cancelled."""


class Presence(Protocol):
    """Which of the processes on one store are still there."""

    @property
    def is_alone(self) -> bool:
        """Whether this is the only process that can be there."""

    @property
    def held(self) -> bool:
        """Whether the others can see us; nothing may be sent while they cannot."""

    async def absent(self, owners: Collection[str]) -> set[str]:
        """Those of the owners that are known to be gone for good."""

    async def count(self) -> int:
        """How many processes are there, this one included."""


class NoticeRefused(Exception):
    """A message to a person did not arrive, as far as can be told; says why."""


class NoticeUnanswered(NoticeRefused):
    """Nobody said whether it arrived."""


class Notifier(Protocol):
    """Reaches people."""

    def names(self) -> tuple[str, ...]:
        """The targets there are, sorted."""

    async def send(self, target: str, title: str, body: str) -> None:
        """Send one message to whoever is called `target`.

        Raises:
            NoticeRefused: it did not arrive, as far as can be told.
        """


class TokensUnavailable(Exception):
    """The common buckets cannot be asked now."""


class RateTokens(Protocol):
    """One bucket a channel for all processes."""

    async def take(
        self, channel: str, *, rate: float, burst: float, now: Instant, must: bool = False
    ) -> float:
        """Take a token and return 0; or none, and return the seconds until there is one.

        Raises:
            TokensUnavailable: it cannot be asked.
        """

    async def pause(self, channel: str, until: Instant) -> None:
        """Nobody gets a token before then.

        Raises:
            TokensUnavailable: it cannot be told.
        """


async def _at_once() -> None:
    """There is room."""


@dataclass(frozen=True, slots=True)
class RunningChannel:
    """An open channel with what the engine must know of it."""

    name: str
    manifest: Manifest
    channel: Channel
    quarantine_seconds: float
    poll_interval_seconds: float
    quiet_limit_seconds: float
    apply_limit_seconds: float | None = None
    """None: the manifest's own."""
    credentials_expire_at: Instant | None = None
    """When a credential of it ends, as far as the merchant knows."""
    waited_seconds: Callable[[], float] = lambda: 0.0
    """How long calls have waited for the channel's rate."""
    room: Callable[[], Awaitable[None]] = _at_once
    """Waits, for a moment at most, until the channel's rate has room for a push."""


class OpenChannels(Protocol):
    """The channels that this process has opened."""

    def get(self, name: str) -> RunningChannel | None:
        """The open channel of that name, if any."""

    def names(self) -> tuple[str, ...]:
        """All of them, sorted."""
