"""How fast a listing sells while it has something to sell.

Sales per calendar hour mistake an empty listing for one nobody wants; so sales are divided by
EXPOSED hours, those in which the listing could have sold. Old evidence fades with exposed time, not
with the calendar: a listing without exposure keeps the rate it had, and no channel starves for
want of evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from channelsync.domain.errors import InvariantViolated

__all__ = ["NO_SALES_YET", "Velocity", "count_exposure", "count_sold", "expected_rates"]

SECONDS_PER_HOUR = 3_600.0
START_UNITS = 0.001
"""Weight of the rate assumed before any sale: nearly none, for a first guess of the scale may be
wrong by a factor of thousands, and the first sales tell it at once."""


class Velocity(Struct, frozen=True, gc=False, kw_only=True):
    """What a listing has taught so far; both figures fade with the same half life."""

    units: float = 0.0
    """Units sold, in listing units."""
    exposed_seconds: float = 0.0
    """Time during which it had exposure."""

    def __post_init__(self) -> None:
        if min(self.units, self.exposed_seconds) < 0:
            raise InvariantViolated(f"negative evidence: {self}")

    @property
    def rate_per_hour(self) -> float | None:
        """Units per exposed hour as observed; None before the first exposed second."""
        if self.exposed_seconds == 0:
            return None
        return self.units * SECONDS_PER_HOUR / self.exposed_seconds


NO_SALES_YET = Velocity()


def count_exposure(velocity: Velocity, seconds: float, *, half_life_seconds: float) -> Velocity:
    """Take `seconds` with something to sell into the evidence; what was known before fades.

    The new time itself fades alike, so cutting an interval in two changes nothing.

    Raises:
        InvariantViolated: negative time, or a half life of 0.
    """
    if seconds < 0 or half_life_seconds <= 0:
        raise InvariantViolated(f"exposure of {seconds} s, half life {half_life_seconds} s")
    decay_per_second = log(2) / half_life_seconds
    kept = exp(-decay_per_second * seconds)
    return replace(
        velocity,
        units=velocity.units * kept,
        exposed_seconds=velocity.exposed_seconds * kept + (1 - kept) / decay_per_second,
    )


def count_sold(velocity: Velocity, units: int) -> Velocity:
    """Take `units` sold now into the evidence.

    Raises:
        InvariantViolated: `units` below 1.
    """
    if units < 1:
        raise InvariantViolated(f"{units} units sold")
    return replace(velocity, units=velocity.units + units)


def expected_rates(
    velocities: Mapping[str, Velocity],
    shares: Mapping[str, float],
    *,
    prior_units: float,
    start_rate_per_hour: float = 1.0,
    feed_seconds: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, float]:
    """Units per exposed hour to expect of every listing in `velocities`.

    The item's whole rate is learnt from all listings together, starting at `start_rate_per_hour`
    with next to no weight; each listing is then expected at its assumed share of it, until
    its own sales, weighed against `prior_units` of assumed ones, say otherwise (a gamma prior on a
    Poisson rate). Listings without a share have their own sales alone. `feed_seconds`, the mean
    time until a sale of the listing is counted, is taken off its exposed time: what sold in it is
    not known yet.

    Raises:
        InvariantViolated: no weight on the prior, or no rate to start from.
    """
    if prior_units <= 0 or start_rate_per_hour <= 0:
        raise InvariantViolated("the prior needs a weight and a rate above 0")
    total_share = sum([shares.get(listing, 0.0) for listing in velocities]) or 1.0
    evidence = []
    sold = expected_hours = 0.0
    for listing, velocity in velocities.items():
        share = shares.get(listing, 0.0) / total_share
        hours = velocity.exposed_seconds / SECONDS_PER_HOUR
        if feed_seconds:
            hours = _heard_of(velocity.exposed_seconds, feed_seconds.get(listing, 0.0))
        evidence.append((listing, velocity.units, share, hours))
        sold += velocity.units if share else 0.0
        expected_hours += share * hours
    whole = (sold + START_UNITS) / (expected_hours + START_UNITS / start_rate_per_hour)
    prior_hours = prior_units / whole
    return {
        listing: (units + prior_units * share) / (hours + prior_hours)
        for listing, units, share, hours in evidence
    }


def _heard_of(exposed_seconds: float, feed_seconds: float) -> float:
    """Exposed hours whose sales are counted by now, were each counted after the mean delay."""
    if feed_seconds <= 0:
        return exposed_seconds / SECONDS_PER_HOUR
    # The mean of max(exposed - delay, 0) for an exponential delay: smooth, and never negative.
    unheard = feed_seconds * (1 - exp(-exposed_seconds / feed_seconds))
    return (exposed_seconds - unheard) / SECONDS_PER_HOUR
