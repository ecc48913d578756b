"""Writing quantities: one request, fixed to the byte, sent once; every answer has one meaning.

A raise that names no old value is a keyed delta (`inventoryAdjustQuantities`); a change that names
one is a keyed compare-and-set (`inventorySetQuantities`). Both are all or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import httpx

from channelsync.sdk.errors import Misconfigured, Retryable
from channelsync.sdk.http import HostRefused
from channelsync.sdk.types import Change, ChangeResult, Instant, Outcome, PushKind, PushRequest
from channelsync.sdk.wire import after_seconds
from channelsync_shopify.answers import USER_ERRORS, UserError, http_refusal, shortened
from channelsync_shopify.api import Answer, ShopifyApi, body_of, first_error
from channelsync_shopify.documents import ADJUST, SET, Document
from channelsync_shopify.settings import ShopifySettings

__all__ = ["BATCH_SIZE", "Pushing"]

BATCH_SIZE: Final = 250
"""Shopify's limit of entries in one input array."""
REASON: Final = "correction"
OPERATIONS: Final[Mapping[str, tuple[Document, str]]] = {
    "adjust": (ADJUST, "inventoryAdjustQuantities"),
    "set": (SET, "inventorySetQuantities"),
}
INDEX_IN_FIELD: Final = 2
"""`field` of a user error is like `["input", "quantities", "0", …]`."""
NOTHING_LEFT_US: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
TOKEN_SECONDS_MAX: Final = 3.0
UNSURE_CODE: Final = UserError(outcome=Outcome.UNKNOWN, after_seconds=5.0)


class Pushing:
    """The write half of an open channel."""

    def __init__(
        self, api: ShopifyApi, settings: ShopifySettings, now: Callable[[], Instant]
    ) -> None:
        self._api = api
        self._now = now
        self._location = settings.location_id

    def prepare(self, changes: Sequence[Change], *, key: str) -> PushRequest:
        """Fix one request. All of its changes name an old value, or none does.

        Raises:
            ValueError: the changes do not make one request.
        """
        operation = _operation_of(changes)
        entries = [self._entry(change) for change in changes]
        items = [entry["inventoryItemId"] for entry in entries]
        if len(set(items)) != len(items):
            raise ValueError("two changes of one inventory item cannot share a request")
        list_name = "changes" if operation == "adjust" else "quantities"
        variables = {
            "key": key,
            "input": {
                "name": "available",
                "reason": REASON,
                "referenceDocumentUri": f"gid://channelsync/Push/{key}",
                list_name: entries,
            },
        }
        return PushRequest(
            key=key,
            body=body_of(OPERATIONS[operation][0], variables),
            push_ids=tuple(change.push_id for change in changes),
            operation=operation,
        )

    def _entry(self, change: Change) -> dict[str, Any]:
        item = change.listing.external.get("inventory_item_id")
        if not item:
            raise ValueError(
                f"listing {change.listing.sku!r} has no inventory_item_id: discover the listings"
            )
        entry: dict[str, Any] = {"inventoryItemId": item, "locationId": self._location}
        if change.compare is None:
            return entry | {"delta": change.units, "changeFromQuantity": None}
        up = change.kind is PushKind.RAISE
        quantity = change.compare + (change.units if up else -change.units)
        return entry | {"quantity": quantity, "changeFromQuantity": change.compare}

    async def push(self, request: PushRequest) -> Sequence[ChangeResult]:
        """Send exactly these bytes once.

        Raises:
            NeedsReauthorization, Misconfigured: nothing was sent.
        """
        document, _ = OPERATIONS[request.operation]
        delay = self._api.bucket.delay_seconds(document.name, for_read=False)
        if delay > 0:
            return _all(request, Outcome.UNSENT, "the shop's query budget is used up", delay)
        asked_at = self._now()
        try:
            token = await self._api.tokens.current()
        except Retryable as error:
            return _all(request, Outcome.UNSENT, str(error), error.after_seconds)
        if self._now() - asked_at > TOKEN_SECONDS_MAX:
            # The caller's right to send was checked before the wait for a token began.
            return _all(request, Outcome.UNSENT, "it took too long to fetch a token", 0.0)
        try:
            answer = await self._api.send(request.body, operation=document.name, token=token)
        except HostRefused as error:
            raise Misconfigured(str(error)) from error
        except NOTHING_LEFT_US as error:
            return _all(request, Outcome.UNSENT, f"no connection ({type(error).__name__})")
        except httpx.RequestError as error:
            return _all(request, Outcome.UNKNOWN, f"no answer ({type(error).__name__})")
        return self._meaning(request, answer, token)

    def _meaning(self, request: PushRequest, answer: Answer, token: str) -> Sequence[ChangeResult]:
        if answer.status != httpx.codes.OK:
            return self._http_refused(request, answer, token)
        if answer.errors:
            return self._refused_above(request, answer)
        payload = _payload(answer, OPERATIONS[request.operation][1])
        user_errors = payload.get("userErrors") if payload is not None else None
        if not isinstance(user_errors, list):
            return _all(request, Outcome.UNKNOWN, "the answer is not of the documented shape")
        if not user_errors:
            return _all(request, Outcome.APPLIED)
        return _results_of(request, user_errors)

    def _http_refused(
        self, request: PushRequest, answer: Answer, token: str
    ) -> Sequence[ChangeResult]:
        row = http_refusal(answer.status)
        if answer.status == httpx.codes.UNAUTHORIZED:
            self._api.tokens.refused(token)
        wait = after_seconds(answer.headers, row.after_seconds)
        return _all(request, Outcome.UNKNOWN, f"{row.message} (status {answer.status})", wait)

    def _refused_above(self, request: PushRequest, answer: Answer) -> Sequence[ChangeResult]:
        code, words, row = first_error(answer.errors)
        wait = row.after_seconds
        if code == "THROTTLED":
            document, _ = OPERATIONS[request.operation]
            wait = self._api.bucket.retry_after(answer.cost, document.name)
        ran = _payload(answer, OPERATIONS[request.operation][1]) is not None
        outcome = Outcome.UNKNOWN if ran else row.push
        return _all(request, outcome, f"{code or 'no code'}: {words}", wait)


