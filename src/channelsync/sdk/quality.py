"""How good a connector is, rule by rule: what is done and shown by tests, what is not, and why.

Each connector's package holds a `quality.yaml` that answers every rule: `todo`, `{exempt: reason}`
or `{done: [tests that show it]}`. A test is `contract::NAME` (a clause of the connector contract,
which must apply to the connector) or `path/to/file.py::name` below the project's folder.
docs/reference/connector-quality.md explains the rules; it is made from this module.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

__all__ = [
    "CONTRACT",
    "FILE_NAME",
    "RULES",
    "Answer",
    "BadQualityFile",
    "Quality",
    "Rule",
    "Tier",
    "missing_tests",
    "page",
    "quality_of",
    "read_quality",
]

FILE_NAME: Final = "quality.yaml"
CONTRACT: Final = "contract::"


class Tier(StrEnum):
    """What a connector may call itself once every rule up to there is done or exempt."""

    BRONZE = "bronze"
    """It works."""
    SILVER = "silver"
    """It stands an ordinary day: webhooks, throttling, tokens that end."""
    GOLD = "gold"
    """It stands a bad day: lost answers, half-refused batches, lost subscriptions."""
    PLATINUM = "platinum"
    """It is proven against more than ourselves."""


class BadQualityFile(ValueError):
    """A `quality.yaml` that does not answer the rules; the message says where."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that a connector should do."""

    tier: Tier
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a connector says of one rule; neither tests nor a reason means: still to do."""

    tests: tuple[str, ...] = ()
    exempt: str = ""

    @property
    def todo(self) -> bool:
        """Whether it is still to do."""
        return not self.tests and not self.exempt


RULES: Final[Mapping[str, Rule]] = MappingProxyType(
    {
        "declared": Rule(
            Tier.BRONZE, "What is declared can be used; a channel opens without a network."
        ),
        "credentials": Rule(
            Tier.BRONZE, "Refused credentials ask for a person; the self-test says what is wrong."
        ),
        "pushes": Rule(
            Tier.BRONZE, "A write does what it says, and its answer proves no more than is true."
        ),
        "reads-back": Rule(
            Tier.BRONZE, "A reading was true between its two instants; what is gone reads as none."
        ),
        "orders": Rule(Tier.BRONZE, "Every order is told, by the poll and by its id."),
        "private": Rule(Tier.BRONZE, "Nothing of a person and no secret is kept, told or logged."),
        "documented": Rule(
            Tier.BRONZE, "A page tells guarantees, settings, rights to grant, limits and gaps."
        ),
        "webhooks": Rule(
            Tier.SILVER, "Webhooks are proven on their raw bytes, and each counts once."
        ),
        "alike": Rule(
            Tier.SILVER, "Poll and webhook tell the same, in whatever order they arrive."
        ),
        "watermark": Rule(
            Tier.SILVER, "The watermark never goes back, nor ahead of what was told."
        ),
        "throttling": Rule(Tier.SILVER, "Throttled, it says for how long and asks nobody."),
        "token-renewal": Rule(Tier.SILVER, "A token that ends costs a moment and no unit."),
        "discovery": Rule(
            Tier.SILVER, "Every offer is found; what cannot be synced safely bears the reason."
        ),
        "idempotent": Rule(
            Tier.GOLD, "Lost answers and their replays apply once, or each attempt is charged."
        ),
        "batches": Rule(Tier.GOLD, "Each row of a batch has its own truth."),
        "late-writes": Rule(Tier.GOLD, "A write applies within its declared limit, or never."),
        "assumptions": Rule(Tier.GOLD, "Whatever it declares to check shows in its findings."),
        "subscriptions": Rule(Tier.GOLD, "Lost subscriptions are found and mended."),
        "rotation": Rule(Tier.GOLD, "Secrets can be rotated without refusing one webhook."),
        "strict-types": Rule(Tier.PLATINUM, "Typed strictly, and shipped with its types."),
        "fuzzed": Rule(Tier.PLATINUM, "What reads foreign bytes is tried with arbitrary ones."),
        "official-schema": Rule(
            Tier.PLATINUM, "Requests and simulated answers pass the marketplace's own schema."
        ),
        "daemon": Rule(
            Tier.PLATINUM, "The whole daemon syncs through it in a test, with faults on the wire."
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Quality:
    """Every rule's answer."""

    answers: Mapping[str, Answer]

    @property
    def tier(self) -> Tier | None:
        """The highest tier of which, and below which, nothing is still to do."""
        reached: Tier | None = None
        for tier in Tier:
            if self.todo_of(tier):
                break
            reached = tier
        return reached

    def todo_of(self, tier: Tier) -> list[str]:
        """Rules of one tier that are still to do."""
        return [
            name for name, rule in RULES.items() if rule.tier is tier and self.answers[name].todo
        ]

    def count(self) -> Mapping[str, int]:
        """How many rules are done, still to do and exempt."""
        answers = self.answers.values()
        return {
            "done": sum(1 for one in answers if one.tests),
            "todo": sum(1 for one in answers if one.todo),
            "exempt": sum(1 for one in answers if one.exempt),
        }


