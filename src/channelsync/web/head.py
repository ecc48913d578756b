"""Headers of a request, looked up in what the server has parsed: once for each name asked for.

The framework's own mapping encodes the name, compares, and raises for what is not there; the gate
asks for a dozen at every request, most of which are not.
"""

from __future__ import annotations

from starlette.types import Scope

__all__ = ["header"]


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that name, in lower case as ASGI has them; None where there is none."""
    for one, value in scope["headers"]:
        if one == name:
            return str(value, "latin-1")
    return None
