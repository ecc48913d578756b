"""What a model refuses, in words for the person who writes the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from channelsync.configuration.document import Document
from channelsync.configuration.nodes import ListNode, MappingNode, Node
from channelsync.configuration.problems import KeyPath, Problem, meant, nearest, quoted
from channelsync.configuration.schema_walk import SchemaWalk

__all__ = ["Complainer", "given_words"]

PROBLEMS_MAX: Final = 1_000

_CHOICE: Final = re.compile(r"'([^']*)'")


def given_words(node: Node | None) -> str:
    """What stands there, in words."""
    if isinstance(node, MappingNode):
        return "a mapping"
    if isinstance(node, ListNode):
        return "a list"
    value = node.value if node is not None else None
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return quoted(value).lower()
    if isinstance(value, float):
        return "a fraction"
    return "text" if isinstance(value, str) else "a number"


def _wanted(what: str) -> Callable[[Mapping[str, Any], Node | None], str]:
    return lambda _context, node: f"{what} is wanted here, not {given_words(node)}"


def _bound(words: str, limit: str) -> Callable[[Mapping[str, Any], Node | None], str]:
    def worded(context: Mapping[str, Any], _node: Node | None) -> str:
        value = context.get(limit)
        return words.format(f"{value:g}" if isinstance(value, float) else value)

    return worded


_WORDS: Final[Mapping[str, Callable[[Mapping[str, Any], Node | None], str]]] = {
    "string_type": _wanted("text"),
    "int_type": _wanted("a whole number"),
    "int_from_float": _wanted("a whole number"),
    "int_parsing": _wanted("a whole number"),
    "float_type": _wanted("a number"),
    "float_parsing": _wanted("a number"),
    "bool_type": _wanted("true or false"),
    "bool_parsing": _wanted("true or false"),
    "dict_type": _wanted("a mapping"),
    "model_type": _wanted("a mapping"),
    "model_attributes_type": _wanted("a mapping"),
    "list_type": _wanted("a list"),
    "tuple_type": _wanted("a list"),
    "greater_than": _bound("must be above {}", "gt"),
    "greater_than_equal": _bound("must be at least {}", "ge"),
    "less_than": _bound("must be below {}", "lt"),
    "less_than_equal": _bound("must be at most {}", "le"),
    "too_short": _bound("at least {} wanted in here", "min_length"),
    "too_long": _bound("at most {} wanted in here", "max_length"),
    "string_too_short": _bound("at least {} characters wanted", "min_length"),
    "string_too_long": _bound("at most {} characters wanted", "max_length"),
}


class Complainer:
    """Turns the errors of one model, whose mapping stands at `prefix`, into problems."""

    def __init__(self, document: Document, walk: SchemaWalk, prefix: KeyPath = ()) -> None:
        self._document = document
        self._walk = walk
        self._prefix = prefix
        self._homes: dict[str, str] | None = None

    def problems(self, error: ValidationError, told: Collection[KeyPath] = ()) -> Iterator[Problem]:
        """One problem for every error about what is not `told` yet, at most `PROBLEMS_MAX`."""
        for one in error.errors(include_url=False, include_input=False)[:PROBLEMS_MAX]:
            problem = self._problem(one["type"], one["loc"], one["msg"], one.get("ctx", {}))
            if problem.path not in told:
                yield problem

    def _problem(
        self, kind: str, place: tuple[str | int, ...], said: str, context: Mapping[str, Any]
    ) -> Problem:
        wanted = (*self._prefix, *place)
        # Beyond what the file has, places name union members or `[key]`, not keys.
        path = self._document.known_part(wanted)
        if len(path) < len(self._prefix):
            path = self._prefix  # the mapping itself is not there
        if kind == "missing":
            path = (*path, place[-1])
            message = f"the key {quoted(place[-1])} is missing"
            return self._document.problem(message, path, key=True)
        if kind == "extra_forbidden":
            suggestion = self._known_key(path)
            return self._document.problem("unknown key", path, key=True, suggestion=suggestion)
        about_key = place[-1:] == ("[key]",)
        node = self._document.node(path)
        suggestion = None
        if kind in {"enum", "literal_error"}:
            message, suggestion = _choice(str(context.get("expected", "")), node)
        elif kind in _WORDS:
            message = _WORDS[kind](context, node)
            if kind == "string_type" and isinstance(getattr(node, "value", None), int | float):
                suggestion = "put it in quotes"
        else:
            said = said.removeprefix("Value error, ").removeprefix("Assertion failed, ")
            message = self._document.source.without_values(said)
        return self._document.problem(message, path, key=about_key, suggestion=suggestion)

    def _known_key(self, path: KeyPath) -> str | None:
        """What was probably meant by an unknown key: a key of this place, else of another."""
        own = path[len(self._prefix) :]
        if near := meant(str(path[-1]), self._walk.keys(own[:-1])):
            return near
        homes = self._homes = self._homes or self._walk.homes()
        word = nearest(str(path[-1]), homes)
        if word is None:
            return None
        where = f"under {homes[word]}" if homes[word] else "at the top"
        return f"did you mean {quoted(word)}, which belongs {where}?"


def _choice(expected: str, node: Node | None) -> tuple[str, str | None]:
    choices = _CHOICE.findall(expected)
    value = getattr(node, "value", None)
    suggestion = meant(value, choices) if isinstance(value, str) else None
    return f"must be one of {', '.join(choices) or expected}", suggestion
