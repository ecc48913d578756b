"""Whatever strangers send: understood, or refused in words of ours."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.mutating import mutated
from tests.fuzz.targets import TARGETS
from tests.support.checkout import ROOT

CORPUS = Path(__file__).parent / "corpus"
SEEDS = sorted(path for path in CORPUS.glob("*/*") if path.is_file())
WITH_ATHERIS = importlib.util.find_spec("atheris") is not None
RUNS = 800
EXAMPLES = 40 if WITH_ATHERIS else 400


def seeds_of(name: str) -> list[Path]:
    return [path for path in SEEDS if path.parent.name == name]


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_every_input_of_the_corpus_is_understood_or_refused(name: str) -> None:
    assert seeds_of(name)
    for path in seeds_of(name):
        TARGETS[name](path.read_bytes())


def test_the_corpus_is_small_and_names_targets_only() -> None:
    assert {path.parent.name for path in SEEDS} == set(TARGETS)
    assert sum(path.stat().st_size for path in SEEDS) < 100_000


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_what_is_close_to_the_corpus_is_understood_or_refused(name: str) -> None:
    """Without atheris this is all the fuzzing there is, and there is more of it."""
    contents = [path.read_bytes() for path in seeds_of(name)]

    @settings(max_examples=EXAMPLES)
    @given(st.sampled_from(contents), st.integers(min_value=0, max_value=2**32))
    def close(content: bytes, seed: int) -> None:
        TARGETS[name](mutated(content, Random(seed)))

    close()


def test_what_coverage_leads_to_is_understood_or_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--runs", str(RUNS), "--seed", "1"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    if not WITH_ATHERIS:  # the examples above are ten times as many then
        assert (done.returncode, done.stdout) == (3, "")
        return
    assert done.returncode == 0, done.stdout[-6_000:] + done.stderr[-2_000:]
    assert done.stdout.count(f" {RUNS} executions") == len(TARGETS)


def test_every_change_leaves_bytes_and_is_the_same_for_a_seed() -> None:
    for path in SEEDS:
        content = path.read_bytes()
        assert mutated(content, Random(5)) == mutated(content, Random(5))
    changed = [mutated(SEEDS[0].read_bytes(), Random(seed)) for seed in range(50)]
    assert len(set(changed)) > 40
