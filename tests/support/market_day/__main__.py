"""Play many market days and print what they came to: `python -m tests.support.market_day 200`.

`--first N` begins with another seed than 0. `--record` adds what was played to the record that the
documents tell of; it goes on where the record ends, so that many days may be played in portions.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from tests.support.market_day.day import Outcome, play_day
from tests.support.market_day.rival import Tally

RECORD: Final = Path(__file__).parents[3] / "docs" / "trust" / "records" / "market_day.json"


def summed(tallies: Iterable[Tally]) -> list[Tally]:
    """One tally a policy, over all days."""
    totals: dict[str, Tally] = {}
    for tally in tallies:
        total = totals.setdefault(tally.policy, Tally(tally.policy))
        for one in fields(Tally)[1:]:
            setattr(total, one.name, getattr(total, one.name) + getattr(tally, one.name))
    return list(totals.values())


def injected(outcomes: list[Outcome]) -> Counter[str]:
    """Faults that happened, by kind."""
    counted: Counter[str] = Counter()
    for outcome in outcomes:
        counted.update(outcome.injected)
    return counted


def show(outcomes: list[Outcome]) -> None:
    """A table for people."""
    sys.stdout.write("policy    demand    kept  oversold  refused    lost  pushes/sale\n")
    for tally in summed(tallies(outcomes)):
        refused, lost = tally.refused / tally.demand, tally.lost / tally.demand
        pushes = tally.pushes / max(tally.sold, 1)
        sys.stdout.write(
            f"{tally.policy:<8}{tally.demand:>8}{tally.sold - tally.oversold:>8}"
            f"{tally.oversold:>10}{refused:>9.1%}{lost:>8.1%}{pushes:>13.3f}\n"
        )
    faults = ", ".join(f"{name} {count}" for name, count in sorted(injected(outcomes).items()))
    sys.stdout.write(f"faults that happened: {faults}\n")


def tallies(outcomes: list[Outcome]) -> list[Tally]:
    """All of all days."""
    return [tally for outcome in outcomes for tally in (outcome.ours, *outcome.rivals)]


def recorded(first: int, outcomes: list[Outcome], before: dict[str, Any] | None) -> dict[str, Any]:
    """What was played, added to what was played before.

    Raises:
        ValueError: these days do not follow those of the record.
    """
    known: list[Tally] = []
    faults = injected(outcomes)
    begin, days = first, len(outcomes)
    if before is not None:
        begin, days = before["first"], before["days"] + days
        if first != begin + before["days"]:
            raise ValueError(f"the record goes on with seed {begin + before['days']}, not {first}")
        known = [Tally(**one) for one in before["policies"]]
        faults.update(before["faults"])
    return {
        "command": f"python -m tests.support.market_day {days} --first {begin} --record",
        "on": datetime.now(UTC).date().isoformat(),
        "first": begin,
        "days": days,
        "policies": [asdict(one) for one in summed([*known, *tallies(outcomes)])],
        "faults": dict(sorted(faults.items())),
    }


def main(first: int, days: int, *, record: bool) -> None:
    """Play the seeds, one after the other."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    outcomes = []
    for seed in range(first, first + days):
        with tempfile.TemporaryDirectory() as name:
            outcomes.append(asyncio.run(play_day(Path(name), seed)))
        sys.stdout.write(f"seed {seed}: {outcomes[-1].ours}\n")
        sys.stdout.flush()
    show(outcomes)
    if record:
        before = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else None
        text = json.dumps(recorded(first, outcomes, before), indent=1) + "\n"
        RECORD.write_text(text, encoding="utf-8")


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.market_day")
    parser.add_argument("days", nargs="?", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument("--record", action="store_true", help="add them to docs/trust/records")
    return parser.parse_args()


if __name__ == "__main__":
    GIVEN = arguments()
    main(GIVEN.first, GIVEN.days, record=GIVEN.record)
