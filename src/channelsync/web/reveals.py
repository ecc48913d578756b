"""What is shown once, kept for a moment: a browser shows the last answer of two clicks alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from channelsync.domain.vocabulary import Instant

__all__ = ["Reveals"]

REVEALS_MAX: Final = 64
REVEAL_SECONDS: Final = 60.0


@dataclass(slots=True)
class Reveals:
    """In the memory of one process, and nowhere else."""

    _kept: dict[str, tuple[Instant, Mapping[str, str]]] = field(default_factory=dict, repr=False)

    def put(self, key: str, revealed: Mapping[str, str], now: Instant) -> None:
        """Keep it for whoever asks the same once more."""
        young = {k: one for k, one in self._kept.items() if one[0] > now - REVEAL_SECONDS}
        self._kept = dict(list(young.items())[-REVEALS_MAX:]) | {key: (now, revealed)}

    def get(self, key: str, now: Instant) -> Mapping[str, str]:
        """What was shown; nothing, once the moment is over."""
        at, revealed = self._kept.get(key, (0.0, {}))
        return revealed if at > now - REVEAL_SECONDS else {}
