"""Play many market days and print what they came to: `python -m tests.support.market_day 200`."""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from collections import Counter
from dataclasses import fields
from pathlib import Path

import structlog

from tests.support.market_day.day import Outcome, play_day
from tests.support.market_day.rival import Tally


def summed(outcomes: list[Outcome]) -> list[Tally]:
    """One tally a policy, over all days."""
    totals: dict[str, Tally] = {}
    for outcome in outcomes:
        for tally in (outcome.ours, *outcome.rivals):
            total = totals.setdefault(tally.policy, Tally(tally.policy))
            for one in fields(Tally)[1:]:
                setattr(total, one.name, getattr(total, one.name) + getattr(tally, one.name))
    return list(totals.values())


def show(outcomes: list[Outcome]) -> None:
    """A table for people."""
    sys.stdout.write("policy    demand    kept  oversold  refused    lost  pushes/sale\n")
    for tally in summed(outcomes):
        refused, lost = tally.refused / tally.demand, tally.lost / tally.demand
        pushes = tally.pushes / max(tally.sold, 1)
        sys.stdout.write(
            f"{tally.policy:<8}{tally.demand:>8}{tally.sold - tally.oversold:>8}"
            f"{tally.oversold:>10}{refused:>9.1%}{lost:>8.1%}{pushes:>13.3f}\n"
        )
    injected: Counter[str] = Counter()
    for outcome in outcomes:
        injected.update(outcome.injected)
    faults = ", ".join(f"{name} {count}" for name, count in sorted(injected.items()))
    sys.stdout.write(f"faults that happened: {faults}\n")


def main(first: int, days: int) -> None:
    """Play the seeds, one after the other."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    outcomes = []
    for seed in range(first, first + days):
        with tempfile.TemporaryDirectory() as name:
            outcomes.append(asyncio.run(play_day(Path(name), seed)))
        sys.stdout.write(f"seed {seed}: {outcomes[-1].ours}\n")
        sys.stdout.flush()
    show(outcomes)


if __name__ == "__main__":
    DAYS = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    FIRST = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    main(FIRST, DAYS)
