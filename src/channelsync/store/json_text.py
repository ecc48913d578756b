"""JSON as the store keeps it, read and written by compiled code: a sale reads six of them.

What that code does not know (half of a surrogate pair, a nesting of hundreds) is left to Python's.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import from_json, to_json

__all__ = ["from_text", "to_text"]


def from_text(text: str) -> Any:
    """The value of a JSON text. Most of what is kept is empty."""
    match text:
        case "{}":
            return {}
        case "[]":
            return []
        case _:
            try:
                return from_json(text)
            except ValueError:
                return json.loads(text)


def to_text(value: Any) -> str:
    """A value as a JSON text. Not for texts that are compared as they stand: spaces differ.

    Raises:
        TypeError, ValueError: it is no JSON.
    """
    try:
        return to_json(value).decode()
    except ValueError:
        return json.dumps(value)
