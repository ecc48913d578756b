"""Writing quantities: adjustments in one request, fixed to the byte, sent once.

An adjustment is a delta: whatever the tills sell meanwhile, or report late, adds up with it in any
order. A count is never written: it would swallow sales that happened before it and are uploaded
after it (Square, "How inventory counts work").
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx

from channelsync.sdk.errors import Misconfigured
from channelsync.sdk.http import HostRefused
from channelsync.sdk.types import Change, ChangeResult, Instant, Outcome, PushKind, PushRequest
from channelsync.sdk.wire import after_seconds, json_bytes
from channelsync_square.answers import Complaint, meaning_of
from channelsync_square.api import Answer, SquareApi
from channelsync_square.settings import SquareSettings
from channelsync_square.times import iso

__all__ = ["BATCH_SIZE", "CHANGE_PATH", "REFERENCE", "Pushing", "adjustment", "batch_of"]

BATCH_SIZE: Final = 100
"""Square's limit of changes in one request."""
KEY_LENGTH_MAX: Final = 128
CHANGE_PATH: Final = "/v2/inventory/changes/batch-create"
REFERENCE: Final = "cs:"
"""Begins the `reference_id` of everything we write, so that the ledger's rows of ours are known."""
NOTHING_LEFT_US: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
TIMES_KEPT: Final = 1_000
REFUSAL_STATUSES: Final = frozenset({400, 404, 422})
"""Statuses by which Square turns a request down that it has looked at."""
INDEX_PATTERN: Final = re.compile(r"changes\[(\d+)\]")


def adjustment(
    settings: SquareSettings,
    *,
    variation_id: str,
    up: bool,
    units: int,
    reference: str,
    occurred_at: Instant,
) -> dict[str, Any]:
    """One entry of `changes`, in the shape of the API version in use.

    Units come from NONE, as Square's own plug-ins have it; where units that leave go to is a
    setting.
    """
    place = settings.location_id
    where = (
        {"from_location_id": place, "to_location_id": place}
        if settings.two_locations
        else {"location_id": place}
    )
    return {
        "type": "ADJUSTMENT",
        "adjustment": {
            "reference_id": reference,
            "catalog_object_id": variation_id,
            "from_state": "NONE" if up else "IN_STOCK",
            "to_state": "IN_STOCK" if up else settings.taken_off_as.value,
            **where,
            "quantity": str(units),
            "occurred_at": iso(occurred_at),
        },
    }


def batch_of(changes: Sequence[Mapping[str, Any]], *, key: str) -> dict[str, Any]:
    """One request."""
    return {"idempotency_key": key, "ignore_unchanged_counts": False, "changes": list(changes)}


class Pushing:
    """The write half of an open channel."""

    def __init__(self, api: SquareApi, settings: SquareSettings) -> None:
        self._api = api
        self._settings = settings
        self._times: OrderedDict[str, Instant] = OrderedDict()

    def prepare(self, changes: Sequence[Change], *, key: str) -> PushRequest:
        """Fix one request. A key keeps its time, so the same arguments give the same bytes.

        Raises:
            ValueError: the changes do not make one request.
        """
        _require_one_request(changes, key)
        occurred_at = self._time_of(key)
        entries = [
            adjustment(
                self._settings,
                variation_id=_variation_of(change),
                up=change.kind is PushKind.RAISE,
                units=change.units,
                reference=REFERENCE + change.push_id,
                occurred_at=occurred_at,
            )
            for change in changes
        ]
        return PushRequest(
            key=key,
            body=json_bytes(batch_of(entries, key=key)),
            push_ids=tuple(change.push_id for change in changes),
            operation="adjust",
        )

    def _time_of(self, key: str) -> Instant:
        if key not in self._times:
            self._times[key] = self._api.now_there
            while len(self._times) > TIMES_KEPT:
                self._times.popitem(last=False)
        return self._times[key]

    async def push(self, request: PushRequest) -> Sequence[ChangeResult]:
        """Send exactly these bytes once.

        Raises:
            Misconfigured: nothing was sent.
        """
        try:
            answer = await self._api.send("POST", CHANGE_PATH, body=request.body)
        except HostRefused as error:
            raise Misconfigured(str(error)) from error
        except NOTHING_LEFT_US as error:
            return _all(request, Outcome.UNSENT, f"no connection ({type(error).__name__})")
        except httpx.RequestError as error:
            return _all(request, Outcome.UNKNOWN, f"no answer ({type(error).__name__})")
        return _meaning(request, answer)


