"""YAML events into nodes that know their places, with a bound on everything.

The parser's events are put together here rather than by a constructor: no tag can name a type, no
alias can multiply (the size counts what it stands for), nesting is bounded before it is followed,
a duplicate key is told instead of overwritten, and plain scalars follow the core schema of YAML
1.2 (https://yaml.org/spec/1.2.2/#103-core-schema): `NO` and `12:30` are text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Final, NoReturn, TypeAlias

from ruamel.yaml import events as yaml_events

from channelsync.configuration.problems import (
    Problem,
    SourceText,
    Span,
    quoted,
)

__all__ = [
    "DEPTH_MAX",
    "NODES_MAX",
    "ListNode",
    "MappingNode",
    "Node",
    "NodeBuilder",
    "ScalarNode",
]

DEPTH_MAX: Final = 32
NODES_MAX: Final = 100_000
"""Scalars, lists and mappings together, what an alias stands for counted each time."""
NUMBER_CHARACTERS_MAX: Final = 18

_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """Text, a number, true, false or null."""

    value: str | int | float | bool | None
    span: Span
    size: int = 1
    height: int = 1


@dataclass(slots=True)
class ListNode:
    """A list of nodes."""

    span: Span
    items: list[Node] = field(default_factory=list)
    size: int = 1
    height: int = 1


@dataclass(slots=True)
class MappingNode:
    """A mapping; every entry with the place of its key. Keys are the text as written."""

    span: Span
    entries: dict[str, tuple[Span, Node]] = field(default_factory=dict)
    size: int = 1
    height: int = 1


Node: TypeAlias = ScalarNode | ListNode | MappingNode


class NodeBuilder:
    """Puts nodes together from events. Iterative: no input can exhaust the stack."""

    def __init__(self, source: SourceText) -> None:
        self._source = source
        self._open: list[ListNode | MappingNode] = []
        self._keys: list[tuple[str, Span] | None] = []
        """For every open node, the key that waits for its value."""
        self._refused: list[bool] = []
        """For every open node, whether the key that waits cannot be one."""
        self._names: list[str | None] = []
        self._anchors: dict[str, Node] = {}
        self._size = 0
        self.root: Node | None = None
        self.problems: list[Problem] = []

    def take(self, event: Any) -> None:
        """Take one event of the parser."""
        span = _span(event)
        match event:
            case yaml_events.DocumentStartEvent():
                self._begin_document(event, span)
            case yaml_events.AliasEvent():
                self._alias(str(event.anchor), span)
            case yaml_events.ScalarEvent():
                self._refuse_tag(event, span)
                self._grow(span, 1)
                self._put(ScalarNode(_scalar_value(event), span), event.anchor, str(event.value))
            case yaml_events.SequenceStartEvent():
                self._begin(ListNode(span), event, span)
            case yaml_events.MappingStartEvent():
                self._begin(MappingNode(span), event, span)
            case yaml_events.SequenceEndEvent() | yaml_events.MappingEndEvent():
                self._end()
            case _:
                pass

    def _stop(self, message: str, span: Span, suggestion: str | None = None) -> NoReturn:
        problem = self._source.problem(message, span, suggestion=suggestion)
        raise self._source.told([*self.problems, problem])

    def _begin_document(self, event: Any, span: Span) -> None:
        if self.root is not None:
            self._stop("a second document begins here; the file must hold one", span)
        if event.version not in (None, (1, 2)):
            self._stop("the file must be YAML 1.2", span, "remove the %YAML line")

    def _refuse_tag(self, event: Any, span: Span) -> None:
        if event.tag is not None:
            self.problems.append(
                self._source.problem("tags (!) are not allowed", span, suggestion="remove the tag")
            )

    def _grow(self, span: Span, nodes: int) -> None:
        self._size += nodes
        if self._size > NODES_MAX:
            self._stop(
                f"the file holds more than {NODES_MAX} values, aliases counted in full", span
            )

    def _begin(self, node: ListNode | MappingNode, event: Any, span: Span) -> None:
        self._refuse_tag(event, span)
        self._grow(span, 1)
        if len(self._open) >= DEPTH_MAX:
            self._stop(f"nested deeper than {DEPTH_MAX} levels", span)
        if self._awaits_key():
            self._refuse_key(span)
        self._open.append(node)
        self._keys.append(None)
        self._refused.append(False)
        self._names.append(event.anchor)

    def _end(self) -> None:
        node = self._open.pop()
        self._keys.pop()
        self._refused.pop()
        self._put(node, self._names.pop(), None)

    def _alias(self, name: str, span: Span) -> None:
        node = self._anchors.get(name)
        if node is None:
            self._stop(f"the alias *{name} stands for nothing that is complete above it", span)
        self._grow(span, node.size)
        if len(self._open) + node.height > DEPTH_MAX:
            self._stop(f"nested deeper than {DEPTH_MAX} levels", span)
        if self._awaits_key():
            self._refuse_key(span)
        self._put(node, None, None)

    def _awaits_key(self) -> bool:
        """Whether what comes next in the innermost open node is a key."""
        inside_mapping = bool(self._open) and isinstance(self._open[-1], MappingNode)
        return inside_mapping and self._keys[-1] is None and not self._refused[-1]

    def _refuse_key(self, span: Span) -> None:
        self.problems.append(
            self._source.problem("a key must be plain text, not a list, mapping or alias", span)
        )

    def _put(self, node: Node, anchor: str | None, key_text: str | None) -> None:
        """Give a finished node to the innermost open one, as its key, value or item."""
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if isinstance(parent, ListNode):
            parent.items.append(node)
            _enlarge(parent, node)
        elif self._awaits_key():
            self._put_key(parent, node, key_text)
        else:
            self._put_value(parent, node)

    def _put_key(self, parent: MappingNode, node: Node, text: str | None) -> None:
        if text is None:  # told already, where it began
            self._refused[-1] = True
            return
        if text == "<<":
            self.problems.append(
                self._source.problem(
                    "merge keys (<<) are not part of YAML 1.2",
                    node.span,
                    suggestion="write the keys out",
                )
            )
            self._refused[-1] = True
            return
        if text in parent.entries:
            first = parent.entries[text][0]
            message = f"the key {quoted(text)} stands here twice; first in line {first.line}"
            self.problems.append(self._source.problem(message, node.span))
            self._refused[-1] = True
            return
        self._keys[-1] = (text, node.span)

    def _put_value(self, parent: MappingNode, node: Node) -> None:
        waiting = self._keys[-1]
        if waiting is not None:
            text, span = waiting
            parent.entries[text] = (span, node)
            _enlarge(parent, node)
        self._keys[-1] = None
        self._refused[-1] = False


def _enlarge(parent: ListNode | MappingNode, node: Node) -> None:
    parent.size += node.size
    parent.height = max(parent.height, node.height + 1)


def _span(event: Any) -> Span:
    start, end = event.start_mark, event.end_mark
    return Span(start.line + 1, start.column + 1, end.line + 1, end.column + 1)


def _scalar_value(event: Any) -> str | int | float | bool | None:
    text = str(event.value)
    if event.style is not None:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > NUMBER_CHARACTERS_MAX:
        return text
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and isfinite(number := float(text)):
        return number
    return text
