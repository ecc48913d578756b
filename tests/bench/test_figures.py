"""The arithmetic of the measurements, and the shape that machines read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.figure import Figure, percentile, rows


def figure(**given: Any) -> Figure:
    values: dict[str, Any] = {
        "name": "orders",
        "unit": "a second",
        "better": "more",
        "values": (400.0, 500.0, 900.0),
        "limits": (1_000.0, 1_100.0, 800.0),
        "limit_is": "nothing in the way",
    }
    return Figure(**{**values, **given})


def test_a_figure_is_the_median_of_its_rounds() -> None:
    assert (figure().value, figure().limit) == (500.0, 1_000.0)


def test_where_more_is_better_the_ratio_is_value_by_limit() -> None:
    assert figure().ratio == 0.5


def test_where_less_is_better_the_ratio_is_limit_by_value() -> None:
    assert figure(better="less", values=(2.0,), limits=(0.5,)).ratio == 0.25


@pytest.mark.parametrize(
    ("better", "target", "at_least", "holds"),
    [
        ("more", 500.0, 0.5, True),
        ("more", 501.0, 0.501, False),
        ("less", 500.0, 2.0, True),
        ("less", 400.0, 2.5, False),
        ("more", None, None, True),
    ],
)
def test_a_target_is_a_ratio_that_must_be_reached(
    better: str, target: float | None, at_least: float | None, holds: bool
) -> None:
    found = figure(better=better, target=target)
    assert (found.at_least, found.holds) == (at_least, holds)


def test_a_ratio_can_be_promised_instead_of_a_value() -> None:
    found = figure(reach=0.5)
    assert (found.at_least, found.holds) == (0.5, True)
    missed = figure(reach=0.75)
    assert not missed.holds
    assert "MISSED: ratio at least 0.75" in rows([missed])[1]
    with pytest.raises(ValueError, match="not both"):
        figure(reach=0.5, target=400.0)


@pytest.mark.parametrize(
    "given",
    [
        {"values": ()},
        {"values": (1.0, 2.0)},
        {"values": (0.0, 1.0, 2.0)},
        {"limits": (1.0, 0.0, 2.0)},
    ],
)
def test_a_round_without_a_measurement_is_no_figure(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="orders"):
        figure(**given)


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([7.0], 0.5) == 7.0


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 0.0), ([1.0], 1.1)])
def test_there_is_no_percentile_of_nothing(values: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, share)


def test_machines_read_one_flat_object_a_figure() -> None:
    found = json.loads(json.dumps(figure(target=400.0).as_json()))
    assert found == {
        "name": "orders",
        "value": 500.0,
        "unit": "a second",
        "limit": 1_000.0,
        "ratio": 0.5,
        "at_least": 0.4,
        "holds": True,
        "target": 400.0,
        "low": 400.0,
        "high": 900.0,
        "rounds": 3,
        "limit_is": "nothing in the way",
    }


def test_people_read_a_table_that_names_what_was_missed() -> None:
    lines = rows([figure(target=400.0), figure(better="less", target=400.0)])
    assert "holds: at least 400 a second" in lines[1]
    assert "MISSED: at most 400 a second" in lines[2]
    assert "400 to 900" in lines[1]
