"""Fetching whole orders: every line, and what was refunded or shipped where that is needed.

Most orders need one query. Refunds and fulfilments cost ten times as much to ask for, so they are
fetched only for orders of which something was taken off or came back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from channelsync.sdk.errors import Retryable
from channelsync_shopify.api import ShopifyApi, TooCostly
from channelsync_shopify.documents import (
    FULFILLMENT_UNITS,
    ORDER_CHANGES,
    ORDER_LINES,
    ORDERS,
    REFUND_UNITS,
)
from channelsync_shopify.mapping import (
    UNDONE,
    LineView,
    OrderView,
    Refunded,
    Shipment,
    Shipped,
    safe_origin,
    safe_status,
    units_shipped,
)
from channelsync_shopify.wire import Page, understood
from channelsync_shopify.wire_orders import (
    ChangesAnswer,
    Fulfillment,
    FulfillmentUnit,
    FulfillmentUnitsAnswer,
    OrderChanges,
    OrderLine,
    OrderLinesAnswer,
    OrderNode,
    OrdersAnswer,
    Refund,
    RefundUnit,
    RefundUnitsAnswer,
)

__all__ = ["OrderDetails"]

GROUP_SIZE: Final = 5
LINES: Final = 50
MANY: Final = 10
"""Refunds, and fulfilments, of one order that are looked at."""
UNITS: Final = 15
"""Lines of a refund or fulfilment in one answer; more are paged."""
SNAPSHOT_TRIES_MAX: Final = 3


class _ChangedMeanwhile(Exception):
    """The order changed between two queries, so their answers do not belong together."""


@dataclass(slots=True)
class _Changes:
    """Refunds and fulfilments by line."""

    refunded: dict[str, list[Refunded]] = field(default_factory=dict)
    shipments: dict[str, list[Shipment]] = field(default_factory=dict)


class OrderDetails:
    """Turns order ids into complete views."""

    def __init__(self, api: ShopifyApi) -> None:
        self._api = api

    async def fetch(self, ids: Sequence[str]) -> list[OrderView]:
        """Views of the orders that exist. One that changes all the time is tried again later.

        Raises:
            ConnectorError: they could not all be fetched.
        """
        views: list[OrderView] = []
        for start in range(0, len(ids), GROUP_SIZE):
            nodes = await self._nodes(ids[start : start + GROUP_SIZE], LINES)
            views += [await self._complete(node) for node in nodes]
        return views

    async def _nodes(self, ids: Sequence[str], lines: int) -> list[OrderNode]:
        variables = {"ids": list(ids), "lines": lines, "after": None}
        try:
            answer = await self._api.read(ORDERS, variables)
        except TooCostly:
            if len(ids) == 1:
                if lines == 1:
                    raise
                return await self._nodes(ids, lines // 2)
            middle = len(ids) // 2
            first = await self._nodes(ids[:middle], lines)
            return first + await self._nodes(ids[middle:], lines)
        return [node for node in understood(OrdersAnswer, answer).nodes if node is not None]

    async def _complete(self, node: OrderNode) -> OrderView:
        for _ in range(SNAPSHOT_TRIES_MAX):
            try:
                lines = await self._lines(node)
                if not _needs_changes(node, lines):
                    return _view(node, lines, None)
                return _view(node, lines, await self._changes(node))
            except _ChangedMeanwhile:
                nodes = await self._nodes([node.id], LINES)
                if not nodes:
                    break
                node = nodes[0]
        raise Retryable(f"order {node.id} changes while it is being read")

    async def _lines(self, node: OrderNode) -> list[OrderLine]:
        lines = list(node.line_items.nodes)
        page = node.line_items.page_info
        while page.has_next_page:
            variables = {"id": node.id, "lines": LINES, "after": page.end_cursor}
            answer = await self._api.read(ORDER_LINES, variables)
            more = understood(OrderLinesAnswer, answer).node
            if more is None or more.updated_at != node.updated_at:
                raise _ChangedMeanwhile
            lines += more.line_items.nodes
            page = more.line_items.page_info
        return lines

    async def _changes(self, node: OrderNode) -> _Changes:
        told = await self._told_changes(node.id, UNITS)
        if told is None or told.updated_at != node.updated_at:
            raise _ChangedMeanwhile
        changes = _Changes()
        for refund in told.refunds:
            for unit in await self._refund_units(refund):
                changes.refunded.setdefault(unit.line_item.id, []).append(_refunded(refund, unit))
        for fulfilment in told.fulfillments:
            for part in await self._fulfillment_units(fulfilment):
                shipment = Shipment(
                    status=fulfilment.status,
                    units=part.quantity or 0,
                    at=fulfilment.created_at,
                )
                changes.shipments.setdefault(part.line_item.id, []).append(shipment)
        return changes

    async def _told_changes(self, order_id: str, units: int) -> OrderChanges | None:
        variables = {"id": order_id, "many": MANY, "units": units, "after": None}
        try:
            answer = await self._api.read(ORDER_CHANGES, variables)
        except TooCostly:
            if units == 1:
                raise
            return await self._told_changes(order_id, units // 2)
        return understood(ChangesAnswer, answer).node

    async def _refund_units(self, refund: Refund) -> list[RefundUnit]:
        page = refund.refund_line_items
        found = list(page.nodes)
        while page.page_info.has_next_page:
            variables = _more(refund.id, page)
            answer = await self._api.read(REFUND_UNITS, variables)
            node = understood(RefundUnitsAnswer, answer).node
            if node is None:
                raise _ChangedMeanwhile
            page = node.refund_line_items
            found += page.nodes
        return found

    async def _fulfillment_units(self, fulfilment: Fulfillment) -> list[FulfillmentUnit]:
        page = fulfilment.fulfillment_line_items
        found = list(page.nodes)
        while page.page_info.has_next_page:
            variables = _more(fulfilment.id, page)
            answer = await self._api.read(FULFILLMENT_UNITS, variables)
            node = understood(FulfillmentUnitsAnswer, answer).node
            if node is None:
                raise _ChangedMeanwhile
            page = node.fulfillment_line_items
            found += page.nodes
        return found


def _more(parent_id: str, page: Page[RefundUnit] | Page[FulfillmentUnit]) -> Mapping[str, object]:
    return {"id": parent_id, "units": LINES, "after": page.page_info.end_cursor}


def _refunded(refund: Refund, unit: RefundUnit) -> Refunded:
    consistent = unit.restocked == (unit.restock_type != "NO_RESTOCK")
    return Refunded(
        units=unit.quantity,
        # Where the type and the deed differ, nobody knows what the counter did.
        restock=unit.restock_type if consistent else "LEGACY_RESTOCK",
        location=unit.location.id if unit.location is not None else None,
        at=refund.created_at,
    )


def _needs_changes(node: OrderNode, lines: Sequence[OrderLine]) -> bool:
    """Whether the order's own counts leave open what was shipped when, or what was put back."""
    undone = any(one.status in UNDONE for one in node.fulfillments)
    taken_off = any(line.current_quantity != line.quantity for line in lines)
    called_off = node.cancelled_at is not None
    in_parts = len(node.fulfillments) > 1
    return undone or taken_off or called_off or in_parts or bool(node.refunds)


