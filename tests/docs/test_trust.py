"""The page of trust says what its records say, and names every command that makes one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from spec.runs import RIGHT, SELLING_OUT, WRONG
from tests.docs.real_faults import REAL_FAULTS
from tests.docs.trust_page import PAGE, SECTIONS, assertions, page, read, told
from tests.fuzz.targets import TARGETS
from tests.support.checkout import ROOT
from tests.support.records import RECORDS, VARIABLE, keep


def test_the_page_is_made_of_its_records() -> None:
    """If not: `python -m tests.docs.trust_page`."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_fault_that_needs_real_servers_has_a_test_that_plays_it() -> None:
    """By row of the fault table; those that simulations play are told in tests/simulation."""
    played = {one.row for one in REAL_FAULTS}
    assert played == {5, 9, 11, 24, 25, *range(27, 33), *range(34, 38), 42, 43}
    for one in REAL_FAULTS:
        names = (ROOT / one.path).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {one.test}\(", names, re.MULTILINE), one


def test_every_record_is_told() -> None:
    assert {path.stem for path in RECORDS.iterdir()} <= {name for _, name, _, _ in SECTIONS}


def test_the_record_of_the_models_is_of_these_models() -> None:
    record = read("model")
    assert record is not None
    recorded = {one["name"]: one["result"] for one in record["variants"]}
    right = dict.fromkeys((run.name for run in RIGHT), "exhausted")
    bent = dict.fromkeys((run.name for run in (*WRONG, *SELLING_OUT)), "counterexample")
    assert recorded == right | bent


def test_the_record_of_fuzzing_is_of_these_targets() -> None:
    record = read("fuzzing")
    assert record is not None
    assert set(record["executions"]) == set(TARGETS)
    assert all(record["executions"].values())


def test_a_missing_record_is_said_to_be_missing() -> None:
    said = told(None, "./run fuzz", lambda record: iter(()))
    assert said == "Nothing is recorded yet. Try it: `./run fuzz`.\n"


def test_the_whole_daemons_record_is_told() -> None:
    _, _, command, tell = SECTIONS[2]
    rows = [
        {"name": "simulated days", "value": 2.5, "unit": "days", "command": command},
        {"name": "fault: webhook lost", "value": 1_205, "unit": "times", "command": command},
    ]
    said = told({"command": command, "rows": rows}, command, tell)
    assert "| simulated days | 2.5 days |" in said
    assert "| fault: webhook lost | 1,205 times |" in said
    assert said.endswith("Recorded by `./run soak`.\n")


def test_assertions_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text("assert 1\nwith pytest.raises(ValueError):\n    assert 2\n", encoding="utf-8")
    assert assertions(path) == 3


def test_figures_of_a_run_are_kept_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {"kills": (12, "kills")}
    monkeypatch.delenv(VARIABLE, raising=False)
    keep("kills", "./run test", figures, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv(VARIABLE, "1")
    keep("kills", "./run test", figures, folder=tmp_path)
    (row,) = json.loads((tmp_path / "kills.json").read_text(encoding="utf-8"))
    command = "CHANNELSYNC_RECORD=1 ./run test"
    assert row == {"name": "kills", "value": 12, "unit": "kills", "command": command}
