"""Alert rules and dashboard ask only for what `/metrics` has; the rules do what they say."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from ruamel.yaml import YAML

from tests.monitoring.promtool import NOT_RUN, promtool
from tests.support.checkout import ROOT

FOLDER = ROOT / "deploy" / "monitoring"
ROW = re.compile(r"^\| `(channelsync_\w+)` \| (\w+) \| ([^|]*) \| (.*) \|$", re.MULTILINE)
ADDED_BY_PROMETHEUS = {"instance", "job", "le"}
SEVERITIES = {"page", "ticket"}


def documented() -> dict[str, set[str]]:
    """Every series that `/metrics` may show, with its labels: from the generated reference."""
    found: dict[str, set[str]] = {}
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    for name, kind, labels, _ in ROW.findall(page):
        suffixes = ("_bucket", "_count", "_sum") if kind == "histogram" else ("",)
        for suffix in suffixes:
            found[name + suffix] = set(re.findall(r"`(\w+)`", labels))
    return found


def groups(name: str) -> Any:
    return YAML(typ="safe").load((FOLDER / name).read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    return [rule for group in groups("alerts.yaml")["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    board: dict[str, Any] = json.loads((FOLDER / "grafana.json").read_text(encoding="utf-8"))
    return board


def selectors(query: str) -> Iterator[Any]:
    """Every selector of a query."""
    found: list[Any] = []

    def visit(node: Any) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        return True

    promql_parser.walk(promql_parser.parse(query), visit)
    yield from found


def mistakes(query: str) -> list[str]:
    """What a query asks for that is not there."""
    known, wrong = documented(), []
    for selector in selectors(query):
        labels = known.get(selector.name)
        if labels is None:
            wrong.append(f"there is no {selector.name}")
            continue
        asked = {one.name for one in selector.matchers.matchers} - ADDED_BY_PROMETHEUS
        wrong += [f"{selector.name} has no label {label}" for label in sorted(asked - labels)]
    return wrong


def queries() -> list[str]:
    """Of the rules and of the dashboard."""
    panels = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    return [rule["expr"] for rule in rules()] + [one.replace("$channel", ".*") for one in panels]


@pytest.mark.parametrize("query", queries())
def test_a_query_asks_for_what_is_there(query: str) -> None:
    assert list(selectors(query)), query
    assert mistakes(query) == []


def test_a_query_for_something_else_would_be_found() -> None:
    assert mistakes("rate(channelsync_pushes_total[5m]) > 0") == [
        "there is no channelsync_pushes_total"
    ]
    assert mistakes('sum(rate(channelsync_push_total{sku="MUG"}[5m])) or vector(0)') == [
        "channelsync_push_total has no label sku"
    ]


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    for rule in rules():
        assert rule["labels"]["severity"] in SEVERITIES
        assert set(rule["annotations"]) == {"summary", "action"}
        for label in re.findall(r"\$labels\.(\w+)", str(rule["annotations"])):
            assert f"({label}" in rule["expr"], f"{rule['alert']} loses {label}"


def test_every_alert_is_tested_silent_and_loud() -> None:
    silent: set[str] = set()
    loud: set[str] = set()
    for test in groups("alerts_test.yaml")["tests"]:
        for case in test["alert_rule_test"]:
            (loud if case.get("exp_alerts") else silent).add(case["alertname"])
    names = {rule["alert"] for rule in rules()}
    assert (silent, loud) == (names, names)


def test_every_panel_has_a_title_and_a_place_of_its_own() -> None:
    panels = dashboard()["panels"]
    assert len({panel["title"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_the_alerts_do_what_they_say() -> None:
    done = promtool("test", "rules", "alerts_test.yaml", folder=FOLDER)
    if done is None:
        pytest.skip(NOT_RUN)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rule_with_another_limit_would_be_found(tmp_path: Path) -> None:
    for name in ("alerts.yaml", "alerts_test.yaml"):
        shutil.copy(FOLDER / name, tmp_path)
    bent = (tmp_path / "alerts.yaml").read_text().replace("> 1800", "> 18000")
    (tmp_path / "alerts.yaml").write_text(bent)
    done = promtool("test", "rules", "alerts_test.yaml", folder=tmp_path)
    if done is None:
        pytest.skip(NOT_RUN)
    assert done.returncode == 1
    assert "ChannelsyncFeedQuiet" in done.stdout + done.stderr
