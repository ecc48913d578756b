"""What keeping stock by escrow, and without it, comes to: an outcome simulation on virtual time."""

from __future__ import annotations

from channelsync.simulate.outcome import POLICIES, Result, run
from channelsync.simulate.scenarios import SCENARIOS

__all__ = ["POLICIES", "SCENARIOS", "Result", "run"]
