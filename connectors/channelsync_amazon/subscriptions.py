"""Keeping Amazon's notifications alive: one destination of the app, one subscription a kind.

Destinations belong to the app and need its own ("grantless") token; subscriptions belong to the
seller. Live quantities come by EventBridge alone, which is set up by hand (see the reference page).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from channelsync.sdk.errors import Misconfigured
from channelsync.sdk.types import SubscriptionReport
from channelsync.sdk.wire import CamelWire
from channelsync_amazon.api import AmazonApi, Call, NotFound
from channelsync_amazon.notifications import FEED_FINISHED, ORDER_CHANGE
from channelsync_amazon.settings import QueueAddress
from channelsync_amazon.wire import understood

__all__ = ["Subscriptions"]

PATH: Final = "/notifications/v1"
WANTED: Final[Mapping[str, Mapping[str, Any]]] = {
    ORDER_CHANGE: {
        "payloadVersion": "1.0",
        "processingDirective": {
            "eventFilter": {
                "eventFilterType": ORDER_CHANGE,
                "orderChangeTypes": ["OrderStatusChange", "BuyerRequestedChange"],
            }
        },
    },
    FEED_FINISHED: {"payloadVersion": "2020-09-04"},
}


class _Sqs(BaseModel):
    arn: str


class _Resource(BaseModel):
    sqs: _Sqs | None = None


class _Destination(CamelWire):
    destination_id: str
    resource: _Resource


class _Destinations(CamelWire):
    payload: tuple[_Destination, ...]


class _OneDestination(CamelWire):
    payload: _Destination


class _Subscription(CamelWire):
    destination_id: str


class _OneSubscription(CamelWire):
    payload: _Subscription


class Subscriptions:
    """The subscriptions of one channel."""

    def __init__(self, api: AmazonApi, queue: QueueAddress, channel: str) -> None:
        self._api = api
        self._queue = queue
        self._name = f"channelsync-{channel}"[:256]

    async def ensure(self) -> SubscriptionReport:
        """Make Amazon deliver every kind we need to the queue.

        Raises:
            Misconfigured: a kind is delivered elsewhere; the message says which.
        """
        destination = await self._destination()
        kept, created, elsewhere = [], [], []
        for kind in WANTED:
            known = await self._subscription(kind)
            if known is None:
                await self._subscribe(kind, destination)
                created.append(kind)
            elif known == destination:
                kept.append(kind)
            else:
                elsewhere.append(kind)
        if elsewhere:
            raise Misconfigured(
                f"{', '.join(elsewhere)} of this seller is delivered to another queue of the app:"
                " delete that subscription, or set manage_subscriptions to false"
            )
        return SubscriptionReport(kept=tuple(kept), created=tuple(created))

    async def _destination(self) -> str:
        call = Call(
            operation="getDestinations",
            method="GET",
            path=f"{PATH}/destinations",
            grantless=True,
        )
        for one in understood(_Destinations, await self._api.read(call)).payload:
            if one.resource.sqs is not None and one.resource.sqs.arn == self._queue.arn:
                return one.destination_id
        content = {
            "name": self._name,
            "resourceSpecification": {"sqs": {"arn": self._queue.arn}},
        }
        call = Call(
            operation="createDestination",
            method="POST",
            path=f"{PATH}/destinations",
            body=json.dumps(content).encode(),
            grantless=True,
        )
        return understood(_OneDestination, await self._api.read(call)).payload.destination_id

    async def _subscription(self, kind: str) -> str | None:
        """The destination of the subscription, or None where there is none."""
        path = f"{PATH}/subscriptions/{kind}"
        call = Call(operation="getSubscription", method="GET", path=path)
        try:
            answer = await self._api.read(call)
        except NotFound:
            return None
        return understood(_OneSubscription, answer).payload.destination_id

    async def _subscribe(self, kind: str, destination: str) -> None:
        content = {**WANTED[kind], "destinationId": destination}
        call = Call(
            operation="createSubscription",
            method="POST",
            path=f"{PATH}/subscriptions/{kind}",
            body=json.dumps(content).encode(),
        )
        await self._api.read(call)
