"""Run a scenario under a policy, many times, and say what it came to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from math import sqrt
from types import MappingProxyType
from typing import TypeAlias

from channelsync.simulate.keeper import EscrowKeeper
from channelsync.simulate.naive import FixedSlices, Mirror, PercentOfRemaining
from channelsync.simulate.scenarios import SCENARIOS
from channelsync.simulate.world import Counts, Keeper, World

__all__ = ["POLICIES", "Result", "run"]

MakeKeeper: TypeAlias = Callable[[World], Keeper]

POLICIES: Mapping[str, MakeKeeper] = MappingProxyType(
    {
        "escrow": EscrowKeeper,
        "mirror": Mirror,
        "percent": PercentOfRemaining,
        "fixed": FixedSlices,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Sums over all trials, in units (one buyer wants one unit) and pushes."""

    scenario: str
    policy: str
    trials: int
    demand: int
    """Buyers who came."""
    sold: int
    oversold: int
    """Units sold that were not there."""
    refused: int
    """Buyers turned away while stock remained somewhere."""
    stranded: int
    """Of those, sales never made good: units still unsold at the end that had a buyer."""
    pushes: int
    worst_oversold: int
    """Oversold units of the worst trial."""
    refused_deviation: float
    """Standard deviation of a trial's refusals: for the error of the mean."""

    @property
    def refused_share(self) -> float:
        """Refused of all demand, 0 to 1."""
        return self.refused / self.demand if self.demand else 0.0

    @property
    def refused_error(self) -> float:
        """Standard error of `refused_share`."""
        return self.refused_deviation * sqrt(self.trials) / self.demand if self.demand else 0.0

    @property
    def oversold_share(self) -> float:
        """Oversold of all sales, 0 to 1."""
        return self.oversold / self.sold if self.sold else 0.0

    @property
    def pushes_per_sale(self) -> float:
        """Pushes sent for one unit sold."""
        return self.pushes / self.sold if self.sold else 0.0

    def as_json(self) -> str:
        """One JSON object."""
        return json.dumps(asdict(self))


def run(
    scenario: str,
    policy: str = "escrow",
    trials: int = 200,
    seed: int = 1,
    make_keeper: MakeKeeper | None = None,
) -> Result:
    """Play `trials` runs of a scenario; the same seed gives every policy the same buyers.

    Raises:
        KeyError: no such scenario or policy.
        InvariantViolated: the escrow protocol broke; never seen, checked after every event.
    """
    found = SCENARIOS[scenario]
    make = make_keeper or POLICIES[policy]
    counts: list[Counts] = []
    for trial in range(trials):
        world = World(found, f"{seed} {scenario} {trial}")
        counts.append(world.run(make(world)))
    refused = [count.refused for count in counts]
    mean = sum(refused) / trials if trials else 0.0
    spread = sum((value - mean) ** 2 for value in refused) / max(trials - 1, 1)
    return Result(
        scenario=scenario,
        policy=policy,
        trials=trials,
        demand=sum(count.demand for count in counts),
        sold=sum(count.sold for count in counts),
        oversold=sum(count.oversold for count in counts),
        refused=sum(refused),
        stranded=sum(count.stranded(found.stock) for count in counts),
        pushes=sum(count.pushes for count in counts),
        worst_oversold=max((count.oversold for count in counts), default=0),
        refused_deviation=sqrt(spread),
    )
