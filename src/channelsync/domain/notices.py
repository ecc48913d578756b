"""Who is told what, and in which words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from channelsync.domain.alarm_kinds import ALARM_KINDS, AlarmKind, kind_of
from channelsync.domain.vocabulary import Instant

__all__ = [
    "LINES_MAX",
    "NOTICE_FAILING",
    "NOTICE_KINDS",
    "Happening",
    "NoticePolicy",
    "NoticeRule",
    "Wording",
    "concerns",
    "worded",
]

LINES_MAX: Final = 20
"""Longer messages end with how many more there are: services cut or refuse what is long."""
MESSAGE_CHARACTERS_MAX: Final = 300
NOTICE_FAILING: Final = "notice_failing"

_MORE: Final[Mapping[str, AlarmKind]] = MappingProxyType(
    {
        "low_stock": AlarmKind("little stock is left", "Restock, or stop selling it."),
        "shortfall": AlarmKind(
            "units were sold beyond what was granted",
            "Restock or cancel; `channelsync explain SKU` names the cause.",
        ),
    }
)
NOTICE_KINDS: Final = frozenset(ALARM_KINDS) | frozenset(_MORE)
"""Everything that somebody can be told of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRule:
    """Who is told of what, and how soon."""

    name: str
    targets: tuple[str, ...]
    kinds: frozenset[str] = NOTICE_KINDS
    channels: frozenset[str] = frozenset()
    """Only what concerns one of these. Empty: whatever it concerns."""
    after_seconds: float = 0.0
    """Only what has stood for so long."""
    digest_seconds: float = 0.0
    """So long things are collected, from the first on, to be told in one message."""
    tells_ends: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticePolicy:
    """Everything that the merchant says about it."""

    rules: tuple[NoticeRule, ...] = ()
    low_stock: int | None = None
    """An item of which so few units can be promised is told of."""
    muted_until: Instant | None = None
    """Nothing is sent before then; what happened meanwhile is told then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing to tell."""

    kind: str
    message: str
    at: Instant
    channel: str | None = None
    subject: str = ""
    is_over: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """A message."""

    title: str
    body: str


def concerns(rule: NoticeRule, happening: Happening, now: Instant) -> bool:
    """Whether a rule wants a thing told now. That a target fails is not told to that target."""
    if happening.kind not in rule.kinds or happening.at > now - rule.after_seconds:
        return False
    if happening.kind == NOTICE_FAILING and happening.subject in rule.targets:
        return False
    return not rule.channels or happening.channel in rule.channels


def worded(happenings: Sequence[Happening], *, repeated: bool = False) -> Wording:
    """One message of everything, oldest first.

    `repeated`: it may have arrived before, since the answer to its first copy was lost.
    """
    ordered = sorted(happenings, key=lambda one: one.at)
    title = f"channelsync: {_headline(ordered[0]) if len(ordered) == 1 else _count(ordered)}"
    lines = ["(You may have this message already.)"] if repeated else []
    lines += [line for one in ordered[:LINES_MAX] for line in _lines(one)]
    if (more := len(ordered) - LINES_MAX) > 0:
        lines.append(f"… and {more} more; `channelsync status` and `channelsync doctor` show all")
    return Wording(title=title, body="\n".join(lines))


def _about(happening: Happening) -> AlarmKind:
    return _MORE.get(happening.kind) or kind_of(happening.kind)


def _headline(happening: Happening) -> str:
    over = "over: " if happening.is_over else ""
    where = f" ({happening.channel})" if happening.channel else ""
    return f"{over}{_about(happening).title}{where}"


def _count(happenings: Sequence[Happening]) -> str:
    return f"{len(happenings)} things to know"


def _lines(happening: Happening) -> list[str]:
    said = " ".join(happening.message.split())
    if len(said) > MESSAGE_CHARACTERS_MAX:
        said = said[: MESSAGE_CHARACTERS_MAX - 1] + "…"
    first = f"• {_headline(happening)}: {said}"
    if happening.is_over:
        return [first]
    return [first, f"  {_about(happening).advice_for(happening.channel)}"]
