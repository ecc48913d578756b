"""The security checklist names every item, and only tests that exist."""

from __future__ import annotations

import re

from tests.support.checkout import ROOT

PAGE = ROOT / "docs" / "reference" / "security-checklist.md"
ITEMS = 39
TESTS = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)


def test_every_item_stands_once_in_order() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    numbers = [int(one) for row in rows for one in row.split(",")]
    assert numbers == list(range(1, ITEMS + 1))


def test_every_test_it_names_exists() -> None:
    existing: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        existing |= set(TESTS.findall(path.read_text("utf-8")))
    contract = ROOT / "src" / "channelsync" / "sdk" / "testing" / "contract"
    for path in contract.glob("*.py"):
        existing |= {
            name.strip() for name in re.findall(r"def (test_\w+)", path.read_text("utf-8"))
        }
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text("utf-8")))
    assert len(named) > 50
    assert named - existing == set()
