"""Buckets: how often somebody may ask. One process each; their number is bounded."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from channelsync.ports import Clock

__all__ = ["Bucket", "Buckets"]

KEPT_MAX: Final = 10_000


@dataclass(slots=True)
class Bucket:
    """What is left of one key's allowance, and when that was so."""

    tokens: float
    at: float


@dataclass(slots=True)
class Buckets:
    """A bucket a key: `burst` at once, then `per_second`."""

    now: Clock
    burst: float
    per_second: float
    _kept: OrderedDict[str, Bucket] = field(default_factory=OrderedDict)

    def take(self, key: str) -> float:
        """Take one and return 0; or none, and return the seconds until there is one."""
        at = self.now()
        bucket = self._kept.pop(key, None) or Bucket(self.burst, at)
        # A clock that was set back gives nothing and takes nothing.
        grown = max(at - bucket.at, 0.0) * self.per_second
        bucket.tokens, bucket.at = min(bucket.tokens + grown, self.burst), at
        self._kept[key] = bucket
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        if bucket.tokens < 1.0:
            return (1.0 - bucket.tokens) / self.per_second
        bucket.tokens -= 1.0
        return 0.0

    def forget(self, key: str) -> None:
        """Give everything back: whoever asked has proven himself."""
        self._kept.pop(key, None)

    def left(self, key: str) -> float:
        """How many are left, as last seen."""
        bucket = self._kept.get(key)
        return self.burst if bucket is None else bucket.tokens
