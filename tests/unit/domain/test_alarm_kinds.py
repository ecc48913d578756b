"""Every alarm that the program can raise has a title and an advice, and every advice an alarm."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import channelsync
from channelsync.domain.alarm_kinds import ALARM_KINDS, kind_of

SOURCE = Path(channelsync.__file__).parent
RAISERS = {"raise_alarm", "raise_alarms"}


def raised(module: Path) -> Iterator[str]:
    """The kinds that a module raises; a name stands for its value."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or getattr(node.func, "id", None) not in RAISERS:
            continue
        kind = node.args[1]
        if isinstance(kind, ast.Constant):
            yield str(kind.value)
        else:
            assert isinstance(kind, ast.Name), f"{module}:{node.lineno}: which kind is it?"
            dotted = ".".join(module.relative_to(SOURCE.parent).with_suffix("").parts)
            yield str(getattr(import_module(dotted), kind.id))


def test_every_alarm_has_its_advice_and_every_advice_its_alarm() -> None:
    found = {kind for module in SOURCE.rglob("*.py") for kind in raised(module)}
    assert len(found) > 15
    assert found == set(ALARM_KINDS)


def test_titles_are_phrases_and_advice_is_sentences() -> None:
    for name, kind in ALARM_KINDS.items():
        assert kind.title[0].islower(), name
        assert not kind.title.endswith("."), name
        assert kind.advice.endswith("."), name


def test_a_kind_of_an_older_program_is_called_by_its_name() -> None:
    assert kind_of("moon_phase").title == "moon phase"
