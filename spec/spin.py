"""Makes a verifier of a model with Spin and the C compiler, runs it and reads what it says."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spec.runs import Run

__all__ = ["NOT_RUN", "Finding", "SpinFailed", "check", "missing_tools"]

MODEL: Final = Path(__file__).with_name("escrow.pml")
NOT_RUN: Final = "needs spin and gcc on PATH to check the models of the protocol"
"""Why a check did not run. Both are packages of the system, so their absence is forgiven."""
DEPTH_MAX: Final = 1_000_000
"""Steps of one run of the model; a run that goes deeper is an error, not a result."""
COMPILED: Final = ("-O0", "-w", "-DSAFETY", "-DNOFAIR", "-DMEMLIM=2000")
"""Compiling costs more than most searches: not optimised. Memory in megabytes."""
STATES: Final = re.compile(r"^\s*(\d+) states, stored", re.MULTILINE)
NOMINAL: Final = re.compile(r"^\s*(\d+) nominal states", re.MULTILINE)
DEPTH: Final = re.compile(r"depth reached (\d+)")
ERRORS: Final = re.compile(r"errors: (\d+)")
SAID: Final = re.compile(r"^\s*((?:channel \d|asking): .*)$", re.MULTILINE)


class SpinFailed(Exception):
    """A tool failed, or the search ended before it was exhaustive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the search of one model came to."""

    run: Run
    states: int
    depth: int
    seconds: float
    counterexample: tuple[str, ...] | None
    """What happens up to the violation; None where every state was visited without one."""

    @property
    def as_expected(self) -> bool:
        """A bent rule has a counterexample, the right rules have none."""
        return (self.counterexample is not None) == bool(self.run.wrong)


def missing_tools() -> tuple[str, ...]:
    """The programs that checking needs and that are not on PATH."""
    return tuple(name for name in ("spin", "gcc") if shutil.which(name) is None)


def check(run: Run) -> Finding:
    """Search every state of the model of `run`, or up to the shortest counterexample.

    Raises:
        SpinFailed: a tool failed, or the search ran out of memory or depth.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="channelsync-spec-") as name:
        folder = Path(name)
        call(folder, "spin", "-a", *run.definitions, str(MODEL))
        breadth_first = ("-DBFS",) if run.wrong else ()
        call(folder, "gcc", *COMPILED, *breadth_first, "-o", "pan", "pan.c")
        said = call(folder, "./pan", f"-m{DEPTH_MAX}", "-w20", "-n")
        found = read(run, said)
        example = replayed(folder, run) if found[2] else None
    return Finding(
        run=run,
        states=found[0],
        depth=found[1],
        seconds=time.monotonic() - started,
        counterexample=example,
    )


def read(run: Run, said: str) -> tuple[int, int, int]:
    """States, depth and errors out of the report of a verifier."""
    states, depth, errors = STATES.search(said), DEPTH.search(said), ERRORS.search(said)
    if states is None or depth is None or errors is None:
        raise SpinFailed(f"{run.name}: no report from the verifier\n{said}")
    cut_short = "Search not completed" in said or "search depth too small" in said
    if cut_short and errors[1] == "0":
        raise SpinFailed(f"{run.name}: the search is not exhaustive\n{said}")
    nominal = NOMINAL.search(said) or states
    return int(nominal[1]), int(depth[1]), int(errors[1])


def replayed(folder: Path, run: Run) -> tuple[str, ...]:
    """The counterexample, in words."""
    trail = "escrow.pml.trail"
    said = call(folder, "spin", "-k", trail, "-t", *run.definitions, str(MODEL))
    return tuple(line for line in SAID.findall(said) if "proc" not in line)


def call(folder: Path, *command: str) -> str:
    """Run one tool in `folder`. A verifier that found an error ends with 0 as well."""
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)
    if done.returncode:
        words = " ".join(command)
        raise SpinFailed(f"{words} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout
