"""Feeds 2021-06-30: documents, and feeds that are worked off one after the other."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync_amazon.simulator.listings import read_patches
from channelsync_amazon.simulator.state import World
from channelsync_amazon.simulator.wire import Asked, Reply, error, stamp

__all__ = ["Feed", "Feeds"]

URL_SECONDS: Final = 300.0
FEED_TYPE: Final = "JSON_LISTINGS_FEED"
ENDED: Final = frozenset({"DONE", "FATAL", "CANCELLED"})


@dataclass(slots=True)
class _Document:
    """Something uploaded, or to be fetched."""

    content_type: str
    until: float
    content: bytes | None = None


@dataclass(slots=True)
class Feed:
    """One feed."""

    feed_id: str
    document: str
    created_at: float
    marketplaces: list[str]
    status: str = "IN_QUEUE"
    started_at: float | None = None
    ended_at: float | None = None
    result: str | None = None
    applied: int = 0
    """Messages that had an effect."""
    messages: int = 0


class Feeds:
    """The seller's feeds over the wire."""

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng
        self._documents: dict[str, _Document] = {}
        self.feeds: dict[str, Feed] = {}
        self.seconds = (20.0, 90.0)
        """How long Amazon works on a feed, at least and at most."""
        self.hang_next = 0
        """So many of the coming feeds stay IN_PROGRESS until somebody calls `end`."""
        self.fatal_next = 0
        """So many of the coming feeds end as FATAL, half of each applied."""
        self.broken: dict[str, str] = {}
        """SKUs of which a message is refused, with the reason."""

    @property
    def routes(self) -> list[Route]:
        """Where documents are put and fetched; no token is asked for, the address is the secret."""
        return [
            Route("/documents/{name}", self._put, methods=["PUT"]),
            Route("/documents/{name}", self._fetch, methods=["GET"]),
        ]

    # ------------------------------------------------------------------ documents

    def create_document(self, asked: Asked) -> Reply:
        """`createFeedDocument`."""
        name = f"amzn1.tortuga.4.eu.{self._world.number():08x}"
        kind = str((asked.body or {}).get("contentType", ""))
        if not kind:
            return error(400, "InvalidInput", "contentType is required")
        self._documents[name] = _Document(kind, asked.now + URL_SECONDS)
        url = f"{asked.origin}/documents/{name}?X-Amz-Signature=simulated"
        return Reply(201, {"feedDocumentId": name, "url": url})

    def get_document(self, asked: Asked) -> Reply:
        """`getFeedDocument`."""
        name = asked.path["feedDocumentId"]
        document = self._documents.get(name)
        if document is None:
            return error(404, "NotFound", "The document was not found.")
        document.until = asked.now + URL_SECONDS
        url = f"{asked.origin}/documents/{name}?X-Amz-Signature=simulated"
        told = {"feedDocumentId": name, "url": url, "compressionAlgorithm": "GZIP"}
        return Reply(200, told)

    async def _put(self, request: Request) -> Response:
        self._world.catch_up()
        document = self._documents.get(request.path_params["name"])
        if document is None or document.until < self._world.now():
            return Response("AccessDenied", status_code=403)
        signed_for = request.headers.get("content-type") == document.content_type
        if not signed_for or "x-amz-access-token" in request.headers:
            return Response("SignatureDoesNotMatch", status_code=403)
        document.content = await request.body()
        return Response()

    async def _fetch(self, request: Request) -> Response:
        self._world.catch_up()
        document = self._documents.get(request.path_params["name"])
        if document is None or document.content is None or document.until < self._world.now():
            return Response("AccessDenied", status_code=403)
        return Response(document.content, media_type="application/octet-stream")

    # ------------------------------------------------------------------ feeds

    def create(self, asked: Asked) -> Reply:
        """`createFeed`."""
        body = asked.body or {}
        document = self._documents.get(body.get("inputFeedDocumentId", ""))
        if body.get("feedType") != FEED_TYPE or document is None or document.content is None:
            return error(400, "InvalidInput", "Invalid feedType or inputFeedDocumentId.")
        number = str(91_040_000_000 + self._world.number())
        feed = Feed(number, body["inputFeedDocumentId"], asked.now, body["marketplaceIds"])
        self.feeds[number] = feed
        self._begin_next()
        return Reply(202, {"feedId": number})

    def get(self, asked: Asked) -> Reply:
        """`getFeed`."""
        feed = self.feeds.get(asked.path["feedId"])
        if feed is None:
            return error(404, "NotFound", "The feed was not found.")
        told: dict[str, Any] = {
            "feedId": feed.feed_id,
            "feedType": FEED_TYPE,
            "marketplaceIds": feed.marketplaces,
            "createdTime": stamp(feed.created_at),
            "processingStatus": feed.status,
        }
        times = {"processingStartTime": feed.started_at, "processingEndTime": feed.ended_at}
        told |= {name: stamp(at) for name, at in times.items() if at is not None}
        if feed.result is not None:
            told["resultFeedDocumentId"] = feed.result
        return Reply(200, told)

    def cancel(self, feed_id: str) -> None:
        """Somebody cancels a feed that still waits in the queue."""
        feed = self.feeds[feed_id]
        if feed.status == "IN_QUEUE":
            feed.status = "CANCELLED"

    def _begin_next(self) -> None:
        """One feed at a time: one that hangs keeps all others waiting."""
        if any(feed.status == "IN_PROGRESS" for feed in self.feeds.values()):
            return
        feed = next((one for one in self.feeds.values() if one.status == "IN_QUEUE"), None)
        if feed is None:
            return
        feed.status, feed.started_at = "IN_PROGRESS", self._world.now()
        if self.hang_next:
            self.hang_next -= 1
            return
        self._world.later(self._rng.uniform(*self.seconds), lambda: self.end(feed.feed_id))

    def end(self, feed_id: str) -> None:
        """Work a feed off."""
        feed = self.feeds[feed_id]
        fatal = self.fatal_next > 0
        self.fatal_next -= fatal
        content = self._documents[feed.document].content or b""
        try:
            messages = json.loads(content)["messages"]
        except (ValueError, KeyError, TypeError):
            self._finish(feed, "FATAL", None)
            return
        issues = []
        feed.messages = len(messages)
        for number, message in enumerate(messages):
            if fatal and number % 2:
                continue
            wrong = self._apply(message)
            feed.applied += not wrong
            issues += wrong
        # Nobody promises an order.
        self._rng.shuffle(issues)
        report = None if fatal else self._report(feed, len(messages), issues)
        self._finish(feed, "FATAL" if fatal else "DONE", report)

    def _apply(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        code, words, quantity = read_patches(message.get("patches"))
        sku = message["sku"]
        if not code and sku in self.broken:
            code, words = "90220", self.broken[sku]
        if code:
            return [
                {
                    "messageId": message["messageId"],
                    "sku": sku,
                    "code": code,
                    "severity": "ERROR",
                    "message": words,
                }
            ]
        offer = self._world.offers.get(sku)
        if offer is not None and quantity is not None:
            self._world.submit(offer, quantity, self._rng, self._world.feed_application)
        return []

    def _report(self, feed: Feed, count: int, issues: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "header": {
                "sellerId": self._world.seller_id,
                "version": "2.0",
                "feedId": feed.feed_id,
            },
            "issues": issues,
            "summary": {
                "errors": len(issues),
                "warnings": 0,
                "messagesProcessed": count,
                "messagesAccepted": count - len(issues),
                "messagesInvalid": len(issues),
            },
        }

    def _finish(self, feed: Feed, status: str, report: dict[str, Any] | None) -> None:
        feed.status, feed.ended_at = status, self._world.now()
        if report is not None:
            name = f"amzn1.tortuga.4.eu.{self._world.number():08x}"
            packed = gzip.compress(json.dumps(report).encode(), mtime=0)
            self._documents[name] = _Document("application/json", self._world.now(), packed)
            feed.result = name
        self._world.tell("feed", feed)
        self._begin_next()
