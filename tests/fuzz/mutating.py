"""Changes to an input that a parser of JSON or of rows may still take for one of its own."""

from __future__ import annotations

import json
from random import Random
from typing import Any, Final

__all__ = ["mutated"]

VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, 1, -1, 1.5, 1e308, 2**31, 2**53, 2**63, 10**30, -(2**63), float("nan"),
    float("inf"), "", "0", "-1", "1e9", "\u0000", "\ud800", "é" * 300, "2026-11-20T14:15:03Z",
    "2026-11-20T14:15:03+99:99", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", [], {}, [[]],
    [None], {"": None}, "gid://shopify/Order/1", "١٢",
)  # fmt: skip
"""What has upset parsers before."""
BYTES: Final = (b"", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r", b"\n", b"\t", b'"', b",", b";", b":")


def mutated(data: bytes, rng: Random, *, changes: int = 3) -> bytes:
    """`data` with up to `changes` changes: of values where it is JSON, else of its bytes."""
    for _ in range(rng.randint(1, changes)):
        data = _value_changed(data, rng) if rng.random() < 0.7 else _bytes_changed(data, rng)
    return data


def _value_changed(data: bytes, rng: Random) -> bytes:
    head, separator, body = data.rpartition(b"\n") if data[:1] != b"{" else (b"", b"", data)
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return _bytes_changed(data, rng)
    places = list(_places(value))
    if not places:
        return _bytes_changed(data, rng)
    holder, key = rng.choice(places)
    if rng.random() < 0.2:
        del holder[key]
    else:
        holder[key] = rng.choice(VALUES)
    return head + separator + json.dumps(value).encode()


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every holder and key of a message."""
    found: list[tuple[Any, Any]] = []
    rest = [value]
    while rest:
        holder = rest.pop()
        entries = (
            list(holder.items())
            if isinstance(holder, dict)
            else list(enumerate(holder))
            if isinstance(holder, list)
            else []
        )
        found += [(holder, key) for key, _ in entries]
        rest += [inner for _, inner in entries]
    return found


def _bytes_changed(data: bytes, rng: Random) -> bytes:
    at = rng.randint(0, len(data))
    to = min(len(data), at + rng.choice((0, 1, 1, 4, 40)))
    kind = rng.randrange(3)
    if kind == 0:
        return data[:at] + rng.choice(BYTES) + data[to:]
    if kind == 1:
        return data[:to] + data[at:to] * rng.choice((1, 2, 50)) + data[to:]
    return data[:at] + bytes(rng.randrange(256) for _ in range(to - at)) + data[to:]
