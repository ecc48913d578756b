"""Webhooks: proven on their raw bytes, then reduced to what may be stored."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from pydantic import ValidationError

from channelsync.sdk.errors import BadDelivery, Unauthentic
from channelsync.sdk.signatures import matches_any
from channelsync.sdk.types import Delivery, Parsed, WebhookRequest
from channelsync_acme.mapping import facts_of
from channelsync_acme.wire import Order, WebhookBody, problem

__all__ = ["SIGNATURE", "TOPIC", "parse", "signature_of", "verify"]

SIGNATURE: Final = "x-acme-signature"
TOPIC: Final = "order.changed"


def signature_of(body: bytes, secret: str) -> str:
    """What Acme writes into the signature's header."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def verify(request: WebhookRequest, secret: str) -> Delivery:
    """Authenticate the raw bytes, then keep ids, SKUs, quantities and times.

    Raises:
        Unauthentic: they were not signed with our secret.
        BadDelivery: they were, and are not of the documented shape.
    """
    given = request.headers.get(SIGNATURE, "")
    if not matches_any(given, [signature_of(request.body, secret)]):
        raise Unauthentic(f"{SIGNATURE} does not match: check webhook_secret on both sides")
    try:
        body = WebhookBody.model_validate_json(request.body)
    except ValidationError as error:
        raise BadDelivery(f"not a webhook of Acme's: {problem(error)}") from None
    return Delivery(
        dedupe_key=body.event_id,
        topic=TOPIC,
        reduced=body.order.model_dump(mode="json", exclude_none=True),
    )


def parse(delivery: Delivery) -> Parsed:
    """What a stored delivery says. Pure.

    Raises:
        BadDelivery: it was stored in another shape.
    """
    try:
        order = Order.model_validate(dict(delivery.reduced))
    except ValidationError as error:
        raise BadDelivery(f"a stored {delivery.topic[:40]!r}: {problem(error)}") from None
    return Parsed(facts=facts_of(order))
