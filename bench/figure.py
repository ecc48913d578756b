"""Figures: medians over rounds, their limit, the ratio of the two, and whether that is enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import median
from typing import Final, Literal

__all__ = ["Better", "Figure", "percentile", "rows"]

THREE_DIGITS: Final = 100
"""From here on a figure is written without a fraction."""

Better = Literal["more", "less"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure and its limit, a value of each for every round.

    A ratio is always "the nearer to 1, the nearer to the limit": value by limit where more is
    better, limit by value where less is.
    """

    name: str
    unit: str
    better: Better
    values: tuple[float, ...]
    limits: tuple[float, ...]
    limit_is: str
    """What was measured as the limit."""
    target: float | None = None
    """What the value itself must reach, in `unit`; None: nothing of it is promised."""
    reach: float | None = None
    """What the ratio must reach, where that is what is promised."""

    def __post_init__(self) -> None:
        if not self.values or len(self.values) != len(self.limits):
            raise ValueError(f"{self.name}: every round needs a value and a limit")
        if min(*self.values, *self.limits) <= 0:
            raise ValueError(f"{self.name}: nothing was measured in some round")
        if self.target is not None and self.reach is not None:
            raise ValueError(f"{self.name}: promise the value or the ratio, not both")

    @property
    def value(self) -> float:
        """The median over the rounds."""
        return median(self.values)

    @property
    def limit(self) -> float:
        """The median over the rounds."""
        return median(self.limits)

    @property
    def ratio(self) -> float:
        """How near the value comes to the limit."""
        return self._ratio(self.value)

    @property
    def at_least(self) -> float | None:
        """The ratio at which the target is just reached."""
        return self.reach if self.target is None else self._ratio(self.target)

    @property
    def holds(self) -> bool:
        """Whether the target is reached; a figure without one always holds."""
        return self.at_least is None or self.ratio >= self.at_least

    def _ratio(self, value: float) -> float:
        return value / self.limit if self.better == "more" else self.limit / value

    def as_json(self) -> dict[str, object]:
        """The figure as plain JSON values."""
        return {
            "name": self.name,
            "value": _rounded(self.value),
            "unit": self.unit,
            "limit": _rounded(self.limit),
            "ratio": _rounded(self.ratio),
            "at_least": None if self.at_least is None else _rounded(self.at_least),
            "holds": self.holds,
            "target": self.target,
            "low": _rounded(min(self.values)),
            "high": _rounded(max(self.values)),
            "rounds": len(self.values),
            "limit_is": self.limit_is,
        }


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed (nearest rank).

    Raises:
        ValueError: there are no values, or the share is not above 0 and at most 1.
    """
    if not values or not 0 < share <= 1:
        raise ValueError(f"no percentile {share} of {len(values)} values")
    return sorted(values)[ceil(share * len(values)) - 1]


def rows(figures: Sequence[Figure]) -> list[str]:
    """The figures as lines of a table for people."""
    table = [("figure", "median", "spread", "limit", "ratio", "")]
    table += [
        (
            figure.name,
            f"{_spoken(figure.value)} {figure.unit}",
            f"{_spoken(min(figure.values))} to {_spoken(max(figure.values))}",
            f"{_spoken(figure.limit)} ({figure.limit_is})",
            _spoken(figure.ratio),
            _verdict(figure),
        )
        for figure in figures
    ]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in table]


def _verdict(figure: Figure) -> str:
    if figure.at_least is None:
        return ""
    met = "holds" if figure.holds else "MISSED"
    if figure.target is None:
        return f"{met}: ratio at least {_spoken(figure.at_least)}"
    relation = "at least" if figure.better == "more" else "at most"
    return f"{met}: {relation} {_spoken(figure.target)} {figure.unit}"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _spoken(value: float) -> str:
    return f"{value:,.0f}" if value >= THREE_DIGITS else f"{value:.3g}"
