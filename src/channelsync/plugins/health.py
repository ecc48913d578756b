"""How a channel fares, told once when it fails and once when it recovers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from channelsync.sdk.errors import ConnectorError, Misconfigured, NeedsReauthorization
from channelsync.sdk.types import Instant

__all__ = ["ChannelHealth", "Failure", "Log"]

REASON_CHARACTERS_MAX: Final = 300


class Log(Protocol):
    """What is needed of a logger; structlog's has it."""

    def info(self, event: str, **values: Any) -> object:
        """Say that something happened."""

    def warning(self, event: str, **values: Any) -> object:
        """Say that something is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One kind of call that fails at the moment."""

    operation: str
    since: Instant
    reason: str
    needs_person: bool
    """Whether it stays broken until a person acts (credentials, settings, rights)."""
    tries: int


class ChannelHealth:
    """The state of one channel, by operation: a push may fail while reading works."""

    def __init__(self, channel: str, *, now: Callable[[], Instant], log: Log | None = None) -> None:
        self._channel = channel
        self._now = now
        self._log: Log = log or structlog.get_logger("channelsync.plugins")
        self._failures: dict[str, Failure] = {}

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What fails now, longest first."""
        return tuple(sorted(self._failures.values(), key=lambda one: (one.since, one.operation)))

    @property
    def is_well(self) -> bool:
        """Whether the last call of every kind went well."""
        return not self._failures

    @property
    def needs_person(self) -> bool:
        """Whether something stays broken until a person acts."""
        return any(failure.needs_person for failure in self._failures.values())

    def failed(self, operation: str, error: Exception) -> None:
        """A call failed. Logged when it is the first, or the first that needs a person."""
        before = self._failures.get(operation)
        failure = Failure(
            operation=operation,
            since=before.since if before else self._now(),
            reason=_reason(error),
            needs_person=isinstance(error, NeedsReauthorization | Misconfigured),
            tries=before.tries + 1 if before else 1,
        )
        self._failures[operation] = failure
        if before is None or (failure.needs_person and not before.needs_person):
            self._log.warning(
                "channel_failed",
                channel=self._channel,
                operation=operation,
                reason=failure.reason,
                needs_person=failure.needs_person,
            )

    def succeeded(self, operation: str) -> None:
        """A call went well. Logged when it ends a failure."""
        failure = self._failures.pop(operation, None)
        if failure is not None:
            self._log.info(
                "channel_recovered",
                channel=self._channel,
                operation=operation,
                failed_seconds=round(self._now() - failure.since, 3),
                tries=failure.tries,
            )


def _reason(error: Exception) -> str:
    """A connector's own words are made to be read; of a stranger only its kind is repeated."""
    said = str(error) if isinstance(error, ConnectorError) else "an unexpected error"
    return f"{type(error).__name__}: {said}"[:REASON_CHARACTERS_MAX]