def _view(node: OrderNode, lines: Sequence[OrderLine], changes: _Changes | None) -> OrderView:
    retail = node.retail_location
    return OrderView(
        order_id=node.id,
        test=node.test,
        confirmed=node.confirmed,
        financial_status=safe_status(node.display_financial_status),
        source=safe_origin(node.source_name),
        retail_location=retail.id if retail is not None else None,
        created_at=node.created_at,
        updated_at=node.updated_at,
        cancelled_at=node.cancelled_at,
        lines=tuple(_line_view(node, line, changes) for line in lines),
    )


def _line_view(node: OrderNode, line: OrderLine, changes: _Changes | None) -> LineView:
    variant = line.variant
    refunded = changes.refunded.get(line.id, []) if changes is not None else []
    shipped = _shipped(node, line, changes)
    return LineView(
        line_id=line.id,
        sku=line.sku,
        variant_id=variant.id if variant is not None else None,
        inventory_item_id=variant.inventory_item.id if variant is not None else None,
        tracked=variant.inventory_item.tracked if variant is not None else None,
        gift_card=line.is_gift_card,
        quantity=line.quantity,
        current=line.current_quantity,
        unfulfilled=line.unfulfilled_quantity,
        shipped=shipped.ever,
        standing=shipped.standing,
        shipped_at=shipped.at,
        refunded=tuple(refunded),
    )


def _shipped(node: OrderNode, line: OrderLine, changes: _Changes | None) -> Shipped:
    if changes is None:
        # Nothing was taken off, so what is not still to ship has left, in the one fulfilment.
        units = line.quantity - line.unfulfilled_quantity
        if not node.fulfillments or not units:
            return Shipped()
        return Shipped(ever=units, standing=units, at=node.fulfillments[0].created_at)
    known = units_shipped(line.quantity, changes.shipments.get(line.id, []))
    # Should there be more fulfilments than were looked at, this much has surely left.
    surely = line.current_quantity - line.unfulfilled_quantity
    if node.cancelled_at is not None or not node.fulfillments or surely <= known.standing:
        return known
    return Shipped(ever=max(known.ever, surely), standing=surely, at=None)
