"""How many buyers will be turned away while stock remains, if units stay where they are.

Demand is Poisson on every channel. A listing with `a` units and the share `p` of all buyers sells
out after about `a / p` buyers, give or take `sqrt(a) / p`; the others, with `k` units between them,
after `k / (1 - p)`. Until the later of the two everything is not sold, and whoever came beyond the
`a + k` that could be served was refused. So the expected refusals are the mean of the larger of two
nearly normal variables, less `a + k`. Within 15 % of the exact mean, and from ten units upwards
within 3 %.
"""

from __future__ import annotations

from math import erf, exp, pi, sqrt

__all__ = ["APPLY_SPREAD", "expected_refusals"]

APPLY_SPREAD = (0.39, 0.61, 0.84, 1.14, 1.80)
"""A slow push takes this many times its mean time, each as often as the others: the 10, 30, 50, 70
and 90 % points of a log-normal delay with sigma 0.6, as measured on late-applying channels."""


def expected_refusals(
    units: float, elsewhere: float, share: float, *, extra_variance: float = 0.0
) -> float:
    """Buyers refused until `units` on one listing and `elsewhere` on all others are sold.

    `share` is the listing's part of all buyers, above 0 and below 1. `extra_variance` adds to the
    variance of the others' selling time, counted in buyers.
    """
    units, elsewhere, other = max(units, 0.0), max(elsewhere, 0.0), 1 - share
    here, there = units / share, elsewhere / other
    variance = units / share**2 + elsewhere / other**2 + extra_variance
    return (here + there + _mean_distance(here - there, variance)) / 2 - units - elsewhere


def _mean_distance(mean: float, variance: float) -> float:
    """The mean of |X| for a normal X."""
    if variance <= 0:
        return abs(mean)
    deviation = sqrt(variance)
    score = mean / deviation
    return deviation * sqrt(2 / pi) * exp(-(score**2) / 2) + mean * erf(score / sqrt(2))
