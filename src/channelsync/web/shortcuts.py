"""Routes that stand before the API framework, for what is asked in a rush.

The framework's layers around a route (readers of its arguments, its body limit, its search among
150 routes) cost as much as the work behind it. A route that needs none of them is registered twice
with the same function: with the framework, which documents it, and here, where it is found first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["PART_CHARACTERS_MAX", "Shortcuts", "shortcut"]

PART_CHARACTERS_MAX: Final = 64
"""A part of a path that is longer is left to the framework, which says why it refuses it."""


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """An ASGI application, which Starlette takes as it is: without one more layer for errors."""

    act: Callable[..., Awaitable[Response]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self.act(Request(scope, receive, send), **scope["path_params"])
        await answer(scope, receive, send)


def shortcut(path: str, act: Callable[..., Awaitable[Response]]) -> Route:
    """A route for POST, whose parts of the path are `act`'s arguments after the request."""
    return Route(path, _Endpoint(act), methods=["POST"])


@dataclass(frozen=True, slots=True)
class Shortcuts:
    """ASGI application: these routes, and whatever is behind them for everything else."""

    routes: Sequence[Route]
    behind: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; what is raised becomes an answer in front of this."""
        if scope["type"] == "http":
            for route in self.routes:
                match, found = route.matches(scope)
                # A path with another method is the framework's: it knows all that the path has.
                if match is Match.FULL and _is_short(found):
                    scope.update(found)
                    await route.handle(scope, receive, send)
                    return
        await self.behind(scope, receive, send)


def _is_short(found: Scope) -> bool:
    return all(len(part) <= PART_CHARACTERS_MAX for part in found["path_params"].values())
