"""A sheet of numbers is what the file says, and filled in it changes what was changed."""

from __future__ import annotations

from typing import Any

import pytest

from channelsync.configuration.document import read_document
from channelsync.configuration.layout import edited
from channelsync.configuration.shares import changes_of, rule_names, sheet_of

TEXT = """channels:
  amazon: {connector: amazon}
  till: {connector: pos}
allocation:
  quotas: {amazon: 50 %, till: 33.50%}  # shares
  safety_stock: 5
  rules:
    - name: sale
      priority: [till, amazon]
      limits: {amazon: {cap: 40, stop_sell_at: 2}}
"""


def content(text: str = TEXT) -> Any:
    return read_document(text.encode(), name="").plain()


def test_a_sheet_shows_what_the_file_says() -> None:
    sheet = sheet_of(content())
    shown = {name: value for name, value in sheet.values.items() if value}
    assert shown == {"safety_stock": "5", "quotas:amazon": "50", "quotas:till": "33.50"}
    rule = sheet_of(content(), 0)
    shown = {name: value for name, value in rule.values.items() if value}
    assert shown == {
        "rank:amazon": "2",
        "rank:till": "1",
        "limits:amazon:cap": "40",
        "limits:amazon:stop_sell_at": "2",
    }
    assert "safety_stock" not in rule.values
    assert rule_names(content()) == ["sale"]
    with pytest.raises(LookupError):
        sheet_of(content(), 1)


def test_what_was_not_touched_is_not_rewritten() -> None:
    sheet = sheet_of(content())
    assert changes_of(sheet, dict(sheet.values)) == ({}, {})
    same = {"quotas:amazon": "50.0", "quotas:till": "33,5 %", "safety_stock": " 5 "}
    assert changes_of(sheet, same) == ({}, {})


def test_numbers_become_changes_of_the_file_where_they_stand() -> None:
    changes, wrong = changes_of(
        sheet_of(content()),
        {
            "quotas:amazon": "45,5",
            "quotas:till": "",
            "limits:till:floor": "3",
            "strategy": "demand",
        },
    )
    assert wrong == {}
    after = content(edited(TEXT, changes))["allocation"]
    assert after["quotas"] == {"amazon": "45.5%"}
    assert after["limits"] == {"till": {"floor": 3}}
    assert after["strategy"] == "demand"


def test_ranks_become_an_order() -> None:
    changes, wrong = changes_of(sheet_of(content(), 0), {"rank:till": "", "rank:amazon": "9"})
    assert (changes, wrong) == ({("allocation", "rules", 0, "priority"): ["amazon"]}, {})
    changes, _ = changes_of(sheet_of(content(), 0), {"rank:till": "3"})
    assert changes == {("allocation", "rules", 0, "priority"): ["amazon", "till"]}
    changes, _ = changes_of(sheet_of(content(), 0), {"rank:till": "", "rank:amazon": ""})
    assert changes == {("allocation", "rules", 0, "priority"): None}


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("quotas:amazon", "half"),
        ("quotas:amazon", "101"),
        ("quotas:amazon", "-5"),
        ("low_water", "1.234"),
        ("safety_stock", "2.5"),
        ("limits:till:cap", "-1"),
        ("strategy", "luck"),
    ],
)
def test_what_is_no_such_number_is_told_at_its_field(name: str, typed: str) -> None:
    changes, wrong = changes_of(sheet_of(content()), {name: typed})
    assert changes == {}
    assert list(wrong) == [name]


def test_a_wrong_rank_is_told_at_its_field() -> None:
    _, wrong = changes_of(sheet_of(content(), 0), {"rank:till": "first"})
    assert list(wrong) == ["rank:till"]


def test_a_problem_of_the_file_finds_its_field() -> None:
    sheet = sheet_of(content())
    assert sheet.field_of(("allocation", "quotas", "till")) == "quotas:till"
    assert sheet.field_of(("allocation", "rules", 0, "quotas", "till")) is None
    assert sheet.field_of(("channels", "till")) is None
    rule = sheet_of(content(), 0)
    assert rule.field_of(("allocation", "rules", 0, "limits", "till", "cap")) == "limits:till:cap"
