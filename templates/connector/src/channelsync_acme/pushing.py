"""Writing quantities. Acme sets absolute values, row by row, and answers once they stand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import httpx
from pydantic import ValidationError

from channelsync.sdk.types import Change, ChangeResult, Outcome, PushKind, PushRequest
from channelsync.sdk.wire import after_seconds
from channelsync_acme.api import RETRY_AFTER_DEFAULT, AcmeApi
from channelsync_acme.wire import Results

__all__ = ["Pushing"]

PATH: Final = "/v1/offers/quantities"
NOTHING_LEFT_US: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
GONE: Final = "Acme does not know the offer any more"


class Pushing:
    """The write half of an open channel."""

    def __init__(self, api: AcmeApi) -> None:
        self._api = api

    def prepare(self, changes: Sequence[Change], *, key: str) -> PushRequest:
        """Fix one request to the byte. Pure: nothing is sent.

        Raises:
            ValueError: a change that an absolute channel does not know.
        """
        rows = []
        for change in changes:
            if change.kind not in {PushKind.SET, PushKind.ZERO}:
                raise ValueError(f"push {change.push_id}: Acme sets quantities, it knows no other")
            rows.append({"offer_id": change.listing.external["offer_id"], "quantity": change.units})
        return PushRequest(
            key=key,
            body=json.dumps({"quantities": rows}, separators=(",", ":")).encode(),
            push_ids=tuple(change.push_id for change in changes),
            operation="set",
        )

    async def push(self, request: PushRequest) -> Sequence[ChangeResult]:
        """Send exactly these bytes once. Every push id has its own answer, or `unknown`."""
        try:
            response = await self._api.send(
                "PUT",
                PATH,
                content=request.body,
                headers={"content-type": "application/json"},
            )
        except NOTHING_LEFT_US as error:
            return _all(request, Outcome.UNSENT, f"no connection ({type(error).__name__})")
        except httpx.RequestError as error:
            return _all(request, Outcome.UNKNOWN, f"no answer ({type(error).__name__})")
        if not response.is_success:
            # 401, 429 and 5xx prove nothing: it may have applied, or may still.
            words = f"status {response.status_code}"
            wait = after_seconds(response.headers, RETRY_AFTER_DEFAULT)
            return _all(request, Outcome.UNKNOWN, words, wait)
        try:
            answered = Results.model_validate_json(response.content).results
        except ValidationError:
            return _all(request, Outcome.UNKNOWN, "the answer is not as documented")
        by_offer = {row.offer_id: row.status for row in answered}
        return [
            _result(push_id, by_offer.get(offer_id))
            for push_id, offer_id in zip(request.push_ids, _offers_in(request), strict=True)
        ]


def _offers_in(request: PushRequest) -> list[str]:
    return [row["offer_id"] for row in json.loads(request.body)["quantities"]]


def _result(push_id: str, status: str | None) -> ChangeResult:
    if status == "ok":
        return ChangeResult(push_id=push_id, outcome=Outcome.APPLIED)
    if status == "not_found":
        return ChangeResult(
            push_id=push_id, outcome=Outcome.REFUSED, reason=GONE, refuse_listing=GONE
        )
    return ChangeResult(push_id=push_id, outcome=Outcome.UNKNOWN, reason="no clear answer")


def _all(
    request: PushRequest, outcome: Outcome, reason: str, after_seconds: float | None = None
) -> list[ChangeResult]:
    return [
        ChangeResult(push_id=push_id, outcome=outcome, reason=reason, after_seconds=after_seconds)
        for push_id in request.push_ids
    ]
