"""Shares of scarce stock when a sale earns more on one channel than on another.

Littlewood (1972) protects units for the dearer class as long as `margin x P(it will be asked for)`
is above the cheaper class's margin; EMSR (Belobaba 1987) extends that to many classes. Slices are
not nested here, a unit sits on one channel only, so the rule becomes: give each unit to the channel
where its expected margin `margin x P(demand >= units it has)` is highest. At the optimum that value
is the same on all channels, which one bisection finds.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from statistics import NormalDist

from channelsync.domain.errors import InvariantViolated

__all__ = ["protected_shares"]

_NORMAL = NormalDist()
_BISECTIONS = 60


def protected_shares(
    units: int, speeds: Mapping[str, float], margins: Mapping[str, float]
) -> dict[str, float]:
    """Split `units` by speed, protecting more of them for channels with a higher margin.

    `speeds` are units per hour on any common scale; demand is looked at over the time in which all
    channels together are expected to ask for `units`, as Poisson (normal approximation). With equal
    margins the split is by speed. A channel without a margin counts with the lowest one given.

    Raises:
        InvariantViolated: a speed is below 0.
    """
    if any(speed < 0 for speed in speeds.values()):
        raise InvariantViolated(f"negative speed in {dict(speeds)}")
    whole = sum(speeds.values())
    if units <= 0 or whole == 0:
        return dict.fromkeys(speeds, 0.0)
    mean = {channel: units * speed / whole for channel, speed in speeds.items()}
    known = [margins[channel] for channel in speeds if channel in margins]
    if not known or min(known) == max(known):
        return mean
    margin = {channel: margins.get(channel, min(known)) for channel in speeds}
    low, high = 0.0, max(margin.values())
    for _ in range(_BISECTIONS):
        value = (low + high) / 2
        wanted = sum(_wanted(mean[c], margin[c], value) for c in speeds)
        low, high = (value, high) if wanted > units else (low, value)
    return {channel: _wanted(mean[channel], margin[channel], high) for channel in speeds}


def _wanted(mean: float, margin: float, value: float) -> float:
    """Units until the expected margin of the next one falls to `value`."""
    chance = value / margin
    if mean == 0 or chance >= 1:
        return 0.0
    if chance <= 0:
        return mean + 10 * sqrt(mean)
    return max(mean + sqrt(mean) * _NORMAL.inv_cdf(1 - chance), 0.0)
