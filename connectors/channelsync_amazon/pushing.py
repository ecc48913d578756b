"""Writing quantities: one patch of one SKU, or one feed of many; every answer has one meaning.

A write is a set of the merchant's own quantity (`DEFAULT`), merged so that handling time and
restock date stay. Amazon has no compare-and-set, no key and no ordering for it: `ACCEPTED` means
queued. What the channel can do beside the protocol's rules is never to touch an offer that Amazon
fulfils, so an offer that was not seen a moment ago is looked at before it is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, unquote

import httpx

from channelsync.sdk.errors import (
    Misconfigured,
    NeedsReauthorization,
    Resting,
    Retryable,
    Throttled,
)
from channelsync.sdk.http import HostRefused
from channelsync.sdk.types import (
    Change,
    ChangeResult,
    Instant,
    Outcome,
    PushKind,
    PushRequest,
)
from channelsync_amazon.answers import is_expired_token, refusal_of, shortened, words_of
from channelsync_amazon.api import AmazonApi, Answer, Call, path_part
from channelsync_amazon.fitness import DEFAULT, MISSING, unfit, units_live
from channelsync_amazon.offers import BASE, Offers
from channelsync_amazon.reading import FRESH_SECONDS, GONE, Fitness
from channelsync_amazon.settings import AmazonSettings
from channelsync_amazon.wire import Issue, Submission

__all__ = ["NOTHING_LEFT_US", "Pushing", "patch_of", "same_for_all", "units_of"]

PATCH: Final = "patch"
PRODUCT_TYPE: Final = "PRODUCT"
"""Accepted for attributes of the offer alone, whatever the product's real type."""
NOTHING_LEFT_US: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
PREPARE_SECONDS_MAX: Final = 5.0
"""The caller's right to send was checked before tokens and looks were waited for."""
BUCKET_SECONDS_MAX: Final = 2.0


def patch_of(quantity: int) -> dict[str, Any]:
    """The content of one set."""
    return {
        "productType": PRODUCT_TYPE,
        "patches": [
            {
                "op": "merge",
                "path": "/attributes/fulfillment_availability",
                "value": [{"fulfillment_channel_code": DEFAULT, "quantity": quantity}],
            }
        ],
    }


def same_for_all(
    request: PushRequest, outcome: Outcome, reason: str = "", wait: float | None = None
) -> list[ChangeResult]:
    """One result for every push of a request."""
    return [
        ChangeResult(push_id=push_id, outcome=outcome, reason=reason, after_seconds=wait)
        for push_id in request.push_ids
    ]


