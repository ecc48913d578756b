"""A table as data: its columns, its filters, who reads its rows, and what it says when empty."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.permissions import Permission
from channelsync.engine.browse import Rows, Wanted
from channelsync.engine.core import Engine

__all__ = [
    "CHANNELS",
    "LOCATIONS",
    "Column",
    "Filter",
    "Mark",
    "Reader",
    "Table",
    "chosen",
    "typed",
]

Reader: TypeAlias = Callable[[Engine, AsyncConnection, Wanted], Awaitable[Rows]]

CHANNELS: Final = "channels"
"""A filter with the channels within reach to choose from."""
LOCATIONS: Final = "locations"
NUMBER_MAX: Final = 2**53


def number_of(text: str) -> int:
    """A row's number.

    Raises:
        ValueError: no row has it.
    """
    number = int(text)
    if not 0 <= number <= NUMBER_MAX:
        raise ValueError(text)
    return number


@dataclass(frozen=True, slots=True)
class Mark:
    """A labelled state: colour, sign and words."""

    kind: str
    """good, wait, warn, bad or off."""
    words: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column, on the page and in the file alike."""

    key: str
    label: str
    look: str = "text"
    """text, long, words, code, tail, sku, channel, push, hold, transfer, number, signed, decimal,
    when, day or mark.
    """
    title: str = ""
    """What the heading means, where a word is not enough."""
    whole_house: bool = False
    """Whether it tells of more than somebody who is kept to a part may see."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One thing to look for, said in the address."""

    name: str
    """Of the parameter, and of the field of `Wanted` unless `field` says another."""
    label: str
    choices: Sequence[str] | str | None = None
    """What to choose from; None: a text."""
    field: str = ""

    @property
    def is_typed(self) -> bool:
        """Whether it is written, and not chosen."""
        return self.choices is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One page of rows."""

    key: str
    path: str
    title: str
    about: str
    """What the rows are, in a sentence."""
    columns: tuple[Column, ...]
    read: Reader
    empty: str
    """What to do when there is nothing, or why that is good."""
    filters: tuple[Filter, ...] = ()
    cursor: str = "id"
    """The column behind whose last value the next page begins."""
    cursor_of: Callable[[str], str | int] = number_of
    paged: bool = True
    """False: everything is on one page."""
    permission: Permission = Permission.READ
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """What is always looked for."""
    note: str = ""
    whole_house: bool = False
    """Whether nobody who is kept to a part may see it."""
    template: str = "table.html"

    def shown(self, *, everywhere: bool) -> tuple[Column, ...]:
        """The columns that somebody may see."""
        return tuple(one for one in self.columns if everywhere or not one.whole_house)


def typed(name: str, label: str, wanted: str = "") -> Filter:
    """A filter that is written."""
    return Filter(name, label, None, wanted)


def chosen(name: str, label: str, choices: Sequence[str] | str, wanted: str = "") -> Filter:
    """A filter that is chosen."""
    return Filter(name, label, choices, wanted)
