"""Pages with opaque cursors that belong to one query."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from channelsync_square.simulator.refusals import Refusal

__all__ = ["paged"]

Found = TypeVar("Found")


def paged(
    body: Mapping[str, Any],
    name: str,
    found: Sequence[Found],
    show: Callable[[Found], Any],
    *,
    size_max: int,
    size: int = 100,
) -> dict[str, Any]:
    """One page of what was found, shown under `name`, and the cursor of the next if there is one.

    Raises:
        Refusal: the page size or the cursor is wrong, or the cursor is another query's.
    """
    limit = body.get("limit") or size
    if not isinstance(limit, int) or not 1 <= limit <= size_max:
        raise Refusal(400, "VALUE_TOO_HIGH", "limit")
    query = {key: value for key, value in body.items() if key != "cursor"}
    digest = hashlib.sha256(json.dumps(query, sort_keys=True).encode()).hexdigest()[:8]
    start = _start(body.get("cursor"), digest)
    answer: dict[str, Any] = {name: [show(one) for one in found[start : start + limit]]}
    if start + limit < len(found):
        place = f"{digest}:{start + limit}"
        answer["cursor"] = base64.urlsafe_b64encode(place.encode()).decode()
    return answer


def _start(cursor: Any, digest: str) -> int:
    if not cursor:
        return 0
    try:
        belongs_to, _, start = base64.urlsafe_b64decode(str(cursor)).decode().partition(":")
    except (ValueError, binascii.Error):
        belongs_to, start = "", ""
    if belongs_to != digest or not start.isdecimal():
        raise Refusal(400, "INVALID_CURSOR", "cursor")
    return int(start)
