"""Many quantities at once, by one `JSON_LISTINGS_FEED`.

Amazon works the feeds of a seller off one after the other and tells the end of each; until then a
feed is under a ticket. Nothing of it can apply before `createFeed`, the last of three requests, so
whatever fails earlier was never sent ("Feeds API v2021-06-30", "Submit a feed").
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from math import ceil, floor
from typing import Any, Final

import httpx
from pydantic import ValidationError

from channelsync.sdk.errors import Misconfigured, Resting, Retryable
from channelsync.sdk.http import HostRefused
from channelsync.sdk.types import Change, ChangeResult, Instant, Outcome, PushRequest
from channelsync_amazon.answers import refusal_of, shortened, words_of
from channelsync_amazon.api import AmazonApi, Answer, Call, NotFound, path_part
from channelsync_amazon.buckets import Bucket, Plan
from channelsync_amazon.pushing import (
    NOTHING_LEFT_US,
    Pushing,
    patch_of,
    same_for_all,
    units_of,
)
from channelsync_amazon.settings import AmazonSettings
from channelsync_amazon.wire import FeedAnswer, FeedDocument, FeedReport, understood

__all__ = ["FEED", "FEED_MAX", "FEED_TAKEN_MAX", "LOOKED_AT_MAX", "Feeds"]

FEED: Final = "feed"
FEED_TYPE: Final = "JSON_LISTINGS_FEED"
FEED_TAKEN_MAX: Final = 25_000
"""Messages that Amazon takes in one feed (the schema of its feeds)."""
FEED_MAX: Final = 10_000
"""Messages of one of ours. All of a feed are charged in one transaction, and every other writer
waits for it: a few seconds for so many. Much smaller ones would be worked off, one after the other,
more slowly than offers are read back."""
FEED_PLAN: Final = Plan(1 / 60, 5)
"""Five feeds in five minutes: JSON_LISTINGS_FEED has this limit beside that of `createFeed`."""
FEED_SECONDS: Final = 60.0
"""About how long Amazon works on one feed."""
SOON_SECONDS: Final = 300.0
"""So long after its making the end of a feed is waited for, and no patch leaves instead of the next
one: a patch takes a look of its own, and looks are as rare as patches."""
UNHEARD_SECONDS: Final = 900.0
"""A feed that nobody has asked for in so long is not waited for."""
FRESH_SECONDS: Final = 900.0
"""How long a look at an offer stands before a feed: Amazon itself may leave one waiting longer."""
LOOKED_AT_MAX: Final = 2_500
"""Offers that are looked at before one feed; more of them are looked at before the next try."""
CONTENT_TYPE: Final = "application/json; charset=UTF-8"
PATH: Final = "/feeds/2021-06-30"
READY_SECONDS_MAX: Final = 40.0
"""Looking and uploading may take so long; the sender's lease is longer."""
REPORT_BYTES_MAX: Final = 64 * 1024 * 1024
GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


