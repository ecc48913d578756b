"""The protocol's model: the right rules are exhausted, every bent one has a counterexample."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spec.runs import RIGHT, SELLING_OUT, WRONG, Run
from spec.spin import NOT_RUN, SpinFailed, check, missing_tools, read
from tests.support.checkout import ROOT

SPEC = ROOT / "spec"


@pytest.fixture
def _tools() -> None:
    if missing_tools():
        pytest.skip(NOT_RUN)


@pytest.mark.usefixtures("_tools")
@pytest.mark.parametrize("run", RIGHT, ids=lambda run: run.name)
def test_the_right_rules_are_exhausted_without_a_counterexample(run: Run) -> None:
    finding = check(run)
    assert finding.counterexample is None
    assert finding.states > 10_000


@pytest.mark.usefixtures("_tools")
@pytest.mark.parametrize("run", [*WRONG, *SELLING_OUT], ids=lambda run: run.name)
def test_a_bent_rule_has_a_counterexample(run: Run) -> None:
    assert check(run).counterexample


def names(path: Path) -> list[str]:
    return re.findall(r"^#define ([A-Z_]+) +\d+$", path.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_rule_that_can_be_bent_is_bent_and_explained() -> None:
    rules = set(names(SPEC / "rules.pml")) - {"NOTHING"}
    assert rules == {run.wrong for run in (*WRONG, *SELLING_OUT)}
    explained = (SPEC / "README.md").read_text(encoding="utf-8")
    assert sorted(rule for rule in rules if f"`{rule}`" not in explained) == []


def test_what_the_page_names_in_the_code_exists() -> None:
    page = (SPEC / "README.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\w+)\.(?!pml|py)(\w+)`", page)
    assert len(named) > 15
    for module, name in named:
        path = ROOT / "src" / "channelsync" / "domain" / f"{module}.py"
        defined = re.compile(rf"(?:def|class) {name}\b|^ {{4}}{name}: ", re.MULTILINE)
        assert defined.search(path.read_text(encoding="utf-8")), f"{module}.{name}"


@pytest.mark.parametrize("run", [*RIGHT, *WRONG], ids=lambda run: run.name)
def test_a_run_sets_only_bounds_that_exist(run: Run) -> None:
    text = (SPEC / "bounds.pml").read_text(encoding="utf-8")
    assert set(run.bounds) <= set(re.findall(r"^#ifndef (\w+)", text, re.MULTILINE))


def test_a_search_that_was_cut_short_is_no_result() -> None:
    report = "State-vector 116 byte, depth reached 99, errors: 0\n      12 states, stored\n"
    assert read(RIGHT[0], report) == (12, 99, 0)
    for warning in ("error: max search depth too small\n", "Warning: Search not completed\n"):
        with pytest.raises(SpinFailed, match="not exhaustive"):
            read(RIGHT[0], warning + report)
    with pytest.raises(SpinFailed, match="no report"):
        read(RIGHT[0], "killed")