def _require_one_request(changes: Sequence[Change], key: str) -> None:
    if not 1 <= len(changes) <= BATCH_SIZE:
        raise ValueError(f"{len(changes)} changes in one request; 1 to {BATCH_SIZE} are possible")
    if not 1 <= len(key) <= KEY_LENGTH_MAX:
        raise ValueError(f"a key of {len(key)} characters; 1 to {KEY_LENGTH_MAX} are possible")
    for change in changes:
        if change.kind not in {PushKind.RAISE, PushKind.CUT} or change.units <= 0:
            raise ValueError(f"push {change.push_id}: no way to {change.kind} by {change.units}")
        if change.compare is not None:
            raise ValueError(f"push {change.push_id}: Square compares nothing")
    variations = [_variation_of(change) for change in changes]
    if len(set(variations)) != len(variations):
        raise ValueError("two changes of one variation cannot share a request")


def _variation_of(change: Change) -> str:
    variation = change.listing.external.get("variation_id")
    if not variation:
        raise ValueError(
            f"listing {change.listing.sku!r} has no variation_id: discover the listings"
        )
    return variation


# ------------------------------------------------------------------ what the answer proves


def _meaning(request: PushRequest, answer: Answer) -> Sequence[ChangeResult]:
    complaints = answer.complaints
    if answer.status == httpx.codes.OK:
        if answer.body is None:
            return _all(request, Outcome.UNKNOWN, "the answer is not of the documented shape")
        if not complaints:
            return _all(request, Outcome.APPLIED)
        return _partly(request, answer.body, complaints)
    row = meaning_of(answer.status, complaints)
    proven = answer.status in REFUSAL_STATUSES and bool(complaints)
    if proven and all(meaning_of(answer.status, (one,)).refuses for one in complaints):
        return _refused(request, complaints)
    words = complaints[0].text if complaints else f"status {answer.status}"
    wait = after_seconds(answer.headers, row.after_seconds)
    return _all(request, Outcome.UNKNOWN, f"{row.what_to_do} ({words})", wait)


def _all(
    request: PushRequest, outcome: Outcome, reason: str = "", wait: float | None = None
) -> Sequence[ChangeResult]:
    return [
        ChangeResult(push_id=push_id, outcome=outcome, reason=reason, after_seconds=wait)
        for push_id in request.push_ids
    ]


def _refused(request: PushRequest, complaints: Sequence[Complaint]) -> Sequence[ChangeResult]:
    """Square applies a request whole or not at all; the complaints name the changes to blame."""
    named: dict[int, Complaint] = {}
    for complaint in complaints:
        match = INDEX_PATTERN.search(complaint.field)
        if match is not None:
            named.setdefault(int(match[1]), complaint)
    only = complaints[0] if len(request.push_ids) == 1 else None
    words = "batch refused" if named else complaints[0].text
    results = []
    for position, push_id in enumerate(request.push_ids):
        blamed = named.get(position, only)
        unfit = blamed is not None and meaning_of(400, (blamed,)).unfit
        results.append(
            ChangeResult(
                push_id=push_id,
                outcome=Outcome.REFUSED,
                reason=blamed.text if blamed is not None else words,
                refuse_listing=blamed.text if blamed is not None and unfit else None,
            )
        )
    return results


def _partly(
    request: PushRequest, body: Mapping[str, Any], complaints: Sequence[Complaint]
) -> Sequence[ChangeResult]:
    """A 200 with errors: what stands among the changes made is applied, the rest unknown."""
    made = set()
    for change in body.get("changes") or ():
        entry = change.get("adjustment") if isinstance(change, Mapping) else None
        if isinstance(entry, Mapping):
            made.add(entry.get("reference_id"))
    words = complaints[0].text
    return [
        ChangeResult(push_id=push_id, outcome=Outcome.APPLIED)
        if REFERENCE + push_id in made
        else ChangeResult(push_id=push_id, outcome=Outcome.UNKNOWN, reason=words)
        for push_id in request.push_ids
    ]