def read_quality(text: str) -> Quality:
    """A `quality.yaml`.

    Raises:
        BadQualityFile: it is no YAML, a rule is missing or unknown, or an answer is none.
    """
    try:
        raw = YAML(typ="safe").load(text)
    except YAMLError as error:
        raise BadQualityFile(f"it is no YAML: {str(error).splitlines()[0]}") from error
    rules = raw.get("rules") if isinstance(raw, dict) and set(raw) == {"rules"} else None
    if not isinstance(rules, dict):
        raise BadQualityFile("write one key, `rules`, with an answer to each rule below it")
    unknown = sorted(str(name) for name in rules.keys() - RULES.keys())
    missing = sorted(RULES.keys() - rules.keys())
    if unknown or missing:
        raise BadQualityFile(
            f"answer every rule and no other: unknown are {unknown}, unanswered {missing}"
        )
    return Quality({name: _answer(name, rules[name]) for name in RULES})


def _answer(name: str, raw: Any) -> Answer:
    if raw == "todo":
        return Answer()
    key, value = next(iter(raw.items())) if isinstance(raw, dict) and len(raw) == 1 else ("", None)
    if key == "exempt" and isinstance(value, str) and value.strip():
        return Answer(exempt=value)
    if key == "done" and isinstance(value, list) and value and all(map(_is_test, value)):
        return Answer(tests=tuple(value))
    raise BadQualityFile(
        f"{name}: write `todo`, `exempt:` and a reason, or `done:` and a list of the tests that"
        " show it (contract::NAME or path/to/file.py::name)"
    )


def _is_test(raw: object) -> bool:
    return isinstance(raw, str) and "::" in raw and " " not in raw


def quality_of(connector: object) -> Quality | None:
    """What a connector's package says of itself; None: it says nothing.

    Raises:
        BadQualityFile: what it says is none of the rules' answers.
    """
    try:
        found = files(type(connector).__module__.partition(".")[0]) / FILE_NAME
    except (TypeError, ModuleNotFoundError):  # a module that is no package has no files
        return None
    return read_quality(found.read_text(encoding="utf-8")) if found.is_file() else None


def missing_tests(quality: Quality, root: Path) -> Sequence[str]:
    """Tests of files below `root` that are named as showing a rule and do not exist."""
    named = {test for answer in quality.answers.values() for test in answer.tests}
    return sorted(
        test for test in named if not test.startswith(CONTRACT) and not _exists(test, root)
    )


def _exists(test: str, root: Path) -> bool:
    place, *names = test.split("::")
    path = root / place
    if not path.is_file():
        return False
    scope: ast.AST = ast.parse(path.read_text(encoding="utf-8"))
    for name in names:
        kinds = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        inner = [one for one in ast.iter_child_nodes(scope) if isinstance(one, kinds)]
        found = next((one for one in inner if one.name == name), None)
        if found is None:
            return False
        scope = found
    return True


def page() -> str:
    """The reference page of the rules."""
    lines = [
        "# Connector quality",
        "",
        "Every connector's package holds a `quality.yaml` that answers each rule below: `todo`,",
        "`exempt:` with the reason, or `done:` with the tests that show it. A test is",
        "`contract::NAME`, a clause of the connector contract that applies to the connector, or",
        "`path/to/file.py::name`. The contract fails while an answer is missing or a named test",
        "does not exist. A connector has a tier once every rule of it, and of those before it, is",
        "done or exempt; `channelsync connectors list` shows it.",
    ]
    said = {
        Tier.BRONZE: "it works",
        Tier.SILVER: "it stands an ordinary day",
        Tier.GOLD: "it stands a bad day",
        Tier.PLATINUM: "it is proven against more than ourselves",
    }
    for tier in Tier:
        lines += ["", f"## {tier.capitalize()}: {said[tier]}", "", "| rule | what |", "|---|---|"]
        lines += [f"| `{name}` | {one.what} |" for name, one in RULES.items() if one.tier is tier]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 - prints the page that the documentation keeps
