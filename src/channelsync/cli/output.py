"""The one place that writes: data to stdout, talk to stderr.

Data is a table for people or, with `--json`, one JSON object. Colour appears on a terminal only,
and never with NO_COLOR or `--no-color`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from channelsync.domain.vocabulary import Instant

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["Output", "ago", "iso", "plain", "spoken", "table"]

_INSTANTS: Final = ("_at", "_since", "_until")
_UNITS: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


class Output:
    """Where a command's words go."""

    def __init__(self, *, as_json: bool, quiet: bool, no_color: bool) -> None:
        self.as_json = as_json
        self._quiet = quiet
        self._no_color = no_color or None  # None: rich looks at NO_COLOR itself

    def result(self, data: object, show: Callable[[Console], None]) -> None:
        """The command's data, once: as JSON, or as `show` draws it for people."""
        if self.as_json:
            sys.stdout.write(json.dumps(plain(data), ensure_ascii=False, indent=2) + "\n")
            return
        from rich.console import Console

        show(Console(file=sys.stdout, no_color=self._no_color, highlight=False))

    def text(self, content: str) -> None:
        """Data that is text already, unchanged."""
        sys.stdout.write(content)

    def say(self, message: str) -> None:
        """Talk: what was done, what comes next. Silent with `--quiet`."""
        if not self._quiet:
            sys.stderr.write(f"{message}\n")

    def warn(self, message: str) -> None:
        """What must not be missed."""
        sys.stderr.write(f"{message}\n")

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """A progress bar, on a terminal only; call what it yields with done and total."""
        if self._quiet or self.as_json or not sys.stderr.isatty():
            yield lambda _done, _of: None
            return
        from rich.console import Console
        from rich.progress import Progress

        console = Console(file=sys.stderr, no_color=self._no_color)
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, of: bar.update(task, completed=done, total=of)


def table(*columns: str, right: tuple[str, ...] = (), title: str | None = None) -> Table:
    """An empty table in the house's style; the columns in `right` hold numbers.

    Long texts are folded, never cut: what is piped into a file is whole.
    """
    from rich import box
    from rich.table import Table

    made = Table(
        box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False, show_edge=False
    )
    for column in columns:
        justify: Any = "right" if column in right else "left"
        made.add_column(column, justify=justify, overflow="fold", no_wrap=column in right)
    return made


def iso(at: Instant) -> str:
    """ISO 8601 in UTC, to the millisecond: the form of every instant in JSON."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def spoken(at: Instant | None) -> str:
    """An instant for people: UTC, to the second."""
    if at is None:
        return "never"
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


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