class Feeds:
    """The writing of many quantities."""

    def __init__(
        self,
        api: AmazonApi,
        http: httpx.AsyncClient,
        settings: AmazonSettings,
        pushing: Pushing,
    ) -> None:
        self._api = api
        self._http = http
        self._seller = settings.seller_id
        self._marketplaces = settings.marketplace_ids
        self._pushing = pushing
        self._pace = Bucket(FEED_PLAN, api.now)
        self._under_way: dict[str, tuple[Instant, Instant]] = {}
        """Feeds that Amazon is not done with, and when it was first and last heard of them."""

    @property
    def allowed(self) -> bool:
        """Whether one would be worked on now. Until then more gathers for a larger one.

        Amazon works them off one after the other, whatever their size, and asks to wait for the
        previous one.
        """
        heard_since = self._api.now() - UNHEARD_SECONDS
        if any(last > heard_since for _, last in self._under_way.values()):
            return False
        return self._pace.has_token and self._api.bucket("createFeed").has_token

    @property
    def ends_soon(self) -> bool:
        """Whether Amazon works on one, and not for so long yet that it may hang."""
        made_since = self._api.now() - SOON_SECONDS
        return any(first > made_since for first, _ in self._under_way.values())

    def _heard_of(self, feed_id: str) -> None:
        now = self._api.now()
        first, _ = self._under_way.get(feed_id, (now, now))
        self._under_way[feed_id] = (first, now)

    def per_second(self, listings: int) -> float:
        """How many a second so many would be, in feeds as large as Amazon takes them.

        They are worked off one after the other. The first ones may leave at once; then one comes a
        minute, and past the burst of `createFeed` one for each token of it.
        """
        feeds = ceil(listings / FEED_TAKEN_MAX)
        make = self._api.bucket("createFeed")
        seconds = max(
            (feeds - FEED_PLAN.burst) / FEED_PLAN.per_second,
            (feeds - make.plan.burst) / make.per_second,
            feeds * FEED_SECONDS,
        )
        return listings / seconds

    def prepare(self, changes: Sequence[Change], *, key: str) -> PushRequest:
        """Fix the document of a feed. Pure.

        Raises:
            ValueError: the changes do not make one feed.
        """
        skus = [change.listing.sku for change in changes]
        if len(set(skus)) != len(skus) or len(skus) > FEED_MAX:
            raise ValueError(f"{len(skus)} changes do not make one feed")
        messages = [
            {
                "messageId": number,
                "sku": change.listing.sku,
                "operationType": "PATCH",
                **patch_of(units_of(change)),
            }
            for number, change in enumerate(changes, start=1)
        ]
        header = {"sellerId": self._seller, "version": "2.0", "issueLocale": "en_US"}
        document = {"header": header, "messages": messages}
        return PushRequest(
            key=key,
            body=json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode(),
            push_ids=tuple(change.push_id for change in changes),
            operation=f"{FEED} {_seen_at(changes)}",
        )

    # ------------------------------------------------------------------ sending

    async def push(self, request: PushRequest) -> list[ChangeResult]:
        """Upload exactly these bytes and let Amazon work on them, once.

        Raises:
            NeedsReauthorization, Misconfigured: nothing was sent.
        """
        began = self._api.now()
        self._api.require_rights("createFeed")
        try:
            unfit = await self._unfit(request)
            if unfit:
                return _without(request, unfit)
            document = await self._upload(request.body)
            self._take_turn()
            token = await self._api.tokens().current()
        except (Retryable, Resting) as error:
            return same_for_all(request, Outcome.UNSENT, str(error), error.after_seconds)
        if self._api.now() - began > READY_SECONDS_MAX:
            return same_for_all(request, Outcome.UNSENT, "it took too long to get ready")
        content = {
            "feedType": FEED_TYPE,
            "marketplaceIds": list(self._marketplaces),
            "inputFeedDocumentId": document,
        }
        call = Call(
            operation="createFeed",
            method="POST",
            path=f"{PATH}/feeds",
            body=json.dumps(content).encode(),
        )
        try:
            answer = await self._api.send(call, token=token)
        except HostRefused as error:
            raise Misconfigured(str(error)) from error
        except NOTHING_LEFT_US as error:
            reason = f"no connection ({type(error).__name__})"
            return same_for_all(request, Outcome.UNSENT, reason)
        except httpx.RequestError as error:
            return same_for_all(request, Outcome.UNKNOWN, f"no answer ({type(error).__name__})")
        return self._meaning(request, answer)

    def _take_turn(self) -> None:
        """Take a token of both plans that a feed is under, or of none.

        Raises:
            Resting: Amazon would not take a feed now.
        """
        if not self._pace.has_token:
            raise Resting("five feeds in five minutes were sent", after_seconds=self._pace.wait)
        self._api.take_now("createFeed")
        self._pace.take()

    async def _unfit(self, request: PushRequest) -> Mapping[str, str]:
        """The pushes whose offers may not be written, with the reason."""
        messages = json.loads(request.body)["messages"]
        by_sku = dict(zip((one["sku"] for one in messages), request.push_ids, strict=True))
        found = await self._pushing.why_unfit(
            dict.fromkeys(by_sku, ""),
            fresh_seconds=FRESH_SECONDS,
            at_most=LOOKED_AT_MAX,
            seen_at=float(request.operation.partition(" ")[2] or 0),
        )
        return {by_sku[sku]: reason for sku, reason in found.items()}

    async def _upload(self, content: bytes) -> str:
        call = Call(
            operation="createFeedDocument",
            method="POST",
            path=f"{PATH}/documents",
            body=json.dumps({"contentType": CONTENT_TYPE}).encode(),
        )
        told = understood(FeedDocument, await self._api.read(call))
        try:
            response = await self._http.put(
                told.url, content=content, headers={"content-type": CONTENT_TYPE}
            )
        except HostRefused as error:
            raise Misconfigured(f"the feed's upload: {error}") from error
        except httpx.RequestError as error:
            raise Retryable(f"the feed was not uploaded ({type(error).__name__})") from error
        if not response.is_success:
            raise Retryable(f"the feed was not uploaded (status {response.status_code})")
        return told.feed_document_id

    def _meaning(self, request: PushRequest, answer: Answer) -> list[ChangeResult]:
        if not answer.ok:
            row = refusal_of(answer.status)
            self._api.error_of(answer, "createFeed")
            reason = f"{row.message} (status {answer.status}: {words_of(answer.body)})"
            return same_for_all(request, row.push, shortened(reason))
        try:
            told = FeedAnswer.model_validate(answer.body)
        except ValidationError:
            reason = "the answer is not of the documented shape"
            return same_for_all(request, Outcome.UNKNOWN, reason)
        self._heard_of(told.feed_id)
        return [
            ChangeResult(push_id=push_id, outcome=Outcome.ACCEPTED, ticket=told.feed_id)
            for push_id in request.push_ids
        ]

    # ------------------------------------------------------------------ following

    async def follow(self, request: PushRequest, feed_id: str) -> list[ChangeResult] | None:
        """What became of a feed; None while Amazon is not done with it.

        Raises:
            ConnectorError: nothing was learnt.
        """
        call = Call(operation="getFeed", method="GET", path=f"{PATH}/feeds/{path_part(feed_id)}")
        try:
            told = understood(FeedAnswer, await self._api.read(call))
            if told.processing_status in {"IN_QUEUE", "IN_PROGRESS"}:
                self._heard_of(feed_id)
                return None
            self._under_way.pop(feed_id, None)
            if told.processing_status == "CANCELLED":
                # Only a feed that still waits in the queue can be cancelled.
                return same_for_all(request, Outcome.REFUSED, "the feed was cancelled")
            if told.processing_status != "DONE" or told.result_feed_document_id is None:
                reason = f"the feed ended as {told.processing_status}: some, none or all applied"
                return same_for_all(request, Outcome.ACCEPTED, shortened(reason))
            report = await self._report(told.result_feed_document_id)
        except NotFound:
            self._under_way.pop(feed_id, None)
            return same_for_all(request, Outcome.ACCEPTED, "Amazon forgot the feed")
        except Resting:
            # One report in 45 seconds: the next look gets it.
            return None
        return _results(request, report)

    async def _report(self, document_id: str) -> FeedReport:
        call = Call(
            operation="getFeedDocument",
            method="GET",
            path=f"{PATH}/documents/{path_part(document_id)}",
        )
        told = understood(FeedDocument, await self._api.read(call))
        try:
            response = await self._http.get(told.url)
        except HostRefused as error:
            raise Misconfigured(f"the feed's report: {error}") from error
        except httpx.RequestError as error:
            raise Retryable(f"the report was not had ({type(error).__name__})") from error
        if not response.is_success:
            raise Retryable(f"the report was not had (status {response.status_code})")
        return _read_report(response.content, told.compression_algorithm)


