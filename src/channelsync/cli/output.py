"""The one place that writes: data to stdout, talk to stderr.

Data is a table for people or, with `--json`, one JSON object. Colour appears on a terminal only,
and never with NO_COLOR or `--no-color`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, structs

from channelsync.domain.vocabulary import Instant

if TYPE_CHECKING:
    from rich.console import Console

__all__ = [
    "Grid",
    "Output",
    "Screen",
    "ago",
    "brief",
    "iso",
    "plain",
    "printable",
    "spoken",
]

_INSTANTS: Final = ("_at", "_since", "_until")
WORD_MAX: Final = 16
"""A longer word may be broken to make a table fit."""
UNFOLDED_COLUMNS: Final = 2_000
_UNITS: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


class Grid:
    """A table in the making, in the house's style.

    Long texts are folded between words where that goes, and never cut: what is piped into a file
    is whole.
    """

    def __init__(self, *columns: str, right: Collection[str] = ()) -> None:
        """Name the columns; those in `right` hold numbers."""
        self._columns = columns
        self._right = right
        self._rows: list[tuple[list[str], str | None]] = []

    def row(self, *cells: object, style: str | None = None) -> None:
        """Add a row; None is an empty cell."""
        texts = ["" if cell is None else printable(str(cell)) for cell in cells]
        self._rows.append((texts, style))

    @property
    def empty(self) -> bool:
        """Whether it has no row."""
        return not self._rows

    def draw(self, console: Console) -> None:
        """Print it."""
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for index, column in enumerate(self._columns):
            number = column in self._right
            table.add_column(
                column,
                justify="right" if number else "left",
                no_wrap=number,
                min_width=self._longest_word(index),
                overflow="fold",
            )
        for texts, style in self._rows:
            table.add_row(*texts, style=style)
        console.print(table)

    def _longest_word(self, index: int) -> int:
        texts = [self._columns[index], *(texts[index] for texts, _ in self._rows)]
        return min(max(len(word) for text in texts for word in [*text.split(), ""]), WORD_MAX)


class Screen:
    """What people read, line by line. Whatever a marketplace wrote is shown as text, never obeyed.

    Neither rich's markup nor a terminal's control sequences have any effect in it. Lines and cells
    are folded to fit a terminal (or COLUMNS); what is piped elsewhere is not folded at all.
    """

    def __init__(self, *, no_color: bool) -> None:
        from rich.console import Console

        folded = sys.stdout.isatty() or "COLUMNS" in os.environ
        self._console = Console(
            file=sys.stdout,
            width=None if folded else UNFOLDED_COLUMNS,
            no_color=no_color or None,  # None: rich looks at NO_COLOR itself
            highlight=False,
            markup=False,
            emoji=False,
        )

    def line(self, text: str = "", *, indent: int = 0, style: str | None = None) -> None:
        """One line, folded at the edge of the terminal; what is folded stays indented."""
        from rich.padding import Padding

        shown = printable(text)
        self._console.print(
            Padding(shown, (0, 0, 0, indent), expand=False) if indent else shown, style=style
        )

    def grid(self, grid: Grid) -> None:
        """A table, with nothing where it has no row."""
        if not grid.empty:
            grid.draw(self._console)


class Output:
    """Where a command's words go."""

    def __init__(self, *, as_json: bool, quiet: bool, no_color: bool) -> None:
        self.as_json = as_json
        self._quiet = quiet
        self._no_color = no_color

    def result(self, data: object, show: Callable[[Screen], None]) -> None:
        """The command's data, once: as JSON, or as `show` draws it for people."""
        if self.as_json:
            sys.stdout.write(json.dumps(plain(data), ensure_ascii=False, indent=2) + "\n")
            return
        show(Screen(no_color=self._no_color))

    def text(self, content: str) -> None:
        """Data that is text already, unchanged."""
        sys.stdout.write(content)

    def say(self, message: str) -> None:
        """Talk: what was done, what comes next. Silent with `--quiet`."""
        if not self._quiet:
            self.warn(message)

    def warn(self, message: str) -> None:
        """What must not be missed."""
        sys.stderr.write(printable(message) + "\n")

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """A progress bar, on a terminal only; call what it yields with done and total."""
        if self._quiet or self.as_json or not sys.stderr.isatty():
            yield lambda _done, _of: None
            return
        from rich.console import Console
        from rich.progress import Progress

        console = Console(file=sys.stderr, no_color=self._no_color or None)
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, of: bar.update(task, completed=done, total=of)


def printable(text: str) -> str:
    """Control characters replaced: a SKU must not move the cursor or recolour the terminal."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in text
    )


def iso(at: Instant) -> str:
    """ISO 8601 in UTC, to the millisecond: the form of every instant in JSON."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def spoken(at: Instant | None) -> str:
    """An instant for people: UTC, to the second."""
    if at is None:
        return "never"
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def brief(at: Instant, now: Instant) -> str:
    """An instant in a narrow column: the time within a day, else the date. UTC."""
    layout = "%H:%M:%SZ" if now - at < _UNITS[0][0] else "%Y-%m-%d"
    return datetime.fromtimestamp(at, UTC).strftime(layout)


def ago(at: Instant | None, now: Instant) -> str:
    """How long ago, in the largest unit that fits."""
    if at is None:
        return "never"
    seconds = max(now - at, 0.0)
    for length, unit in _UNITS:
        if seconds >= length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"


def plain(value: object) -> Any:
    """Plain JSON values: records by field, enumerations by value, instants as ISO 8601."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            one.name: _field(one.name, getattr(value, one.name))
            for one in fields(value)
            if one.metadata.get("json", True)
        }
    if isinstance(value, Struct):
        return plain(structs.asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _field(str(key), one) for key, one in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(one) for one in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)


def _field(name: str, value: object) -> Any:
    """A field whose name says that it holds an instant is written as one."""
    if isinstance(value, float) and (name == "at" or name.endswith(_INSTANTS)):
        return iso(value)
    return plain(value)
