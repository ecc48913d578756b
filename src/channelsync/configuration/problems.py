"""What is wrong with a configuration, told so that a person can mend it without asking.

Every problem names the file, the line, the column, the dotted path, what is wrong and, where one
can be guessed, what was meant. The source line is shown with a caret; secrets in it are hidden.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

__all__ = [
    "MASK",
    "ConfigurationInvalid",
    "KeyPath",
    "Problem",
    "SourceText",
    "Span",
    "dotted",
    "masked_line",
    "meant",
    "nearest",
    "quoted",
    "sounds_secret",
    "url_users",
]

KeyPath: TypeAlias = tuple[str | int, ...]
"""Where a value stands: keys of mappings and indexes of lists, from the top."""

MASK: Final = "********"
SECRET_CHARACTERS_MIN: Final = 8
"""A shorter value is hidden where it stands by itself."""
PROBLEMS_SHOWN_MAX: Final = 100
LINE_SHOWN_CHARACTERS: Final = 100
QUOTED_CHARACTERS: Final = 60
NAMES_COMPARED_MAX: Final = 500
"""Among more names than this no near one is looked for: it would take too long."""

_LINE_BREAK: Final = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_PLAIN_KEY: Final = re.compile(r"[\w*-]+")
_TOKEN: Final = re.compile(r"[\w+=-]{20,}")
_URL_USER: Final = re.compile(r"(?<=//)[^/@\s]+(?=@)")
_SENSITIVE_KEY: Final = re.compile(r"secret|token|passw|credential|api_?key|_key$", re.IGNORECASE)
_SENSITIVE_VALUE: Final = re.compile(
    r"((?:secret|token|passw|credential|api_?key|_key)[\w-]*[\"']?\s*:\s*)"
    r"(?![\"']?(?:\$\{|file:))\S.*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the file. Lines and columns count from 1; the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


def sounds_secret(key: str) -> bool:
    """Whether a key's name says that its value is a secret, whatever a schema knows of it."""
    return _SENSITIVE_KEY.search(key) is not None


def url_users(text: str) -> list[str]:
    """Every `user:password` of a URL in `text`."""
    return _URL_USER.findall(text)


def quoted(text: object) -> str:
    """`text` in double quotes, escaped and shortened: it came from a file."""
    plain = str(text)
    if len(plain) > QUOTED_CHARACTERS:
        plain = plain[: QUOTED_CHARACTERS - 1] + "…"
    return json.dumps(plain, ensure_ascii=not plain.isprintable())


def dotted(path: Iterable[str | int]) -> str:
    """`channels.shop.settings`, `rules[0].name`, `listings.shop."A.B"`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        key = part if _PLAIN_KEY.fullmatch(part) else quoted(part)
        text += f".{key}" if text else key
    return text


def nearest(given: str, known: Iterable[str]) -> str | None:
    """The known word nearest to `given`, if any is near; capitals do not matter."""
    known = tuple(known)
    if len(known) > NAMES_COMPARED_MAX:
        return None
    by_folded = {word.casefold(): word for word in sorted(known)}
    near = difflib.get_close_matches(given.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[near[0]] if near else None


def meant(given: str, known: Iterable[str]) -> str | None:
    """`did you mean "…"?` for the known word nearest to `given`, if any is near."""
    word = nearest(given, known)
    return None if word is None else f"did you mean {quoted(word)}?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong. Line and column count from 1; None where the file has no such."""

    file: str
    message: str
    path: KeyPath = ()
    line: int | None = None
    column: int | None = None
    suggestion: str | None = None
    source: str | None = None
    """The line itself, secrets hidden, control characters replaced, shortened."""
    caret: int | None = None
    """Offset of the place in `source`."""

    def text(self) -> str:
        """The problem for a terminal: one line, then the source line and a caret under it."""
        place = self.file
        if self.line is not None:
            place += f":{self.line}:{self.column}"
        subject = f" {dotted(self.path)}" if self.path else ""
        said = f"{place}{subject}: {self.message}"
        if self.suggestion:
            said += f"; {self.suggestion}"
        if self.source is None or self.caret is None:
            return said
        number = str(self.line)
        gutter = " " * len(number)
        pointer = " " * self.caret + "^"
        return f"{said}\n  {number} | {self.source}\n  {gutter} | {pointer}"

    def as_json(self) -> dict[str, Any]:
        """The problem as one JSON object."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "path": dotted(self.path),
            "message": self.message,
            "suggestion": self.suggestion,
            "source": self.source,
            "caret": self.caret,
        }


class ConfigurationInvalid(Exception):
    """A configuration that may not be used; holds everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Final = tuple(
            sorted(problems, key=lambda one: (one.line or 0, one.column or 0, one.path == ()))
        )
        super().__init__(self.text())

    def text(self) -> str:
        """All problems for a terminal, in the order of the file."""
        shown = [problem.text() for problem in self.problems[:PROBLEMS_SHOWN_MAX]]
        if more := len(self.problems) - len(shown):
            shown.append(f"… and {more} more")
        return "\n".join(shown)

    def as_json(self) -> list[dict[str, Any]]:
        """All problems as JSON objects, in the order of the file."""
        return [problem.as_json() for problem in self.problems]


