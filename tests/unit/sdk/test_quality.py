"""What a connector says of itself: every rule is answered, and nobody is taken by his word."""

from __future__ import annotations

from pathlib import Path

import pytest

from channelsync.sdk.quality import (
    RULES,
    BadQualityFile,
    Quality,
    Tier,
    missing_tests,
    page,
    quality_of,
    read_quality,
)
from tests.support.checkout import ROOT


def written(**changed: str) -> str:
    rules = dict.fromkeys(RULES, "{done: ['contract::test_x']}") | {
        name.replace("_", "-"): answer for name, answer in changed.items()
    }
    return "\n".join(["rules:", *(f"  {name}: {answer}" for name, answer in rules.items())])


def of_tier(tier: Tier) -> str:
    return next(name for name, rule in RULES.items() if rule.tier is tier)


def test_with_every_rule_done_the_last_tier_is_reached() -> None:
    quality = read_quality(written())
    assert quality.tier is Tier.PLATINUM
    assert quality.count() == {"done": len(RULES), "todo": 0, "exempt": 0}


@pytest.mark.parametrize(
    ("tier", "reached"),
    [(Tier.BRONZE, None), (Tier.SILVER, Tier.BRONZE), (Tier.PLATINUM, Tier.GOLD)],
)
def test_what_is_to_do_holds_its_tier_back_and_those_after_it(
    tier: Tier, reached: Tier | None
) -> None:
    quality = read_quality(written(**{of_tier(tier).replace("-", "_"): "todo"}))
    assert quality.tier is reached
    assert quality.todo_of(tier) == [of_tier(tier)]


def test_a_reason_counts_like_work() -> None:
    quality = read_quality(written(webhooks="{exempt: the marketplace sends none}"))
    assert quality.tier is Tier.PLATINUM
    assert quality.count()["exempt"] == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: [", "no YAML"),
        ("- todo", "one key"),
        ("rules: {}\nmore: 1", "one key"),
        (written(no_such_rule="todo"), "unknown are .'no-such-rule'."),
        ("rules: {pushes: todo}", "unanswered .'alike'"),
        (written(pushes="done"), "pushes: write"),
        (written(pushes="{done: []}"), "pushes: write"),
        (written(pushes="{done: [it works]}"), "pushes: write"),
        (written(pushes="{exempt: ' '}"), "pushes: write"),
        (written(pushes="{done: ['a::b'], exempt: x}"), "pushes: write"),
    ],
)
def test_what_answers_nothing_is_refused_with_the_place(text: str, said: str) -> None:
    with pytest.raises(BadQualityFile, match=said):
        read_quality(text)


def test_a_named_test_must_exist(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "class TestIt:\n    async def test_a(self): ...\n\ndef test_b(): ...\n", encoding="utf-8"
    )

    def missing(*tests: str) -> list[str]:
        answers = dict(read_quality(written()).answers)
        answers["pushes"] = read_quality(written(pushes=f"{{done: {list(tests)}}}")).answers[
            "pushes"
        ]
        return list(missing_tests(Quality(answers), tmp_path))

    assert missing("test_it.py::TestIt::test_a", "test_it.py::test_b") == []
    assert missing("test_it.py::test_a", "no.py::test_b") == ["no.py::test_b", "test_it.py::test_a"]


def test_a_package_that_says_nothing_has_no_quality() -> None:
    assert quality_of(self_made := object()) is None, self_made


def test_the_page_of_the_rules_is_up_to_date() -> None:
    path = ROOT / "docs" / "reference" / "connector-quality.md"
    assert path.read_text(encoding="utf-8") == page(), (
        "write it anew: python -m channelsync.sdk.quality > docs/reference/connector-quality.md"
    )
