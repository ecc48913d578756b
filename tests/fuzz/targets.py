"""Everything that reads bytes of strangers, each with the errors that it promises.

A target takes any bytes and returns, or raises one of its promised errors inside. Anything else is
a finding. Beyond that it checks what must hold of input that is understood: it survives being
stored, and says the same when it is read once more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Final, Protocol, TypeAlias
from zoneinfo import ZoneInfo

from msgspec import structs

from channelsync.configuration.loading import load_bytes
from channelsync.configuration.problems import ConfigurationInvalid
from channelsync.engine.holdable import require_holdable, require_storable
from channelsync.engine.stock_errors import CsvRefused
from channelsync.engine.stock_sheet import read_sheet, write_sheet
from channelsync.sdk.errors import BadDelivery, Misconfigured, Retryable, Unauthentic
from channelsync.sdk.signatures import base64_hmac_sha256, decode_standard_secret
from channelsync.sdk.types import Delivery, Parsed, WebhookRequest
from channelsync_amazon import notifications
from channelsync_amazon.cursor import Cursor as AmazonCursor
from channelsync_amazon.feeds import _read_report as read_feed_report
from channelsync_pos.cursor import Cursor as TillCursor
from channelsync_pos.drop.errors import SheetRefused
from channelsync_pos.drop.sheet import read_report
from channelsync_pos.mapping import Mapping as TillMapping
from channelsync_pos.webhooks import reduce_webhook
from channelsync_pos.wire import read_event
from channelsync_shopify.cursor import Cursor as ShopifyCursor
from channelsync_shopify.settings import ShopifySettings
from channelsync_shopify.webhooks import TOPICS
from channelsync_shopify.webhooks import Webhooks as ShopifyWebhooks
from channelsync_square.cursor import Cursor as SquareCursor
from channelsync_square.settings import SquareSettings
from channelsync_square.webhooks import SIGNATURE_HEADER, Keys
from channelsync_square.webhooks import Webhooks as SquareWebhooks
from tests.support import till
from tests.unit.configuration.samples import surroundings

__all__ = ["TARGETS", "Target"]

Target: TypeAlias = Callable[[bytes], None]

SHOP: Final = "acme.myshopify.com"
NOW: Final = 1_795_600_000.0
HOOK_URL: Final = "https://sync.example/webhooks/channel"
SELLER: Final = "A3CSYNCSELLER1"


class _Cursor(Protocol):
    def text(self) -> str: ...


class _Receiver(Protocol):
    def verify_webhook(self, request: WebhookRequest) -> Delivery: ...
    def parse(self, delivery: Delivery) -> Parsed: ...


def stored(delivery: Delivery) -> Delivery:
    """As it comes back from the database."""
    kept = json.dumps(delivery.reduced, allow_nan=False).encode()
    return structs.replace(delivery, reduced=json.loads(kept))


def understood_or_refused(receiver: _Receiver, request: WebhookRequest) -> None:
    """What a receiver and, later, intake make of one authentic request."""
    try:
        delivery = receiver.verify_webhook(request)
        require_storable(delivery)
    except (BadDelivery, Unauthentic):
        return
    assert receiver.verify_webhook(request) == delivery
    try:
        parsed = receiver.parse(stored(delivery))
        require_holdable(parsed)
    except BadDelivery:
        return
    assert receiver.parse(stored(delivery)) == parsed
    repr(parsed).encode()


def require_words(text: str) -> None:
    """A refusal says something."""
    assert text.strip()


# ------------------------------------------------------------------ webhooks


@cache
def shopify() -> ShopifyWebhooks:
    given = {"shop": SHOP, "access_token": "t", "location_id": "1", "webhook_secret": "hush"}
    return ShopifyWebhooks(ShopifySettings.model_validate(given))


def shopify_request(body: bytes, **headers: str) -> WebhookRequest:
    sent = {
        "x-shopify-topic": "orders/create",
        "x-shopify-hmac-sha256": base64_hmac_sha256(b"hush", body),
        "x-shopify-shop-domain": SHOP,
        "x-shopify-event-id": "event-1",
        "x-shopify-webhook-id": "webhook-1",
        "x-shopify-triggered-at": "2026-11-20T14:15:03.5Z",
    }
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    return WebhookRequest(url=HOOK_URL, headers=sent, body=body, received_at=NOW)


def shopify_webhook(data: bytes) -> None:
    """A topic on the first line, then a signed body."""
    topic, _, body = data.partition(b"\n")
    name = topic.decode("latin-1")
    if name not in TOPICS:
        name = sorted(TOPICS)[len(topic) % len(TOPICS)]
    understood_or_refused(shopify(), shopify_request(body, x_shopify_topic=name))


def shopify_headers(data: bytes) -> None:
    """One header a line, beside a genuine signature or over it."""
    headers = headers_of(data)
    body = b'{"id": 1, "line_items": []}'
    request = shopify_request(body, **headers)
    understood_or_refused(shopify(), request)


def headers_of(data: bytes) -> dict[str, str]:
    """`name: value` lines, in the characters that a server lets through (RFC 9110, 5.5)."""
    lines = re.sub(rb"[\x00-\x08\x0b-\x1f\x7f]", b"", data).decode("latin-1").split("\n")
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


@cache
def square() -> SquareWebhooks:
    given = {"access_token": "t", "location_id": "L1", "webhook_key": "k"}
    settings = SquareSettings.model_validate(given)
    return SquareWebhooks(settings, Keys(settings))


def square_webhook(data: bytes) -> None:
    """A signed body."""
    signature = base64_hmac_sha256(b"k", HOOK_URL.encode() + data)
    headers = {SIGNATURE_HEADER: signature}
    request = WebhookRequest(url=HOOK_URL, headers=headers, body=data, received_at=NOW)
    understood_or_refused(square(), request)


class _Till:
    """A till's receiving half, without the channel around it."""

    def verify_webhook(self, request: WebhookRequest) -> Delivery:
        return reduce_webhook(request, (decode_standard_secret(till.SECRET),))

    def parse(self, delivery: Delivery) -> Parsed:
        return TillMapping("soho").parsed(read_event(delivery.topic, delivery.reduced))