class SourceText:
    """The text of one file, as far as it may be shown."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._lines = _LINE_BREAK.split(text)
        self._hidden: list[Span] = []
        self._hidden_values: set[str] = set()
        self._is_parsed = False
        self._stretches: dict[int, list[tuple[int, int]]] = {}
        """What is hidden of every line that was shown."""

    def parsed(self) -> None:
        """Its structure is known: what to hide is told exactly, nothing need be guessed."""
        self._is_parsed = True

    def hide(self, span: Span) -> None:
        """Never show this stretch."""
        self._hidden.append(span)

    def hide_value(self, value: str) -> None:
        """Never repeat this value in a message."""
        if value:
            self._hidden_values.add(value)

    def problem(
        self, message: str, span: Span | None, path: KeyPath = (), *, suggestion: str | None = None
    ) -> Problem:
        """A problem at the beginning of `span`, without its source line yet."""
        return Problem(
            file=self.name,
            message="".join(_printable(character) for character in message),
            path=path,
            line=span.line if span else None,
            column=span.column if span else None,
            suggestion=suggestion,
        )

    def without_values(self, message: str) -> str:
        """`message` with every hidden value masked: a connector's own words may repeat it."""
        for value in sorted(self._hidden_values, key=len, reverse=True):
            hidden = re.escape(value)
            if len(value) < SECRET_CHARACTERS_MIN:
                # As a part of other words it would blot out what the message says.
                hidden = rf"(?<!\w){hidden}(?!\w)"
            message = re.sub(hidden, MASK, message)
        return message

    def told(self, problems: Iterable[Problem]) -> ConfigurationInvalid:
        """The problems with their source lines: last, when all that must be hidden is known."""
        return ConfigurationInvalid([self._with_source(problem) for problem in problems])

    def _with_source(self, problem: Problem) -> Problem:
        if problem.line is None or problem.column is None:
            return problem
        source, caret = self._shown(problem.line, problem.column)
        return replace(problem, source=source, caret=caret)

    def _shown(self, line: int, column: int) -> tuple[str, int]:
        raw = self._line(line)
        at = min(column - 1, len(raw))
        if line not in self._stretches:
            self._stretches[line] = sorted(self._hidden_in(line, len(raw)))
        shown, caret = _windowed(*_masked(raw, self._stretches[line], at))
        return "".join(_printable(character) for character in shown), caret

    def _line(self, line: int) -> str:
        return self._lines[line - 1] if line <= len(self._lines) else ""

    def _hidden_in(self, line: int, length: int) -> Iterable[tuple[int, int]]:
        for span in self._hidden:
            if span.line <= line <= span.end_line:
                start = span.column - 1 if line == span.line else 0
                end = span.end_column - 1 if line == span.end_line else length
                yield start, end
        raw = self._line(line)
        yield from _tokens(raw)
        if not self._is_parsed and (sensitive := _SENSITIVE_VALUE.search(raw)):
            yield sensitive.end(1), length


def _printable(character: str) -> str:
    if character == "\t":
        return "→"
    return character if character.isprintable() else "�"


def _tokens(line: str) -> Iterable[tuple[int, int]]:
    """Long words of letters and digits: likely secrets, wherever they stand."""
    yield from (found.span() for found in _URL_USER.finditer(line))
    for found in _TOKEN.finditer(line):
        word = found.group()
        has_digit = any(character.isdigit() for character in word)
        if has_digit and any(character.isalpha() for character in word):
            yield found.span()


def _masked(line: str, stretches: Sequence[tuple[int, int]], at: int) -> tuple[str, int]:
    """`line` with the sorted stretches replaced, and where `at` is now."""
    shown, caret, done = "", at, 0
    for start, end in stretches:
        if end <= done:
            continue
        begin = max(start, done)
        shown += line[done:begin]
        if done <= at < begin:
            caret = len(shown) - (begin - at)
        if begin > done or not shown.endswith(MASK):
            shown += MASK
        if begin <= at < end:
            caret = len(shown) - len(MASK)
        done = end
    if at >= done:
        caret = len(shown) + at - done
    return shown + line[done:], caret


def masked_line(line: str) -> str:
    """A line of a file, for the books: what may be a secret in it is hidden, by its looks alone."""
    stretches = [*_tokens(line)]
    if sensitive := _SENSITIVE_VALUE.search(line):
        stretches.append((sensitive.end(1), len(line)))
    shown, _ = _masked(line, sorted(stretches), 0)
    return "".join(_printable(character) for character in shown)


def _windowed(line: str, caret: int) -> tuple[str, int]:
    """At most `LINE_SHOWN_CHARACTERS` of the line, around the caret."""
    if len(line) <= LINE_SHOWN_CHARACTERS:
        return line, caret
    start = max(0, min(caret - LINE_SHOWN_CHARACTERS // 2, len(line) - LINE_SHOWN_CHARACTERS))
    piece = line[start : start + LINE_SHOWN_CHARACTERS]
    if start:
        piece = "…" + piece[1:]
    if start + LINE_SHOWN_CHARACTERS < len(line):
        piece = piece[:-1] + "…"
    return piece, caret - start
