"""Webhooks: proven genuine on address and raw bytes, then reduced to what may be stored.

Signature: base64 of HMAC-SHA256 over the subscribed address and the raw body (Square, "Verify
webhooks"). No time is signed, so nothing but the event's id tells a replay. Square's events are
thin, may come twice and in any order: they say where to look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from channelsync.sdk.errors import BadDelivery, Unauthentic
from channelsync.sdk.signatures import base64_hmac_sha256, matches_any
from channelsync.sdk.types import Delivery, LookAt, Parsed, ShownQuantity, WebhookRequest
from channelsync.sdk.wire import Wire
from channelsync_square.settings import Mode, SquareSettings
from channelsync_square.times import units_at_least
from channelsync_square.wire import Count
from channelsync_square.wire_orders import Payment

__all__ = ["EVENT_TYPES", "SIGNATURE_HEADER", "Keys", "Webhooks"]

SIGNATURE_HEADER: Final = "x-square-hmacsha256-signature"
TYPE_LENGTH_MAX: Final = 100
EVENT_ID_LENGTH_MAX: Final = 100
Reduced = dict[str, Any]


class Keys:
    """The keys that may sign: the configured ones, and those that Square told us."""

    def __init__(self, settings: SquareSettings) -> None:
        self._configured = settings.webhook_keys
        self._learnt: tuple[bytes, ...] = ()

    @property
    def accepted(self) -> tuple[bytes, ...]:
        """All of them."""
        return (*self._configured, *self._learnt)

    def learn(self, keys: tuple[str, ...]) -> None:
        """Square's word on the subscriptions of our address, in place of its last one."""
        self._learnt = tuple(key.encode() for key in keys)


# ------------------------------------------------------------------ what is read of a body


class Data(Wire):
    """What an event is about."""

    object: dict[str, Any] | None = None


class Envelope(Wire):
    """What every event has."""

    type: str
    event_id: str
    data: Data = Data()


class CountsTold(Wire):
    """New counts."""

    inventory_counts: tuple[Count, ...] = ()


class OrderTold(Wire):
    """An order that came or changed."""

    order_id: str
    location_id: str | None = None


class RefundTold(Wire):
    """Money that goes back."""

    location_id: str | None = None


def _counts(told: Mapping[str, Any], here: str) -> Reduced:
    counts = CountsTold.model_validate(told).inventory_counts
    return {
        "counts": [
            {
                "variation_id": one.catalog_object_id,
                "quantity": units_at_least(one.quantity),
                "at": one.calculated_at,
            }
            for one in counts
            if one.location_id == here and one.state == "IN_STOCK"
        ]
    }


def _order(told: Mapping[str, Any], here: str) -> Reduced:
    order = OrderTold.model_validate(next(iter(told.values()), {}))
    return {"order_id": order.order_id} if order.location_id in {None, here} else {}


def _payment(told: Mapping[str, Any], here: str) -> Reduced:
    payment = Payment.model_validate(told.get("payment"))
    if payment.location_id not in {None, here}:
        return {}
    if payment.goods_left_unpaid and payment.order_id is not None:
        return {"order_id": payment.order_id}
    return {"feed": True}


def _refund(told: Mapping[str, Any], here: str) -> Reduced:
    refund = RefundTold.model_validate(told.get("refund"))
    return {"feed": True} if refund.location_id in {None, here} else {}


def _catalogue(_told: Mapping[str, Any], _here: str) -> Reduced:
    return {"catalogue": True}


EVENT_TYPES: Final[Mapping[str, Callable[[Mapping[str, Any], str], Reduced]]] = {
    "inventory.count.updated": _counts,
    "order.created": _order,
    "order.updated": _order,
    "order.fulfillment.updated": _order,
    "payment.created": _payment,
    "payment.updated": _payment,
    "refund.created": _refund,
    "refund.updated": _refund,
    "catalog.version.updated": _catalogue,
}
"""Every event we subscribe to, with what is kept of its body."""


class Webhooks:
    """The receiving half of an open channel."""

    def __init__(self, settings: SquareSettings, keys: Keys) -> None:
        self._settings = settings
        self._keys = keys

    def verify_webhook(self, request: WebhookRequest) -> Delivery:
        """Authenticate address and raw bytes, then keep identifiers, quantities and times.

        Raises:
            Unauthentic: no key of ours signed these bytes for our address.
            BadDelivery: authentic, but not of its type's shape.
        """
        self._authenticate(request)
        try:
            envelope = Envelope.model_validate_json(request.body)
            reduced = self._reduce(envelope)
        except ValidationError as error:
            place = ".".join(map(str, error.errors()[0]["loc"])) or "its body"
            raise BadDelivery(f"a Square event is not of the documented shape at {place}") from None
        event_id = envelope.event_id[:EVENT_ID_LENGTH_MAX]
        kind = envelope.type[:TYPE_LENGTH_MAX]
        # Square's own examples give one event id to a refund's creation and to its update.
        return Delivery(dedupe_key=f"{kind}:{event_id}", topic=kind, reduced=reduced)

    def _authenticate(self, request: WebhookRequest) -> None:
        keys = self._keys.accepted
        if not keys:
            raise Unauthentic("webhook_key is not set, so no webhook can be verified")
        address = self._settings.notification_url or request.url
        signed = address.encode() + request.body
        given = request.headers.get(SIGNATURE_HEADER, "")
        if not given or not matches_any(given, [base64_hmac_sha256(key, signed) for key in keys]):
            raise Unauthentic(
                f"the signature is not by any key of this channel, or not for {address}: is this"
                " the subscription's address? If not, set notification_url"
            )

    def _reduce(self, envelope: Envelope) -> Reduced:
        reduce = EVENT_TYPES.get(envelope.type)
        if reduce is None:
            # Test notifications, and events that somebody ticked in Square's console.
            return {}
        return reduce(envelope.data.object or {}, self._settings.location_id)

    def parse(self, delivery: Delivery) -> Parsed:
        """What a stored delivery says. Pure.

        Raises:
            BadDelivery: the reduction is not understood.
        """
        try:
            return Parsed(look_at=self._look(delivery.reduced))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            kind = type(error).__name__
            raise BadDelivery(f"a stored {delivery.topic} is not understood ({kind})") from None

    def _look(self, reduced: Mapping[str, Any]) -> LookAt | None:
        if "order_id" in reduced:
            return LookAt(orders=(str(reduced["order_id"]),))
        if "catalogue" in reduced:
            return LookAt(catalogue=True)
        counts = reduced.get("counts", ())
        shown = tuple(
            ShownQuantity(
                external={"variation_id": str(one["variation_id"])},
                quantity=int(one["quantity"]),
                at=float(one["at"]),
            )
            for one in counts
        )
        if not counts and "feed" not in reduced:
            return None
        # A mirrored number holds more than our share by its nature: that is no news.
        granted = self._settings.mode is Mode.QUOTA
        return LookAt(shown=shown if granted else (), feed=True)
