"""How often Python looks for cycles, and among what."""

from __future__ import annotations

import gc

__all__ = ["leave_the_program_out"]

_THRESHOLDS = (20_000, 20, 20)
"""Objects made, and rounds of the younger generation, between two searches for cycles."""


def leave_the_program_out() -> None:
    """From now on cycles are looked for among what work makes: the program itself is none.

    Less often than Python would by itself: work makes rows and messages by the thousand, which go
    without a search as soon as nobody holds them.
    """
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
