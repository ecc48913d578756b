"""The stage: time, chance, counters, the trace, and the first thing that went wrong."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, deque
from dataclasses import dataclass, field
from random import Random
from typing import Final

from channelsync.domain.vocabulary import Instant
from channelsync.rehearsal.loop import VirtualLoop

__all__ = ["MORNING", "Stage", "Violation"]

MORNING: Final = 1_795_600_000.0
"""When rehearsals of even seeds begin."""
HALF_DAY_SECONDS: Final = 43_200.0
"""Those of odd ones begin so much later, in the evening."""
HAIR_SECONDS: Final = 0.000_01
"""Time passes at every look, so that no two things happen at the same instant."""
REMEMBERED: Final = 60


class Violation(Exception):
    """Something that must hold did not."""


@dataclass(slots=True)
class Stage:
    """What everybody in one rehearsal shares. Everything random comes from its seed."""

    seed: int
    loop: VirtualLoop
    counts: Counter[str] = field(default_factory=Counter)
    """How often each kind of fault really happened."""
    checks: Counter[str] = field(default_factory=Counter)
    """How often each invariant was checked."""
    violation: str | None = None
    broken: asyncio.Event = field(default_factory=asyncio.Event)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    """The end of the trace, for whoever looks for a cause."""
    _began_at: Instant = field(init=False)
    _looks: int = 0
    _traced: int = 0
    _digest: object = field(default_factory=hashlib.sha256)

    def __post_init__(self) -> None:
        self._began_at = MORNING + self.seed % 2 * HALF_DAY_SECONDS

    def now(self) -> Instant:
        """The one true time."""
        self._looks += 1
        return self._began_at + self.loop.time() + self._looks * HAIR_SECONDS

    def chance(self, purpose: str) -> Random:
        """A generator of its own for one purpose."""
        return Random(f"{self.seed} {purpose}")

    def happened(self, kind: str) -> None:
        """A fault of this kind took effect."""
        self.counts[kind] += 1
        self.trace(kind)

    def trace(self, *words: object) -> None:
        """Take something into the digest of this rehearsal."""
        line = f"{self.loop.time():.6f} {' '.join(map(str, words))}"
        self._traced += 1
        self.last.append(line)
        self._digest.update(line.encode())  # type: ignore[attr-defined]

    def violated(self, what: str) -> None:
        """Remember the first thing that was wrong, and let everybody know."""
        if self.violation is None:
            self.violation = what
            self.trace("VIOLATED", what)
            self.broken.set()

    @property
    def digest(self) -> str:
        """What happened, in what order: the same for the same seed."""
        return self._digest.hexdigest()  # type: ignore[attr-defined, no-any-return]

    @property
    def traced(self) -> int:
        """How many things happened."""
        return self._traced
