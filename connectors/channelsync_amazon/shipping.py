"""Telling Amazon that an order left the house: `confirmShipment`, one call a package.

It stays in version 0 of the Orders API. The same package reference again edits the shipment, so a
confirmation may be repeated ("Confirm a shipment"). Amazon counts it as shipped once its own order
says so; that comes back by the order feed like every other change.
"""

from __future__ import annotations

import json
import re
from typing import Final

from channelsync.sdk.errors import Misconfigured
from channelsync.sdk.types import Shipment
from channelsync_amazon.api import AmazonApi, Call, path_part
from channelsync_amazon.settings import AmazonSettings
from channelsync_amazon.times import iso

__all__ = ["Shipping"]

REFERENCE: Final = re.compile(r"[1-9]\d{0,8}")


class Shipping:
    """The shipping half of an open channel."""

    def __init__(self, api: AmazonApi, settings: AmazonSettings) -> None:
        self._api = api
        self._marketplaces = settings.marketplace_ids

    async def confirm(self, shipment: Shipment) -> None:
        """Tell of one package.

        Raises:
            Misconfigured: Amazon refuses it, or it is none that Amazon takes.
            ConnectorError: it was not told; telling it again does no harm.
        """
        if not REFERENCE.fullmatch(shipment.reference):
            raise Misconfigured(
                f"package {shipment.reference!r}: Amazon numbers packages, write a positive number"
            )
        known = shipment.origin in self._marketplaces
        content = {
            "marketplaceId": shipment.origin if known else self._marketplaces[0],
            "packageDetail": {
                "packageReferenceId": shipment.reference,
                "carrierCode": shipment.carrier,
                "trackingNumber": shipment.tracking,
                "shipDate": iso(shipment.shipped_at),
                "orderItems": [
                    {"orderItemId": line_id, "quantity": units} for line_id, units in shipment.lines
                ],
            },
        }
        call = Call(
            operation="confirmShipment",
            method="POST",
            path=f"/orders/v0/orders/{path_part(shipment.order_id)}/shipmentConfirmation",
            body=json.dumps(content).encode(),
        )
        await self._api.read(call)
