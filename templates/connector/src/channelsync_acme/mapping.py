"""What Acme's orders and offers mean to the books."""

from __future__ import annotations

from channelsync.sdk.types import CancelEffect, OrderFact, RemoteListing
from channelsync_acme.wire import Offer, Order

__all__ = ["facts_of", "listings_of"]


def facts_of(order: Order) -> tuple[OrderFact, ...]:
    """One fact a line: its full state, so that it does not matter which arrives first."""
    return tuple(
        OrderFact(
            order_id=order.id,
            line_id=line.id,
            sku=line.sku,
            external={"offer_id": line.offer_id},
            ordered=line.ordered,
            cancelled=line.cancelled,
            shipped=line.shipped,
            version=order.changed_at.timestamp(),
            sold_at=order.placed_at.timestamp(),
            cancelled_at=order.cancelled_at.timestamp() if order.cancelled_at else None,
            shipped_at=order.shipped_at.timestamp() if order.shipped_at else None,
            # Acme puts cancelled units back on sale, always. Say UNSURE where you cannot know.
            cancel_effect=CancelEffect.RELISTED,
        )
        for line in order.lines
    )


def listings_of(offers: list[Offer]) -> list[RemoteListing]:
    """Every offer; those that nobody could sync safely bear the reason."""
    skus = [offer.sku for offer in offers]
    return [
        RemoteListing(
            sku=offer.sku,
            external={"offer_id": offer.id},
            title=offer.title,
            quantity=offer.quantity,
            refused=_unfit(offer, skus.count(offer.sku)),
        )
        for offer in offers
    ]


def _unfit(offer: Offer, same_sku: int) -> str | None:
    if not offer.sku.strip():
        return "it has no SKU"
    if same_sku > 1:
        return f"{same_sku} offers share the SKU {offer.sku!r}: make it unique"
    if offer.sells_beyond_stock:
        return "it sells on when out of stock: turn that off"
    return None