def till_webhook(data: bytes) -> None:
    """A signed body."""
    understood_or_refused(_Till(), till.signed(data))


def till_headers(data: bytes) -> None:
    """One header a line, over those of a genuine sale."""
    request = till.signed(till.event("pos.sale.completed", till.sale()))
    headers = {**request.headers, **headers_of(data)}
    understood_or_refused(_Till(), structs.replace(request, headers=headers))


class _Queue:
    """Amazon's notifications come by a queue and carry no signature."""

    def verify_webhook(self, request: WebhookRequest) -> Delivery:
        return notifications.reduce(request.body, seller_id=SELLER)

    def parse(self, delivery: Delivery) -> Parsed:
        return notifications.parse(delivery)


def amazon_notification(data: bytes) -> None:
    """A message of the queue."""
    request = WebhookRequest(url=HOOK_URL, headers={}, body=data, received_at=NOW)
    understood_or_refused(_Queue(), request)


def amazon_report(data: bytes) -> None:
    """The report of a feed, packed or not: the first byte says."""
    try:
        read_feed_report(data[1:], "GZIP" if data[:1] == b"z" else None)
    except Retryable:
        return


# ------------------------------------------------------------------ files


def till_report(data: bytes) -> None:
    """A file that a till dropped."""
    zone = ZoneInfo("Europe/Berlin")
    try:
        report = read_report(data, register_id="T3", zone=zone, now=till.NOW)
    except SheetRefused as refused:
        require_words(str(refused))
        return
    numbers = [event.sequence for event in report.events]
    assert numbers == sorted(numbers)
    mapping = TillMapping("soho")
    for event in report.events:
        mapping.parsed(event)


def stock_sheet(data: bytes) -> None:
    """A stock CSV of a merchant."""
    try:
        rows, errors = read_sheet(data, source="stock.csv")
    except CsvRefused as refused:
        require_words(str(refused))
        return
    assert all(error.text for error in errors)
    if rows:
        again, mistakes = read_sheet(write_sheet(rows), source="again.csv")
        assert mistakes == []
        assert [replace(row, row=0) for row in again] == [replace(row, row=0) for row in rows]


def configuration(data: bytes) -> None:
    """A merchant's YAML."""
    try:
        load_bytes(data, surroundings(), name="shop.yaml")
    except ConfigurationInvalid as invalid:
        said = invalid.text()
        assert said
        assert said.replace("\n", "").isprintable()
        json.dumps(invalid.as_json()).encode()


# ------------------------------------------------------------------ cursors


def cursor(read: Callable[[str], _Cursor]) -> Target:
    """Where a poll goes on, out of the database."""

    def target(data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        try:
            place = read(text)
        except Misconfigured:
            return
        assert read(place.text()) == place

    return target


def standard_secret(data: bytes) -> None:
    """A signing secret as it stands in a file."""
    try:
        decode_standard_secret(data.decode("utf-8", "surrogateescape"))
    except ValueError:
        return


TARGETS: Final[Mapping[str, Target]] = {
    "amazon_cursor": cursor(AmazonCursor.read),
    "amazon_notification": amazon_notification,
    "amazon_report": amazon_report,
    "configuration": configuration,
    "shopify_cursor": cursor(ShopifyCursor.read),
    "shopify_headers": shopify_headers,
    "shopify_webhook": shopify_webhook,
    "square_cursor": cursor(SquareCursor.read),
    "square_webhook": square_webhook,
    "standard_secret": standard_secret,
    "stock_sheet": stock_sheet,
    "till_cursor": cursor(TillCursor.read),
    "till_headers": till_headers,
    "till_report": till_report,
    "till_webhook": till_webhook,
}
"""By name, which is also the name of its folder in the corpus."""
