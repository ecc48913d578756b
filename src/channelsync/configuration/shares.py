"""Shares and limits of the file as a sheet of numbers; a filled-in sheet as changes of the file.

A sheet is about the default or about one rule. Its fields are named by where they stand below
that: `quotas:amazon-us`, `limits:till:cap`, `safety_stock`; `rank:till` is the place of a channel
in `priority`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from channelsync.configuration.layout import Value
from channelsync.configuration.problems import KeyPath
from channelsync.configuration.values import basis_points
from channelsync.domain.allocation_rules import Strategy

__all__ = ["LIMITS", "Sheet", "changes_of", "rule_names", "sheet_of"]

LIMITS: Final = ("floor", "cap", "buffer", "stop_sell_at", "multiple")
_STRATEGIES: Final = frozenset(Strategy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The shares of the default or of one rule, as text."""

    rule: int | None
    """The rule's place in the file; None: the default."""
    channels: tuple[str, ...]
    values: Mapping[str, str]

    @property
    def place(self) -> KeyPath:
        """Where it stands in the file."""
        return _place(self.rule)

    def field_of(self, path: KeyPath) -> str | None:
        """The field that shows what stands at a place of the file; None: no field does."""
        length = len(self.place)
        if path[:length] != self.place or len(path) == length:
            return None
        name = ":".join(str(part) for part in path[length:])
        return name if name in self.values else None


def _place(rule: int | None) -> KeyPath:
    return ("allocation",) if rule is None else ("allocation", "rules", rule)


def rule_names(content: Any) -> Sequence[str]:
    """The rules of a file, in its order."""
    rules = _at(content, ("allocation", "rules"))
    return [str(_at(rule, ("name",)) or "") for rule in rules] if isinstance(rules, list) else []


def sheet_of(content: Any, rule: int | None = None) -> Sheet:
    """The sheet of a file's plain content.

    Raises:
        LookupError: there is no such rule.
    """
    if rule is not None and not 0 <= rule < len(rule_names(content)):
        raise LookupError(f"there is no rule {rule}")
    channels = tuple(_mapping(_at(content, ("channels",))))
    share = _mapping(_at(content, _place(rule)))
    values = {name: _text(share.get(name)) for name in ("strategy", "low_water")}
    if rule is None:
        values["safety_stock"] = _text(share.get("safety_stock"))
    priority = share.get("priority")
    ranks = priority if isinstance(priority, list) else []
    for channel in channels:
        values[f"quotas:{channel}"] = _text(_at(share, ("quotas", channel)))
        values[f"fixed:{channel}"] = _text(_at(share, ("fixed", channel)))
        values[f"rank:{channel}"] = str(ranks.index(channel) + 1) if channel in ranks else ""
        for limit in LIMITS:
            values[f"limits:{channel}:{limit}"] = _text(_at(share, ("limits", channel, limit)))
    return Sheet(rule=rule, channels=channels, values=values)


def changes_of(
    sheet: Sheet, given: Mapping[str, str]
) -> tuple[Mapping[KeyPath, Value], Mapping[str, str]]:
    """What a filled-in sheet changes, and what is wrong with which field.

    Fields that were not sent stay as they are; an emptied one goes out of the file.
    """
    changes: dict[KeyPath, Value] = {}
    wrong: dict[str, str] = {}
    for name, before in sheet.values.items():
        text = given.get(name)
        if text is None or name.startswith("rank:") or text.strip() == before:
            continue
        try:
            value = _reader(name)(text.strip()) if text.strip() else None
        except ValueError as error:
            wrong[name] = str(error)
            continue
        if value is None or not _is_same(value, before):
            changes[(*sheet.place, *name.split(":"))] = value
    _rank(sheet, given, changes, wrong)
    return changes, wrong


def _rank(
    sheet: Sheet,
    given: Mapping[str, str],
    changes: dict[KeyPath, Value],
    wrong: dict[str, str],
) -> None:
    names = {channel: f"rank:{channel}" for channel in sheet.channels}
    if all(given.get(name, sheet.values[name]) == sheet.values[name] for name in names.values()):
        return
    ranks: dict[str, int] = {}
    for channel, name in names.items():
        text = given.get(name, sheet.values[name]).strip()
        try:
            ranks |= {channel: _whole(text)} if text else {}
        except ValueError as error:
            wrong[name] = str(error)
    order = sorted(ranks, key=lambda channel: (ranks[channel], channel))
    changes[(*sheet.place, "priority")] = order or None


def _reader(name: str) -> Callable[[str], int | str]:
    if name == "strategy":
        return _strategy
    return _percent if name == "low_water" or name.startswith("quotas:") else _whole


def _percent(text: str) -> str:
    value = f"{text.replace(',', '.').removesuffix('%').strip()}%"
    basis_points(value)
    return value


def _whole(text: str) -> int:
    if not text.isdecimal() or not text.isascii():
        raise ValueError("a whole number, 0 or more, is wanted")
    return int(text)


def _strategy(text: str) -> str:
    if text not in _STRATEGIES:
        raise ValueError("choose one of these")
    return text


def _is_same(value: int | str, before: str) -> bool:
    """Whether it says what stands there already, written otherwise."""
    if isinstance(value, str) and value.endswith("%") and before:
        try:
            return basis_points(value) == basis_points(f"{before}%")
        except ValueError:
            return False
    return str(value) == before


def _text(value: object) -> str:
    """As a field shows it: percentages without their sign."""
    if value is None or isinstance(value, dict | list):
        return ""
    text = str(value)
    return text.removesuffix("%").strip() if text.endswith("%") else text


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _at(content: Any, path: KeyPath) -> Any:
    for part in path:
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            return None
    return content
