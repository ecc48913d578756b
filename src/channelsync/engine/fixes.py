"""Fixes: which use case may mend what wants a person.

Each of them existed before and keeps its own rules; naming it here adds nothing to what it may do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from channelsync.domain.permissions import Permission
from channelsync.domain.repair_words import ENDED_BY_A_PERSON

__all__ = ["Fix", "FixVerb", "fixes_of"]


class FixVerb(StrEnum):
    """A use case that may mend something. The faces know where it is found."""

    REPLAY = "replay"
    """A dead letter, by its number."""
    DROP = "drop"
    """A dead letter, by its number. Cannot be undone."""
    RESUME = "resume"
    """A channel."""
    LOOK_AGAIN = "look_again"
    """A channel: its offers, orders and numbers are looked at now."""
    FORGET = "forget"
    """A removed channel. Cannot be undone."""
    ENABLE = "enable"
    """An endpoint for events."""
    TEST = "test"
    """A target of notifications."""
    COUNT = "count"
    """An item: its stock is to be counted."""
    CONFIGURE = "configure"
    """The merchant's file is to be edited."""
    ACKNOWLEDGE = "acknowledge"
    """An alarm that nothing else ends, by its number."""


_PERMISSIONS: Final[Mapping[FixVerb, Permission]] = {
    FixVerb.REPLAY: Permission.DEAD_LETTERS_WRITE,
    FixVerb.DROP: Permission.DEAD_LETTERS_WRITE,
    FixVerb.RESUME: Permission.CHANNELS_OPERATE,
    FixVerb.LOOK_AGAIN: Permission.CHANNELS_OPERATE,
    FixVerb.ACKNOWLEDGE: Permission.CHANNELS_OPERATE,
    FixVerb.FORGET: Permission.CONFIGURATION_WRITE,
    FixVerb.CONFIGURE: Permission.CONFIGURATION_WRITE,
    FixVerb.ENABLE: Permission.ENDPOINTS_WRITE,
    FixVerb.TEST: Permission.CONFIGURATION_WRITE,
    FixVerb.COUNT: Permission.STOCK_WRITE,
}

_LOOKED_AT: Final = frozenset(
    {
        "apply_limit_exceeded",
        "assumption_broken",
        "channel_degraded",
        "drift",
        "feed_quiet",
        "listing_refused",
        "push_hangs",
        "register_gap",
        "unmapped_sale",
    }
)
_BY_SUBJECT: Final[Mapping[str, FixVerb]] = {
    "channel_removed": FixVerb.FORGET,
    "endpoint_disabled": FixVerb.ENABLE,
    "notice_failing": FixVerb.TEST,
}
_CONFIGURED: Final = frozenset(
    {
        "apply_limit_exceeded",
        "channel_unusable",
        "configuration_refused",
        "credential_expiring",
        "unmapped_sale",
    }
)
_COUNTED: Final = frozenset({"count_refused", "deficit", "shortfall"})
"""Where the shelf tells more than the books."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """One thing that a person may do about it."""

    verb: FixVerb
    target: str
    """What it is done to: a channel, a number, an id, a SKU."""

    @property
    def permission(self) -> Permission:
        """What whoever does it must have."""
        return _PERMISSIONS[self.verb]


def fixes_of(
    kind: str,
    *,
    subject: str = "",
    channel: str | None = None,
    sku: str | None = None,
    alarm: int | None = None,
) -> tuple[Fix, ...]:
    """What may be done about a kind of thing, the best first."""
    found: list[Fix] = []
    if kind in _LOOKED_AT and channel is not None:
        found.append(Fix(verb=FixVerb.LOOK_AGAIN, target=channel))
    if kind in _BY_SUBJECT:
        found.append(Fix(verb=_BY_SUBJECT[kind], target=subject))
    if kind in _CONFIGURED:
        found.append(Fix(verb=FixVerb.CONFIGURE, target=channel or ""))
    if kind in _COUNTED and sku is not None:
        found.append(Fix(verb=FixVerb.COUNT, target=sku))
    if kind in ENDED_BY_A_PERSON and alarm is not None:
        found.append(Fix(verb=FixVerb.ACKNOWLEDGE, target=str(alarm)))
    return tuple(found)
