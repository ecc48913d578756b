"""Routes that stand before the API framework, for what is asked in a rush.

The framework's layers around a route (readers of its arguments, its body limit, its search among
150 routes) cost as much as the work behind it. A route that needs none of them is known twice, with
the same function: to the framework, which documents it and answers until all is put together, and
here, where it is found first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from channelsync.web.problems import answer_to

__all__ = ["PART_CHARACTERS_MAX", "Found", "Shortcut", "Shortcuts", "Shortened"]

PART_CHARACTERS_MAX = 64
"""A part of a path that is longer is left to the framework, which says why it refuses it."""

Act: TypeAlias = Callable[..., Awaitable[Response]]
Found: TypeAlias = tuple[Act, Mapping[str, str]]
"""What answers a request, and its arguments after the request."""


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A route for POST, whose parts in braces are `act`'s arguments after the request."""

    path: str
    act: Act
    methods: frozenset[str] = frozenset({"POST"})


@dataclass(frozen=True, slots=True)
class _Line:
    said: tuple[tuple[int, str], ...]
    """What the path says, by place, but its last part."""
    named: tuple[tuple[int, str], ...]
    """The names of what may be anything, by place."""
    act: Act


@dataclass(slots=True)
class Shortcuts:
    """Those that are open, by the number of their parts and the last of these."""

    _lines: dict[tuple[int, str], _Line] = field(default_factory=dict)

    def open(self, shortcuts: Iterable[Shortcut]) -> None:
        """From now on these are found.

        Raises:
            ValueError: one ends in an argument, or two look alike.
        """
        lines: dict[tuple[int, str], _Line] = {}
        for one in shortcuts:
            parts = tuple(enumerate(one.path.split("/")))
            named = tuple((place, part[1:-1]) for place, part in parts if part[:1] == "{")
            said = tuple(known for known in parts[:-1] if known[1][:1] != "{")
            end = (len(parts), parts[-1][1])
            if end in lines or end[1][:1] == "{":
                raise ValueError(f"{one.path} cannot be told from the others by its end")
            lines[end] = _Line(said, named, one.act)
        self._lines = lines

    def find(self, scope: Scope) -> Found | None:
        """What answers a request; None: another method, another path, or a part too long."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope.get("root_path"):
            return None
        parts = scope["path"].split("/")
        line = self._lines.get((len(parts), parts[-1]))
        if line is None or any(parts[place] != text for place, text in line.said):
            return None
        given = {name: parts[place] for place, name in line.named}
        fits = all(0 < len(part) <= PART_CHARACTERS_MAX for part in given.values())
        return (line.act, given) if fits else None


class Shortened:
    """ASGI middleware: these routes, and the application for everything else."""

    def __init__(self, app: ASGIApp, *, shortcuts: Shortcuts) -> None:
        self._app = app
        self._shortcuts = shortcuts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; a refusal that is raised becomes one, anything else goes on."""
        found = self._shortcuts.find(scope)
        if found is None:
            await self._app(scope, receive, send)
            return
        act, given = found
        request = Request(scope, receive, send)
        answer = await _answered(request, act, given)
        await answer(scope, receive, send)


async def _answered(request: Request, act: Act, given: Mapping[str, Any]) -> Response:
    try:
        return await act(request, **given)
    except Exception as error:  # noqa: BLE001 - what is no refusal is raised again
        return await answer_to(request, error)
