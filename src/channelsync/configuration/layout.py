"""Changes of single values in the text of a file: every other character stays as it was.

Only what changes is put in place, so comments, order, quotes and the way of writing stay the
merchant's own. What comes out is read again and compared with what was asked for; a file that
cannot be changed so (anchors, aliases, values over several lines) is refused, never guessed at.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from channelsync.configuration.document import read_document
from channelsync.configuration.problems import KeyPath, dotted

__all__ = ["LayoutRefused", "Value", "edited"]

Value: TypeAlias = int | str | Sequence[str] | None
"""What stands at a place; None: nothing any more."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_][\w.%-]*", re.ASCII)
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off"})


class LayoutRefused(Exception):
    """This file cannot be changed value by value; its text can still be edited by hand."""


def edited(text: str, changes: Mapping[KeyPath, Value]) -> str:
    """The text with other values at these places. A mapping that is left empty goes as a whole.

    Raises:
        LayoutRefused: the way in which the file is written does not allow it.
        ConfigurationInvalid: the text is no YAML.
    """
    before = read_document(text.encode(), name="").plain()
    wanted, changed = copy.deepcopy(before), text
    for path, value in changes.items():
        whole = _emptied(wanted, path) if value is None else path
        try:
            _put(wanted, whole, value)
            changed = _with(changed, whole, value)
        except (TypeError, LookupError, AttributeError):  # something else stands there
            raise _refused(path) from None
    if changed == text:
        return text
    try:
        came_out = read_document(changed.encode(), name="").plain()
    except Exception as error:
        raise _refused(next(iter(changes))) from error
    if came_out != wanted:
        raise _refused(next(iter(changes)))
    return changed


def _refused(path: KeyPath) -> LayoutRefused:
    return LayoutRefused(
        f"the file is written in a way in which {dotted(path)} cannot be changed here; change it in"
        " the text"
    )


def _emptied(content: Any, path: KeyPath) -> KeyPath:
    """The outermost mapping that holds nothing but what goes."""
    whole = path
    while len(whole) > 1 and isinstance(whole[-2], str):
        parent = _at(content, whole[:-1])
        if not isinstance(parent, dict) or set(parent) != {whole[-1]}:
            break
        whole = whole[:-1]
    return whole


def _at(content: Any, path: KeyPath) -> Any:
    for part in path:
        try:
            content = content[part]
        except (KeyError, IndexError, TypeError):
            return None
    return content


def _put(content: Any, path: KeyPath, value: Value) -> None:
    """The same change in the plain content, to compare with."""
    inner = content
    for part in path[:-1]:
        if isinstance(part, str) and inner.get(part) is None:
            if value is None:
                return
            inner[part] = {}
        inner = inner[part]
    last: Any = path[-1]
    if value is None:
        inner.pop(last, None)
    else:
        inner[last] = value if isinstance(value, int | str) else list(value)


# ------------------------------------------------------------------ the text


def _with(text: str, path: KeyPath, value: Value) -> str:
    node = _composed(text)
    for depth, part in enumerate(path):
        index = _index(node, part)
        if index is None:
            return text if value is None else _grown(text, node, path[depth:], value)
        last = depth + 1 == len(path)
        if last and value is None:
            return _without(text, _mapping(node, path), index, path)
        if last and not isinstance(_child(node, index), ScalarNode):
            parent = _mapping(node, path)
            return _grown(*_emptied_at(text, parent, index, path), path[-1:], value)
        node = _child(node, index)
    return _replaced(text, node, _flow(value))


def _composed(text: str) -> Node:
    """The nodes of the text. Values that are not there get the place where they would stand.

    The parser puts them where the next thing begins, which may be lines below.
    """
    root: Node = YAML(typ="safe", pure=True).compose(text)
    pending, seen = [root], set[int]()
    while pending:
        node = pending.pop()
        if isinstance(node, ScalarNode) or id(node) in seen:
            continue
        seen.add(id(node))
        for entry in node.value:
            if isinstance(node, MappingNode):
                _place(text, *entry)
            pending.append(entry[1] if isinstance(node, MappingNode) else entry)
    return root


def _place(text: str, key: Node, value: Node) -> None:
    if isinstance(value, ScalarNode) and value.start_mark.index == value.end_mark.index:
        mark = copy.copy(key.end_mark)
        mark.index = text.index(":", key.end_mark.index) + 1
        value.start_mark = value.end_mark = mark