class Pushing:
    """The writing of single quantities."""

    def __init__(
        self, api: AmazonApi, settings: AmazonSettings, offers: Offers, fitness: Fitness
    ) -> None:
        self._api = api
        self._seller = settings.seller_id
        self._marketplace = settings.marketplace_ids[0]
        self._offers = offers
        self._fitness = fitness

    def prepare(self, change: Change, *, key: str) -> PushRequest:
        """Fix the patch of one SKU. Pure."""
        quantity = units_of(change)
        listing = change.listing
        marketplace = listing.external.get("marketplace_id", self._marketplace)
        return PushRequest(
            key=key,
            body=json.dumps(patch_of(quantity), separators=(",", ":")).encode(),
            push_ids=(change.push_id,),
            operation=f"{PATCH} {marketplace} {quote(listing.sku, safe='')}",
        )

    async def push(self, request: PushRequest, *, sleep: Callable[[float], Any]) -> ChangeResult:
        """Send exactly these bytes once.

        Raises:
            NeedsReauthorization, Misconfigured: nothing was sent.
        """
        _, marketplace, quoted = request.operation.split(" ", 2)
        sku = unquote(quoted)
        [push_id] = request.push_ids
        began = self._api.now()
        self._api.require_rights("patchListingsItem")
        try:
            reason = await self.why_unfit({sku: marketplace})
            if not await self._bucket_allows(sleep):
                return _result(push_id, Outcome.UNSENT, "Amazon's usage plan is spent")
            token = await self._api.tokens().current()
        except (Retryable, Resting) as error:
            return _result(push_id, Outcome.UNSENT, str(error), error.after_seconds)
        if reason:
            self._api.bucket("patchListingsItem").give_back()
            return ChangeResult(
                push_id=push_id,
                outcome=Outcome.REFUSED,
                reason=reason[sku],
                refuse_listing=reason[sku],
            )
        if self._api.now() - began > PREPARE_SECONDS_MAX:
            return _result(push_id, Outcome.UNSENT, "it took too long to get ready")
        call = Call(
            operation="patchListingsItem",
            method="PATCH",
            path=f"{BASE}/{path_part(self._seller)}/{path_part(sku)}",
            query={"marketplaceIds": marketplace, "issueLocale": "en_US"},
            body=request.body,
        )
        try:
            answer = await self._api.send(call, token=token)
        except HostRefused as error:
            raise Misconfigured(str(error)) from error
        except NOTHING_LEFT_US as error:
            return _result(push_id, Outcome.UNSENT, f"no connection ({type(error).__name__})")
        except httpx.RequestError as error:
            return _result(push_id, Outcome.UNKNOWN, f"no answer ({type(error).__name__})")
        return self._meaning(push_id, answer, token)

    async def why_unfit(
        self,
        skus: Mapping[str, str],
        *,
        fresh_seconds: float = FRESH_SECONDS,
        at_most: int | None = None,
        seen_at: Instant = 0.0,
    ) -> dict[str, str]:
        """Those of the SKUs that may not be written, with the reason; looks at stale ones.

        `seen_at` is when all of them had last been seen, for those not seen in this program's life.

        Raises:
            Retryable: more than `at_most` were stale. So many of them were looked at.
            ConnectorError: Amazon did not tell.
        """
        all_stale = [sku for sku in skus if not self._fitness.is_fresh(sku, fresh_seconds, seen_at)]
        if not all_stale:
            return {}
        stale = {sku: skus[sku] for sku in all_stale[:at_most]}
        seen = await self._offers.look(stale)
        found: dict[str, str] = {}
        for sku in stale:
            one = seen.get(sku)
            reason = GONE if one is None else unfit(one.items)
            if one is not None and not reason and units_live(one.items) is None:
                reason = MISSING
            self._fitness.note(sku, fit=not reason)
            if reason:
                found[sku] = reason
        if len(stale) < len(all_stale) and not found:
            left = len(all_stale) - len(stale)
            raise Retryable(f"{left} offers more are to be looked at first", after_seconds=1.0)
        return found

    async def _bucket_allows(self, sleep: Callable[[float], Any]) -> bool:
        waited = 0.0
        while wait := self._api.bucket("patchListingsItem").take():
            if waited + wait > BUCKET_SECONDS_MAX:
                return False
            waited += wait
            await sleep(wait)
        return True

    def _meaning(self, push_id: str, answer: Answer, token: str) -> ChangeResult:
        if not answer.ok:
            return self._refused(push_id, answer, token)
        try:
            submission = Submission.model_validate(answer.body)
        except ValueError:
            return _result(push_id, Outcome.UNKNOWN, "the answer is not of the documented shape")
        if submission.status == "ACCEPTED":
            return _result(push_id, Outcome.ACCEPTED)
        if submission.status == "INVALID":
            reason = _issues(submission.issues) or "Amazon finds the submission invalid"
            return ChangeResult(
                push_id=push_id, outcome=Outcome.REFUSED, reason=reason, refuse_listing=reason
            )
        return _result(push_id, Outcome.UNKNOWN, f"status {submission.status[:40]!r}")

    def _refused(self, push_id: str, answer: Answer, token: str) -> ChangeResult:
        row = refusal_of(answer.status)
        reason = f"{row.message} (status {answer.status}: {words_of(answer.body)})"
        wait = row.after_seconds
        if is_expired_token(answer.status, answer.body):
            self._api.tokens().refused(token)
        elif row.read is NeedsReauthorization or row.read is Throttled:
            # Remembers the pause; the next push is spared until then.
            error = self._api.error_of(answer, "patchListingsItem")
            reason = str(error)
            wait = error.after_seconds if isinstance(error, Throttled) else None
        return _result(push_id, row.push, reason, wait)


def units_of(change: Change) -> int:
    """The quantity that a change sets.

    Raises:
        ValueError: it is no absolute set.
    """
    if change.kind is PushKind.ZERO and change.units == 0:
        return 0
    if change.kind is PushKind.SET and change.units > 0:
        return change.units
    raise ValueError(f"push {change.push_id}: Amazon cannot {change.kind} by {change.units}")


def _issues(issues: Sequence[Issue]) -> str:
    errors = [one for one in issues if one.severity == "ERROR"] or list(issues)
    return shortened("; ".join(f"{one.code}: {one.message}" for one in errors))


def _result(
    push_id: str, outcome: Outcome, reason: str = "", wait: float | None = None
) -> ChangeResult:
    return ChangeResult(
        push_id=push_id, outcome=outcome, reason=shortened(reason), after_seconds=wait
    )
