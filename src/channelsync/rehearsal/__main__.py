"""Play rehearsals, one line each: `python -m channelsync.rehearsal --seed 7 --seeds 4 --hours 6`.

Hash seeds decide the order of sets, so the same seed lives the same day only with PYTHONHASHSEED=0;
`channelsync simulate --daemon` sees to that.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from channelsync.rehearsal import record
from channelsync.rehearsal.kinds import KINDS
from channelsync.rehearsal.play import Outcome, Plan, play_timed

__all__ = ["main"]

MORE_SEEDS_MAX: Final = 3
"""Chance decides what happens: so many seeds are added where a kind of fault is wanted yet."""


def main(arguments: list[str] | None = None) -> int:
    """Play the seeds asked for, until one fails. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m channelsync.rehearsal", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--hours", type=float, default=6.0, help="of storm in each")
    parser.add_argument("--daemons", type=int, choices=(1, 2), help="default: by the seed")
    parser.add_argument("--json", action="store_true", help="one object a seed, for programs")
    parser.add_argument("--jobs", type=int, default=1, help="seeds at once; 0: one a processor")
    parser.add_argument("--all-kinds", action="store_true", help="every fault must have happened")
    parser.add_argument("--record", type=Path, help="write the figures to this file")
    parser.add_argument("--add", action="store_true", help="to those that are in it")
    given = parser.parse_args(arguments)
    asked = record.Asked(given.seed, given.seeds, given.hours, given.daemons)
    outcomes: list[Outcome] = []
    while True:
        ahead = asked.plans()[len(outcomes) :]
        for outcome, took in _played(ahead, given.jobs or os.cpu_count() or 1):
            outcomes.append(outcome)
            _tell(outcome, took, as_json=given.json)
            if outcome.violation is not None:
                return 1
        missing = _missing(outcomes) if given.all_kinds else []
        if not missing or asked.seeds == given.seeds + MORE_SEEDS_MAX:
            break
        sys.stdout.write(f"did not happen yet: {', '.join(missing)}; one seed more\n")
        asked = replace(asked, seeds=asked.seeds + 1)
    if given.record is not None:
        record.write(outcomes, asked, given.record, add=given.add)
    if not given.json:
        _sum_up(outcomes)
    if missing:
        sys.stdout.write(f"did not happen: {', '.join(missing)}\n")
    return 1 if missing else 0


def _missing(outcomes: list[Outcome]) -> list[str]:
    """Kinds of faults that have not happened."""
    faults = record.faults(outcomes)
    return [kind for kind in KINDS if not faults[kind]]


def _played(plans: Sequence[Plan], jobs: int) -> Iterator[tuple[Outcome, float]]:
    """Outcomes in the order of seeds, with the processor time that each took."""
    if jobs == 1 or len(plans) == 1:
        yield from map(play_timed, plans)
        return
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(plans)), mp_context=fresh) as pool:
        under_way = [pool.submit(play_timed, plan) for plan in plans]
        try:
            for one in under_way:
                yield one.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _tell(outcome: Outcome, took: float, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(as_object(outcome)) + "\n")
    else:
        sys.stdout.write(
            f"seed {outcome.seed}: {outcome.hours:.1f} hours lived in {took:.0f} s, sold"
            f" {outcome.sold}, oversold {outcome.oversold}, {outcome.commits} commits,"
            f" {sum(outcome.checks.values())} checks, {sum(outcome.counts.values())} faults\n"
        )
        if outcome.violation is not None:
            sys.stdout.write("\n".join([*outcome.trace, outcome.violation, ""]))
            sys.stdout.write(f"play it again: {outcome.replay}\n")
    sys.stdout.flush()


def as_object(outcome: Outcome) -> dict[str, Any]:
    """What one rehearsal came to, as JSON has it."""
    return {
        "seed": outcome.seed,
        "hours": round(outcome.hours, 3),
        "sold": outcome.sold,
        "refused": outcome.refused,
        "oversold": outcome.oversold,
        "commits": outcome.commits,
        "digest": outcome.digest,
        "faults": dict(sorted(outcome.counts.items())),
        "checks": dict(sorted(outcome.checks.items())),
        "violation": outcome.violation,
        "replay": outcome.replay,
    }


def _sum_up(outcomes: list[Outcome]) -> None:
    sold = sum(outcome.sold for outcome in outcomes)
    sys.stdout.write(
        f"{record.days(outcomes):.2f} simulated days, {len(outcomes)} seeds, {sold} units sold,"
        " oversold 0\n"
    )
    checks: Counter[str] = Counter()
    for outcome in outcomes:
        checks.update(outcome.checks)
    faults = record.faults(outcomes)
    for heading, counted in (("faults that happened", faults), ("invariants checked", checks)):
        sys.stdout.write(f"{heading}:\n")
        for name, count in sorted(counted.items()):
            sys.stdout.write(f"  {count:>7,} {name}\n")


if __name__ == "__main__":
    sys.exit(main())
