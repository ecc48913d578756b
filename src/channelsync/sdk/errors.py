"""What a connector may raise, sorted by what the caller does about it.

ConnectorError
├── Retryable                 try again after a while (`after_seconds` where the channel said so)
│   └── Throttled             the channel asked us to slow down
├── Resting                   the connector's own pacing: nothing is wrong, come back then
├── NeedsReauthorization      the credentials are refused: a person must act; the channel degrades
├── Misconfigured             settings or rights are wrong: a person must act; says which
├── BadDelivery               a webhook body that is authentic but not understood
└── Unauthentic               a webhook whose signature, shop or age is wrong (answered with 401)
"""

from __future__ import annotations

__all__ = [
    "BadDelivery",
    "ConnectorError",
    "Misconfigured",
    "NeedsReauthorization",
    "Resting",
    "Retryable",
    "Throttled",
    "Unauthentic",
]


class ConnectorError(Exception):
    """Base of everything a connector raises on purpose. Messages never hold secrets."""


class Retryable(ConnectorError):
    """The call may succeed later."""

    def __init__(self, message: str, *, after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds


class Throttled(Retryable):
    """The channel asked us to slow down: all of it, or (`whole_channel` False) one kind of call."""

    def __init__(
        self, message: str, *, after_seconds: float | None = None, whole_channel: bool = True
    ) -> None:
        super().__init__(message, after_seconds=after_seconds)
        self.whole_channel = whole_channel


class Resting(ConnectorError):
    """The channel's usage plan allows this call only later. No failure: nobody is alarmed."""

    def __init__(self, message: str, *, after_seconds: float) -> None:
        super().__init__(message)
        self.after_seconds = after_seconds


class NeedsReauthorization(ConnectorError):
    """The channel refuses our credentials."""


class Misconfigured(ConnectorError):
    """Settings or rights are wrong; the message names what to change."""


class BadDelivery(ConnectorError):
    """An authentic delivery that cannot be understood; it is kept as a dead letter."""


class Unauthentic(ConnectorError):
    """A delivery that does not prove where it comes from."""
