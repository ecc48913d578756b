"""What rehearsals came to is recorded, slice after slice, with the command that plays it again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from channelsync.rehearsal.kinds import KINDS
from channelsync.rehearsal.play import Outcome
from channelsync.rehearsal.record import Asked, GapInRecord, write

SIMULATED = {*range(1, 6), *range(9, 28), 29, 30, 31, 33, *range(37, 42)}
"""Rows of the fault table that a simulation can play: no forged bytes, no real servers."""
FIRST = Asked(seed=1001, seeds=2, hours=72, daemons=None)


def outcome(seed: int, **counts: int) -> Outcome:
    return Outcome(
        seed=seed,
        hours=73.5,
        digest="",
        happenings=0,
        commits=100,
        sold=7,
        refused=1,
        oversold=0,
        counts=Counter(counts),
        checks=Counter({"I7 stored": 5}),
        violation=None,
        trace=(),
        replay="",
    )


def recorded(path: Path) -> dict[str, Any]:
    return {row["name"]: row["value"] for row in json.loads(path.read_text(encoding="utf-8"))}


def test_every_fault_that_can_be_simulated_is_one_of_the_kinds() -> None:
    assert set(KINDS.values()) >= SIMULATED


def test_a_slice_is_added_to_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "records" / "simulation.json"
    write([outcome(1001, late=3), outcome(1002)], FIRST, path, add=True)
    write([outcome(1003, late=1, lost=4)], Asked(1003, 1, 72, None), path, add=True)
    assert recorded(path) == {
        "simulated days": 9.18,
        "seeds": 3,
        "units sold": 21,
        "units oversold": 0,
        "commits audited": 300,
        "invariant I7 stored": 15,
        "fault: late": 4,
        "fault: lost": 4,
    }
    commands = {row["command"] for row in json.loads(path.read_text(encoding="utf-8"))}
    assert commands == {"./run rehearse --seed 1001 --seeds 3 --hours 72"}


def test_what_is_not_added_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "simulation.json"
    write([outcome(1001)], FIRST, path, add=False)
    write([outcome(5)], Asked(5, 1, 6, 2), path, add=False)
    assert recorded(path)["seeds"] == 1


@pytest.mark.parametrize(
    "other", [Asked(1004, 1, 72, None), Asked(1003, 1, 6, None), Asked(1003, 1, 72, 2)]
)
def test_a_slice_that_leaves_a_gap_is_refused(tmp_path: Path, other: Asked) -> None:
    path = tmp_path / "simulation.json"
    write([outcome(1001), outcome(1002)], FIRST, path, add=False)
    before = path.read_bytes()
    with pytest.raises(GapInRecord, match="play from seed 1003 on"):
        write([outcome(other.seed)], other, path, add=True)
    assert path.read_bytes() == before
