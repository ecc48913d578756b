"""Signed webhooks: Standard Webhooks, symmetric signatures (`v1`) only.

Whoever cannot sign gets one answer, `Unauthentic`, whatever he sends: every header is checked for
its form before it is used, so that no odd byte can raise anything else. Source: the specification
at standardwebhooks.com, "Signature scheme" and "Webhook headers".
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Final

from channelsync.sdk.errors import BadDelivery, Unauthentic
from channelsync.sdk.signatures import matches_any, standard_webhook_signature
from channelsync.sdk.types import Delivery, Instant, WebhookRequest
from channelsync_pos.wire import CountEvent, Event, read_envelope, read_event

__all__ = ["TOLERANCE_SECONDS", "authenticate", "reduce", "reduce_webhook"]

TOLERANCE_SECONDS: Final = 300.0
SIGNATURES_MAX: Final = 8
"""A rotation needs two; each further one costs a comparison."""
ID_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
TIMESTAMP_PATTERN: Final = re.compile(r"[1-9][0-9]{8,11}", re.ASCII)
SIGNATURES_PATTERN: Final = re.compile(r"[\x21-\x7e]{1,200}(?: [\x21-\x7e]{1,200})*", re.ASCII)


def authenticate(request: WebhookRequest, secrets: Sequence[bytes]) -> str:
    """The webhook's id, once its signature and age are proven.

    Raises:
        Unauthentic: they are not; the message says which header to look at.
    """
    message_id = _header(request.headers, "webhook-id", ID_PATTERN)
    timestamp = int(_header(request.headers, "webhook-timestamp", TIMESTAMP_PATTERN))
    given = _header(request.headers, "webhook-signature", SIGNATURES_PATTERN).split(" ")
    if len(given) > SIGNATURES_MAX:
        raise Unauthentic(f"webhook-signature lists more than {SIGNATURES_MAX} signatures")
    expected = [
        standard_webhook_signature(secret, message_id, timestamp, request.body)
        for secret in secrets
    ]
    # Every candidate is compared, so that the time taken tells nothing.
    matches = [matches_any(one, expected) for one in given]
    if True not in matches:
        raise Unauthentic("webhook-signature does not match: check webhook_secret on both sides")
    if abs(request.received_at - timestamp) > TOLERANCE_SECONDS:
        raise Unauthentic(
            f"webhook-timestamp is more than {TOLERANCE_SECONDS:.0f} s from now: check the till's"
            " clock; each retry bears the time of its own attempt"
        )
    return message_id


def _header(headers: Mapping[str, str], name: str, form: re.Pattern[str]) -> str:
    value = headers.get(name)
    if value is None:
        raise Unauthentic(f"the header {name} is missing")
    if not form.fullmatch(value):
        raise Unauthentic(f"the header {name} is malformed")
    return value


def reduce_webhook(request: WebhookRequest, secrets: Sequence[bytes]) -> Delivery:
    """An authentic webhook, reduced to what may be stored.

    Raises:
        Unauthentic: its headers prove nothing.
        BadDelivery: its body is not an event of ours.
    """
    message_id = authenticate(request, secrets)
    envelope = read_envelope(request.body)
    event = read_event(envelope.type, envelope.data)
    # A retry repeats id and body. An id used again for other news must not swallow them.
    digest = hashlib.sha256(request.body).hexdigest()[:16]
    return reduce(
        envelope.type, event, dedupe_key=f"{message_id}:{digest}", received_at=request.received_at
    )


def reduce(kind: str, event: Event, *, dedupe_key: str, received_at: Instant) -> Delivery:
    """An event, reduced to what may be stored.

    Raises:
        BadDelivery: a count from the future, which would hide sales yet to come.
    """
    if isinstance(event, CountEvent) and event.as_of > received_at + TOLERANCE_SECONDS:
        raise BadDelivery(
            f"{kind}: as_of lies {event.as_of - received_at:.0f} s in the future: set the clock of"
            f" register {event.register_id} and count again"
        )
    return Delivery(
        dedupe_key=dedupe_key,
        topic=kind,
        reduced=event.model_dump(mode="json", exclude_none=True),
    )
