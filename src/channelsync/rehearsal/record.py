"""What rehearsals came to, kept in a file: figures, each with the command that plays them again.

A long soak is played in slices; what a slice adds must follow what is recorded without a gap.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from channelsync.rehearsal.play import Outcome, Plan

__all__ = ["Asked", "GapInRecord", "days", "faults", "write"]

HOURS_OF_A_DAY: Final = 24.0
_COMMAND: Final = re.compile(
    r"\./run rehearse --seed (?P<seed>\d+) --seeds (?P<seeds>\d+) --hours (?P<hours>[\d.]+)"
    r"(?: --daemons (?P<daemons>\d))?"
)


class GapInRecord(Exception):
    """What was played does not follow what is recorded."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which seeds were played, and how."""

    seed: int
    seeds: int
    hours: float
    daemons: int | None
    """None: one or two, by the seed."""

    def plans(self) -> list[Plan]:
        """One a seed."""
        return [
            Plan(seed=seed, hours=self.hours, daemons=self.daemons or 1 + seed % 2)
            for seed in range(self.seed, self.seed + self.seeds)
        ]

    @property
    def command(self) -> str:
        """What plays the same seeds again from a checkout."""
        asked = f"./run rehearse --seed {self.seed} --seeds {self.seeds} --hours {self.hours:g}"
        return asked if self.daemons is None else f"{asked} --daemons {self.daemons}"

    def after(self, before: Asked) -> Asked:
        """Both together.

        Raises:
            GapInRecord: other seeds lie between them, or they were played otherwise.
        """
        follows = self.seed == before.seed + before.seeds
        if not follows or (self.hours, self.daemons) != (before.hours, before.daemons):
            raise GapInRecord(
                f"`{before.command}` is recorded, and `{self.command}` does not go on from there:"
                f" play from seed {before.seed + before.seeds} on, in the same way"
            )
        return Asked(before.seed, before.seeds + self.seeds, self.hours, self.daemons)


def write(outcomes: Sequence[Outcome], asked: Asked, path: Path, *, add: bool) -> None:
    """Record these outcomes in the file at `path`, or, where `add`, add them to what is there.

    Raises:
        GapInRecord: they do not follow what is there.
    """
    figures = _figures(outcomes)
    if add and path.is_file():
        rows = json.loads(path.read_text(encoding="utf-8"))
        asked = asked.after(_asked(rows[0]["command"]))
        units = {row["name"]: row["unit"] for row in rows}
        values = Counter({row["name"]: row["value"] for row in rows})
        for name, (value, unit) in figures.items():
            values[name] += value  # type: ignore[assignment] # days are no whole numbers
            units[name] = unit
        order = [name for name in (*figures, *sorted(units)) if name in units]
        figures = {name: (values[name], units[name]) for name in dict.fromkeys(order)}
    rows = [
        {"name": name, "value": round(value, 2), "unit": unit, "command": asked.command}
        for name, (value, unit) in figures.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


def _asked(command: str) -> Asked:
    found = _COMMAND.fullmatch(command)
    if found is None:
        raise GapInRecord(f"`{command}` is recorded, which is none of ours: move the file away")
    said: dict[str, Any] = found.groupdict()
    daemons = None if said["daemons"] is None else int(said["daemons"])
    return Asked(int(said["seed"]), int(said["seeds"]), float(said["hours"]), daemons)


def _figures(outcomes: Sequence[Outcome]) -> dict[str, tuple[float, str]]:
    checks: Counter[str] = Counter()
    for outcome in outcomes:
        checks.update(outcome.checks)
    return {
        "simulated days": (days(outcomes), "days"),
        "seeds": (len(outcomes), "seeds"),
        "units sold": (sum(outcome.sold for outcome in outcomes), "units"),
        "units oversold": (sum(outcome.oversold for outcome in outcomes), "units"),
        "commits audited": (sum(outcome.commits for outcome in outcomes), "commits"),
        **{f"invariant {name}": (n, "checks") for name, n in sorted(checks.items())},
        **{f"fault: {kind}": (n, "times") for kind, n in sorted(faults(outcomes).items())},
    }


def faults(outcomes: Sequence[Outcome]) -> Counter[str]:
    """How often each kind of fault happened."""
    happened: Counter[str] = Counter()
    for outcome in outcomes:
        happened.update(outcome.counts)
    return happened


def days(outcomes: Sequence[Outcome]) -> float:
    """Virtual time that passed, the calm of each seed included."""
    return sum(outcome.hours for outcome in outcomes) / HOURS_OF_A_DAY
