"""Liveness: when nothing breaks any more, everything comes to rest, and soon."""

from __future__ import annotations

import asyncio
from typing import Final

from channelsync.rehearsal.auditor import Auditor
from channelsync.rehearsal.life import House
from channelsync.rehearsal.stage import Stage, Violation

__all__ = ["REST_SECONDS_MAX", "come_to_rest"]

REST_SECONDS_MAX: Final = 3 * 3_600.0
LIMITS_UNKNOWN_SECONDS: Final = 24 * 3_600.0
"""A sender that died while its channel was out of the file had limits that nobody knows: so long
they are waited for."""
LOOK_SECONDS: Final = 60.0
LOOKS: Final = 3
"""So often in a row there must be nothing left to do."""


async def come_to_rest(
    stage: Stage, house: House, auditor: Auditor, *, removed: bool = False
) -> None:
    """Wait until listings hold what they show, targets are reached and nothing is under way.

    `removed`: channels were taken out of the file on the way.

    Raises:
        Violation: it takes too long; the message says what is still restless.
    """
    began = stage.loop.time()
    seconds_max = REST_SECONDS_MAX + (LIMITS_UNKNOWN_SECONDS if removed else 0.0)
    quiet = 0
    unrest: list[str] = ["nobody is there"]
    while quiet < LOOKS:
        await asyncio.sleep(LOOK_SECONDS)
        if all(daemon.ready.is_set() for daemon in house.daemons):
            unrest = auditor.unrest()
        quiet = 0 if unrest else quiet + 1
        if stage.loop.time() - began > seconds_max:
            said = "; ".join(unrest[:10])
            raise Violation(f"no rest after {seconds_max:.0f} s: {said}")
    stage.checks["rest"] += 1
    stage.trace("at rest", f"{stage.loop.time() - began:.0f} s")