def _seen_at(changes: Sequence[Change]) -> int:
    """When the one that was not seen for longest was last seen; 0: nobody knows."""
    return min(floor(change.shown_at or 0) for change in changes)


def _read_report(content: bytes, compression: str | None) -> FeedReport:
    """The report, unpacked where it is packed, and never more than a bounded part of it.

    Raises:
        Retryable: it is not of the documented shape.
    """
    try:
        if compression == "GZIP":
            content = zlib.decompressobj(GZIP_WINDOW).decompress(content, REPORT_BYTES_MAX)
        return FeedReport.model_validate_json(content)
    except (zlib.error, ValidationError) as error:
        raise Retryable("the report is not of the documented shape") from error


def _results(request: PushRequest, report: FeedReport) -> list[ChangeResult]:
    """One result a message: refused where Amazon finds an error, else queued for application."""
    errors = [one for one in report.issues if one.severity == "ERROR"]
    whole = [one for one in errors if one.message_id is None]
    if whole:
        reason = shortened(f"{whole[0].code}: {whole[0].message}")
        return same_for_all(request, Outcome.REFUSED, reason)
    words: dict[int, str] = {}
    for one in errors:
        words.setdefault(one.message_id or 0, shortened(f"{one.code}: {one.message}"))
    return [_result(push_id, words.get(n)) for n, push_id in enumerate(request.push_ids, start=1)]


def _result(push_id: str, refused: str | None) -> ChangeResult:
    if refused is None:
        return ChangeResult(push_id=push_id, outcome=Outcome.ACCEPTED)
    return ChangeResult(
        push_id=push_id, outcome=Outcome.REFUSED, reason=refused, refuse_listing=refused
    )


def _without(request: PushRequest, unfit: Mapping[str, str]) -> list[ChangeResult]:
    """Nothing is sent: the unfit are taken out, the others planned anew without them."""
    waits = "another offer of the same feed may not be written"
    results: list[ChangeResult] = []
    for push_id in request.push_ids:
        more: dict[str, Any] = {"outcome": Outcome.UNSENT, "reason": waits}
        if push_id in unfit:
            reason = unfit[push_id]
            more = {"outcome": Outcome.REFUSED, "reason": reason, "refuse_listing": reason}
        results.append(ChangeResult(push_id=push_id, **more))
    return results
