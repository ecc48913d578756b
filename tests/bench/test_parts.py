"""Every part of docs/performance.md runs, on a scale whose figures mean nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.parts import PARTS
from bench.scale import SMALL
from tests.support.checkout import ROOT
from tests.support.servers import ServerMissing


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
async def test_a_part_measures_figures_beside_limits(name: str, tmp_path: Path) -> None:
    try:
        figures = await PARTS[name](SMALL, tmp_path)
    except ServerMissing as missing:
        pytest.skip(str(missing))
    for figure in figures:
        assert figure.value > 0
        assert figure.limit > 0
        assert len(figure.values) == SMALL.rounds


def run_bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )


def test_an_unknown_part_is_named() -> None:
    done = run_bench("nonsense")
    assert done.returncode == 2
    assert "nonsense" in done.stderr


@pytest.mark.slow
def test_a_group_is_its_parts_each_once() -> None:
    done = run_bench("intake", "orders", "--small", "--json")
    assert done.returncode in {0, 1}, done.stderr
    names = [figure["name"] for figure in json.loads(done.stdout)]
    assert names == [
        "orders applied, SQLite",
        "orders applied, PostgreSQL",
        "orders applied, PostgreSQL, one hot item",
    ]


def test_json_alone_stands_on_standard_output() -> None:
    done = run_bench("orders", "--small", "--json")
    assert done.returncode in {0, 1}, done.stderr
    [figure] = json.loads(done.stdout)
    assert (figure["name"], figure["rounds"]) == ("orders applied, SQLite", 1)
    assert done.returncode == (0 if figure["holds"] else 1)
