"""Finds its way in a model's JSON schema along a path: which keys there are, what is secret."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from channelsync.configuration.problems import KeyPath

__all__ = ["SchemaWalk"]


class SchemaWalk:
    """A JSON schema as pydantic writes it (`mode="validation"`, local references only)."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._root = schema

    def keys(self, path: KeyPath) -> tuple[str, ...]:
        """The keys that a mapping at `path` may have by name."""
        found: dict[str, None] = {}
        for branch in self._branches(path):
            found.update(dict.fromkeys(branch.get("properties", {})))
        return tuple(found)

    def knows(self, path: KeyPath) -> bool:
        """Whether anything may stand at `path`."""
        return any(True for _ in self._branches(path))

    def is_secret(self, path: KeyPath) -> bool:
        """Whether `path`, or what it is a part of, may be a secret."""
        return any(
            branch.get("writeOnly", False)
            for length in range(len(path) + 1)
            for branch in self._branches(path[:length])
        )

    def homes(self) -> dict[str, str]:
        """For every key of the schema, the nearest place to the top where it belongs."""
        homes: dict[str, str] = {}
        queue: deque[tuple[Mapping[str, Any], str]] = deque([(self._root, "")])
        seen: set[int] = set()
        while queue:
            schema, place = queue.popleft()
            for branch in self._expanded(schema):
                if id(branch) in seen:
                    continue
                seen.add(id(branch))
                for key, child in branch.get("properties", {}).items():
                    homes.setdefault(key, place)
                    queue.append((child, f"{place}.{key}" if place else key))
                queue.extend((child, f"{place}.NAME") for child in _of_any_key(branch))
                if isinstance(items := branch.get("items"), Mapping):
                    queue.append((items, f"{place}[…]"))
        return homes

    def _branches(self, path: KeyPath) -> Iterator[Mapping[str, Any]]:
        current = [self._root]
        for part in path:
            current = [
                child
                for schema in current
                for branch in self._expanded(schema)
                for child in _children(branch, part)
            ]
        for schema in current:
            yield from self._expanded(schema)

    def _expanded(self, schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The schema and every alternative in it, references followed."""
        found: list[Mapping[str, Any]] = []
        waiting, seen = [schema], {id(schema)}
        while waiting:
            one = waiting.pop()
            found.append(one)
            more = [*one.get("anyOf", ()), *one.get("oneOf", ()), *one.get("allOf", ())]
            if reference := one.get("$ref"):
                more.append(self._definition(str(reference)))
            for schema_inside in more:
                if id(schema_inside) not in seen:
                    seen.add(id(schema_inside))
                    waiting.append(schema_inside)
        return found

    def _definition(self, reference: str) -> Mapping[str, Any]:
        definition: Any = self._root
        for part in reference.removeprefix("#/").split("/"):
            definition = definition[part.replace("~1", "/").replace("~0", "~")]
        found: Mapping[str, Any] = definition
        return found


def _children(branch: Mapping[str, Any], part: str | int) -> Iterator[Mapping[str, Any]]:
    child: object
    if isinstance(part, str):
        named = branch.get("properties", {})
        if part not in named:
            yield from _of_any_key(branch)
        child = named.get(part)
    else:
        prefix = branch.get("prefixItems", ())
        child = prefix[part] if part < len(prefix) else branch.get("items")
    if isinstance(child, Mapping):
        yield child


def _of_any_key(branch: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What stands under keys that the schema does not name (the merchant's own names)."""
    found = [branch.get("additionalProperties"), *branch.get("patternProperties", {}).values()]
    return [child for child in found if isinstance(child, Mapping)]