def _emptied_at(text: str, parent: MappingNode, index: int, path: KeyPath) -> tuple[str, Node]:
    """The text without an entry, and the mapping that held it, read anew."""
    if len(parent.value) == 1:
        raise _refused(path)
    shorter = _without(text, parent, index, path)
    node = _composed(shorter)
    for part in path[:-1]:
        found = _index(node, part)
        if found is None:
            raise _refused(path)
        node = _child(node, found)
    return shorter, node


def _index(node: Node, part: str | int) -> int | None:
    if isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return part
    if isinstance(node, MappingNode):
        for index, (key, _) in enumerate(node.value):
            if isinstance(key, ScalarNode) and key.value == part:
                return index
    return None


def _child(node: Node, index: int) -> Node:
    child: Node = node.value[index][1] if isinstance(node, MappingNode) else node.value[index]
    return child


def _mapping(node: Node, path: KeyPath) -> MappingNode:
    if not isinstance(node, MappingNode):
        raise _refused(path)
    return node


def _span(node: Node) -> tuple[int, int]:
    return node.start_mark.index, node.end_mark.index


def _replaced(text: str, node: Node, value: str) -> str:
    start, end = _span(node)
    gap = " " if start and text[start - 1] == ":" else ""
    return f"{text[:start]}{gap}{value}{text[end:]}"


def _grown(text: str, node: Node, path: KeyPath, value: Value) -> str:
    """The text with an entry more in the mapping `node`, or in place of an empty value."""
    entry = _flow(value)
    for part in reversed(path[1:]):
        entry = f"{{{_key(part)}: {entry}}}"
    entry = f"{_key(path[0])}: {entry}"
    if isinstance(node, ScalarNode) and not node.value:
        return _replaced(text, node, f"{{{entry}}}")
    mapping = _mapping(node, path)
    if mapping.flow_style:
        return _grown_in_braces(text, mapping, entry)
    return _grown_by_a_line(text, mapping, entry, path)


def _grown_in_braces(text: str, mapping: MappingNode, entry: str) -> str:
    if not mapping.value:
        start, end = _span(mapping)
        return f"{text[:start]}{{{entry}}}{text[end:]}"
    end = mapping.value[-1][1].end_mark.index
    return f"{text[:end]}, {entry}{text[end:]}"


def _grown_by_a_line(text: str, mapping: MappingNode, entry: str, path: KeyPath) -> str:
    # After the last of the short entries: what is long, such as rules, stays at the end.
    short = [value for _, value in mapping.value if _is_short(value)]
    end = _end(short[-1] if short else mapping)
    if text[:end].endswith("\n"):
        raise _refused(path)  # a text over several lines, which ends where its next line begins
    column = mapping.value[0][0].start_mark.column
    line_end = text.find("\n", end)
    newline = "\r\n" if "\r\n" in text else "\n"
    line = " " * column + entry
    if line_end < 0:
        return f"{text}{newline}{line}{newline}"
    return f"{text[: line_end + 1]}{line}{newline}{text[line_end + 1 :]}"


def _is_short(node: Node) -> bool:
    return isinstance(node, ScalarNode) or _is_in_braces(node)


def _is_in_braces(node: Node) -> bool:
    return bool(getattr(node, "flow_style", False))


def _end(node: Node) -> int:
    """Where the last thing within a node ends: blocks themselves end at the next line's start."""
    while not _is_short(node) and node.value:
        node = _child(node, -1)
    return int(node.end_mark.index)


def _without(text: str, mapping: MappingNode, index: int, path: KeyPath) -> str:
    """The text without an entry of a mapping that has others."""
    key, value = mapping.value[index]
    if mapping.flow_style:
        if index + 1 < len(mapping.value):
            start, end = key.start_mark.index, mapping.value[index + 1][0].start_mark.index
        elif index:
            start, end = mapping.value[index - 1][1].end_mark.index, value.end_mark.index
        else:
            start, end = key.start_mark.index, value.end_mark.index
        return text[:start] + text[end:]
    start = text.rfind("\n", 0, key.start_mark.index) + 1
    end = text.find("\n", _end(value))
    if text[start : key.start_mark.index].strip():
        raise _refused(path)  # a list's dash stands before it
    return text[:start] + (text[end + 1 :] if end >= 0 else "")


# ------------------------------------------------------------------ how values are written


def _flow(value: Value) -> str:
    if isinstance(value, int | str):
        return _scalar(value)
    return f"[{', '.join(_scalar(one) for one in value or ())}]"


def _scalar(value: int | str) -> str:
    if isinstance(value, int):
        return str(value)
    plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS and not _is_number(value)
    return value if plain else json.dumps(value, ensure_ascii=False)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _key(part: str | int) -> str:
    """Keys are text as written, whatever they look like."""
    text = str(part)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
