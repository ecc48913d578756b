"""`./run fuzz`: feed what reads strangers' bytes with atheris, for as long as is asked.

Each target runs in a process of its own, forked from one in which our modules are instrumented.
What it finds is written to `tests/fuzz/findings/`; what widened its coverage stays in
`.cache/fuzz/`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

ROOT: Final = Path(__file__).parents[2]
CORPUS: Final = Path(__file__).parent / "corpus"
FINDINGS: Final = Path(__file__).parent / "findings"
GROWN: Final = ROOT / ".cache" / "fuzz"
RECORD: Final = ROOT / "docs" / "trust" / "records" / "fuzzing.json"
INPUT_BYTES_MAX: Final = 8_192
SECONDS_OF_ONE_INPUT: Final = 20
INSTRUMENTED: Final = (
    "channelsync",
    "channelsync_amazon",
    "channelsync_pos",
    "channelsync_shopify",
    "channelsync_square",
)


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="./run fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help="their names; without any, all")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--runs", type=int, help="executions of each target, in place of seconds")
    parser.add_argument("--seed", type=int, default=0, help="0: another one every time")
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name} for the docs")
    return parser.parse_args(given)


def options(name: str, asked: argparse.Namespace, grown: Path) -> list[str]:
    """What libFuzzer is told."""
    bound = f"-runs={asked.runs}" if asked.runs else f"-max_total_time={asked.seconds}"
    FINDINGS.mkdir(exist_ok=True)
    seed = [f"-seed={asked.seed}"] if asked.seed else []
    return [
        "fuzz",
        bound,
        *seed,
        f"-max_len={INPUT_BYTES_MAX}",
        f"-timeout={SECONDS_OF_ONE_INPUT}",
        f"-artifact_prefix={FINDINGS}/{name}-",
        "-rss_limit_mb=2048",
        "-verbosity=1",
        "-print_final_stats=1",
        str(grown),
        str(CORPUS / name),
    ]


def fuzz(name: str, asked: argparse.Namespace, grown: Path, told: Path) -> int:
    """Fuzz one target in a child process, whose words go to `told`. Returns its exit status."""
    import atheris

    from tests.fuzz.mutating import mutated
    from tests.fuzz.targets import TARGETS

    def mutate(data: bytes, size_max: int, seed: int) -> bytes:
        rng = Random(seed)
        changed = mutated(data, rng) if rng.random() < 0.5 else atheris.Mutate(data, size_max)
        return bytes(changed[:size_max])

    child = os.fork()
    if child == 0:
        with told.open("wb") as words:
            os.dup2(words.fileno(), 1)
            os.dup2(words.fileno(), 2)
        atheris.Setup(options(name, asked, grown), TARGETS[name], custom_mutator=mutate)
        atheris.Fuzz()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def instrument() -> Callable[[], list[str]]:
    """Load the targets with every branch of ours counted."""
    import atheris

    quiet = contextlib.redirect_stderr(io.StringIO())  # a line for each module
    with quiet, atheris.instrument_imports(include=list(INSTRUMENTED)):
        from tests.fuzz.targets import TARGETS
    return lambda: sorted(TARGETS)


def executions(words: str) -> int:
    """How many inputs a run of libFuzzer tried."""
    found = re.search(r"stat::number_of_executed_units: (\d+)", words)
    return int(found[1]) if found else 0


def fuzz_all(names: Sequence[str], asked: argparse.Namespace, grown: Path) -> dict[str, int]:
    """Executions by target.

    Raises:
        SystemExit: one of them found something.
    """
    done = {}
    for name in names:
        folder = grown / name
        folder.mkdir(parents=True, exist_ok=True)
        told = grown / f"{name}.log"
        status = fuzz(name, asked, folder, told)
        words = told.read_text(encoding="utf-8", errors="replace")
        done[name] = executions(words)
        if status:
            sys.stdout.write(words[-6_000:])
            raise SystemExit(f"{name}: a finding (status {status}), kept in {FINDINGS}")
        sys.stdout.write(f"{name:24} {done[name]:>12,} executions\n")
        sys.stdout.flush()
    return done


def record(done: dict[str, int], bound: str) -> None:
    """Add these executions to what docs/trust.md tells."""
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    told = {"command": f"./run fuzz {bound} --record", "on": f"{datetime.now(UTC):%Y-%m-%d}"}
    text = json.dumps({**told, "executions": done}, indent=1)
    RECORD.write_text(text + "\n", encoding="utf-8")


def main() -> int:
    """Fuzz what was asked for; 1 with a finding, 3 where atheris cannot be had."""
    asked = arguments()
    try:
        names = instrument()()
    except ModuleNotFoundError as missing:
        if missing.name != "atheris":
            raise
        sys.stderr.write("not run: there is no atheris for this Python; ./run test does the rest\n")
        return 3
    if unknown := sorted(set(asked.targets) - set(names)):
        sys.stderr.write(f"no such target: {', '.join(unknown)}; there are {', '.join(names)}\n")
        return 2
    if asked.runs:
        # A bounded run begins with the committed corpus alone, so that it is the same every time.
        # Forked children end like programs do: no context manager may tidy up in their stead.
        grown = Path(tempfile.mkdtemp(prefix="channelsync-fuzz-"))
        done = fuzz_all(asked.targets or names, asked, grown)
        shutil.rmtree(grown)
    else:
        done = fuzz_all(asked.targets or names, asked, GROWN)
    if asked.record:
        record(done, f"--runs {asked.runs}" if asked.runs else f"--seconds {asked.seconds}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
