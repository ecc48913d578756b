"""The bytes of a YAML file into a document that can say where everything stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from channelsync.configuration.nodes import ListNode, MappingNode, Node, NodeBuilder, ScalarNode
from channelsync.configuration.problems import (
    ConfigurationInvalid,
    KeyPath,
    Problem,
    SourceText,
    Span,
)

__all__ = ["BYTES_MAX", "Document", "read_document"]

BYTES_MAX: Final = 1024 * 1024

_TOP: Final = Span(1, 1, 1, 1)
_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)
_SYNTAX_HINTS: Final = (
    ("\\t", "a tab stands where YAML wants spaces", "indent with spaces only"),
    (
        "mapping values are not allowed",
        "a colon stands where no value can begin",
        "put text that holds a colon in quotes, and check the indentation",
    ),
    (
        "expected <block end>",
        "the indentation does not fit the lines above",
        "give keys of one mapping, and dashes of one list, the same indentation",
    ),
    (
        "while scanning a quoted scalar",
        "a quoted text does not end",
        "close the quotes that open here",
    ),
    ("could not find expected ':'", "a key has no colon", 'write "key: value"'),
    ("'%'", "a value cannot begin with %", "put it in quotes"),
    ("'@'", "a value cannot begin with @", "put it in quotes"),
    ("'`'", "a value cannot begin with a backtick", "put it in quotes"),
)


class Document:
    """A file that is well-formed YAML; whether it makes sense is for others to say."""

    def __init__(self, source: SourceText, root: Node, problems: tuple[Problem, ...]) -> None:
        self.source = source
        self.root = root
        self.problems = problems
        """What is wrong with the YAML itself, but did not stop the reading (duplicate keys)."""

    def plain(self) -> Any:
        """The content as dictionaries, lists and scalars."""
        return _plain(self.root)

    def node(self, path: KeyPath) -> Node | None:
        """What stands at `path`, if anything does."""
        node: Node | None = self.root
        for part in path:
            node = _child(node, part)
        return node

    def known_part(self, path: KeyPath) -> KeyPath:
        """The longest beginning of `path` that the file has."""
        node: Node | None = self.root
        for length, part in enumerate(path):
            node = _child(node, part)
            if node is None:
                return path[:length]
        return path

    def span(self, path: KeyPath, *, key: bool = False) -> Span:
        """Where the value at `path` stands, or its key; else the nearest that the file has."""
        known = self.known_part(path)
        if not known:
            return _TOP
        parent = self.node(known[:-1])
        wants_key = key or known != path
        if wants_key and isinstance(parent, MappingNode):
            return parent.entries[str(known[-1])][0]
        node = self.node(known)
        return node.span if node is not None else _TOP

    def problem(
        self, message: str, path: KeyPath, *, key: bool = False, suggestion: str | None = None
    ) -> Problem:
        """A problem at the value (or the key) at `path`."""
        return self.source.problem(message, self.span(path, key=key), path, suggestion=suggestion)

    def scalars(self, path: KeyPath = ()) -> Iterator[tuple[KeyPath, ScalarNode]]:
        """Every scalar at or below `path` with its own path, in the order of the file."""
        node = self.node(path)
        return iter(()) if node is None else _scalars(node, path)


def _child(node: Node | None, part: str | int) -> Node | None:
    if isinstance(node, MappingNode) and isinstance(part, str):
        entry = node.entries.get(part)
        return entry[1] if entry else None
    if isinstance(node, ListNode) and isinstance(part, int) and 0 <= part < len(node.items):
        return node.items[part]
    return None


def _plain(node: Node) -> Any:
    if isinstance(node, MappingNode):
        return {key: _plain(value) for key, (_, value) in node.entries.items()}
    if isinstance(node, ListNode):
        return [_plain(item) for item in node.items]
    return node.value


def _scalars(node: Node, path: KeyPath) -> Iterator[tuple[KeyPath, ScalarNode]]:
    if isinstance(node, MappingNode):
        for key, (_, value) in node.entries.items():
            yield from _scalars(value, (*path, key))
    elif isinstance(node, ListNode):
        for index, item in enumerate(node.items):
            yield from _scalars(item, (*path, index))
    else:
        yield path, node


def _decoded(name: str, content: bytes) -> str:
    if len(content) > BYTES_MAX:
        problem = Problem(file=name, message=f"the file is larger than {BYTES_MAX} bytes")
        raise ConfigurationInvalid([problem])
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        source = SourceText(name, content.decode("utf-8-sig", "replace"))
        problem = source.problem(
            f"byte {content[error.start]:#04x} is not UTF-8",
            _span_after(before),
            suggestion="save the file as UTF-8",
        )
        raise source.told([problem]) from None


def _span_after(text: str) -> Span:
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text)
    line, column = len(lines), len(lines[-1]) + 1
    return Span(line, column, line, column + 1)


def _syntax_problem(source: SourceText, error: YAMLError) -> Problem:
    if not isinstance(error, MarkedYAMLError):
        return source.problem("the file is not YAML", _TOP)
    words = f"{error.context or ''} {error.problem or ''}".strip()
    unknown = f"not YAML: {words}", None
    hints = (hint for needle, *hint in _SYNTAX_HINTS if needle in words)
    message, suggestion = next(hints, unknown)
    opens = "does not end" in message and error.context_mark is not None
    mark = error.context_mark if opens else error.problem_mark or error.context_mark
    if mark is None:
        return source.problem(message, _TOP, suggestion=suggestion)
    line, column = mark.line + 1, mark.column + 1
    return source.problem(message, Span(line, column, line, column + 1), suggestion=suggestion)


def read_document(content: bytes, *, name: str) -> Document:
    """Read the bytes of one YAML file; `name` is how messages call it.

    Raises:
        ConfigurationInvalid: too large, not UTF-8, not YAML, empty, too deep, too many values.
    """
    text = _decoded(name, content)
    source = SourceText(name, text)
    if found := _UNPRINTABLE.search(text):
        message = f"the character U+{ord(found.group()):04X} is not allowed in YAML"
        raise source.told([source.problem(message, _span_after(text[: found.start()]))])
    builder = NodeBuilder(source)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except YAMLError as error:
        raise source.told([*builder.problems, _syntax_problem(source, error)]) from None
    except (ArithmeticError, AssertionError, LookupError, ValueError):
        # The parser stumbles over some broken escapes and directives with errors of its own.
        problem = source.problem("the file is not YAML that can be read", _TOP)
        raise source.told([*builder.problems, problem]) from None
    if builder.root is None or _is_nothing(builder.root):
        raise source.told(
            [
                *builder.problems,
                source.problem(
                    "the file is empty", None, suggestion="begin with: channelsync init"
                ),
            ]
        )
    source.parsed()
    return Document(source, builder.root, tuple(builder.problems))


def _is_nothing(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value is None