def _operation_of(changes: Sequence[Change]) -> str:
    if not 1 <= len(changes) <= BATCH_SIZE:
        raise ValueError(f"{len(changes)} changes in one request; 1 to {BATCH_SIZE} are possible")
    for change in changes:
        if change.kind not in {PushKind.RAISE, PushKind.CUT} or change.units <= 0:
            raise ValueError(f"push {change.push_id}: no way to {change.kind} by {change.units}")
        if change.kind is PushKind.CUT and change.compare is None:
            raise ValueError(f"push {change.push_id}: a cut names the value that it replaces")
    compared = {change.compare is not None for change in changes}
    if len(compared) > 1:
        raise ValueError("changes with and without an old value cannot share a request")
    return "set" if compared.pop() else "adjust"


def _payload(answer: Answer, field: str) -> Mapping[str, Any] | None:
    data = (answer.body or {}).get("data")
    payload = data.get(field) if isinstance(data, Mapping) else None
    return payload if isinstance(payload, Mapping) else None


def _all(
    request: PushRequest, outcome: Outcome, reason: str = "", wait: float | None = None
) -> Sequence[ChangeResult]:
    return [
        ChangeResult(push_id=push_id, outcome=outcome, reason=reason, after_seconds=wait)
        for push_id in request.push_ids
    ]


def _results_of(request: PushRequest, user_errors: Sequence[object]) -> Sequence[ChangeResult]:
    """Results of a mutation that answered with user errors, which then applied nothing."""
    named: dict[int, tuple[UserError, str]] = {}
    for error in user_errors:
        code, index, words = _read(error)
        row = USER_ERRORS.get(code, UNSURE_CODE)
        reason = f"{code or 'no code'}: {words}"
        if row.outcome is Outcome.UNKNOWN:
            return _all(request, Outcome.UNKNOWN, reason, row.after_seconds)
        if index is None or index >= len(request.push_ids):
            if row.stale or row.unfit:
                # It does not say which entry it means, so only a batch of one can be judged.
                row = row if len(request.push_ids) == 1 else UserError(outcome=Outcome.REFUSED)
            return [_result(push_id, row, reason) for push_id in request.push_ids]
        named.setdefault(index, (row, reason))
    refused = (UserError(outcome=Outcome.REFUSED), "batch refused")
    return [
        _result(push_id, *named.get(position, refused))
        for position, push_id in enumerate(request.push_ids)
    ]


def _read(error: object) -> tuple[str, int | None, str]:
    """Code, position of the entry, words."""
    if not isinstance(error, Mapping):
        return "", None, "the answer is not of the documented shape"
    field = error.get("field")
    index = None
    if isinstance(field, list) and len(field) > INDEX_IN_FIELD:
        position = str(field[INDEX_IN_FIELD])
        index = int(position) if position.isdecimal() else None
    return str(error.get("code") or ""), index, shortened(error.get("message", ""))


def _result(push_id: str, row: UserError, reason: str) -> ChangeResult:
    return ChangeResult(
        push_id=push_id,
        outcome=row.outcome,
        reason=reason,
        stale=row.stale,
        refuse_listing=reason if row.unfit else None,
    )
