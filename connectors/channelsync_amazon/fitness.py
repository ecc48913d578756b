"""Which offers may be written at all, and what one read of an offer shows.

Sending a quantity to an offer that Amazon fulfils turns it into one that the merchant fulfils and
strands the stock in Amazon's warehouse; an offer marked as always available is not counted at all.
Both are refused, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from channelsync_amazon.wire import ListingItem

__all__ = ["DEFAULT", "MISSING", "unfit", "units_live"]

DEFAULT: Final = "DEFAULT"
"""The code of stock that the merchant keeps and sends."""
MISSING: Final = "Amazon shows no quantity of the merchant's own for it"


def units_live(items: Sequence[ListingItem]) -> int | None:
    """What is on sale; the highest, should marketplaces tell different numbers. None: no counter.

    The quantity belongs to seller and SKU, not to a marketplace, so one number is the rule.
    """
    told = [
        one.quantity
        for item in items
        for one in item.fulfillment_availability
        if one.fulfillment_channel_code == DEFAULT and one.quantity is not None
    ]
    return max(told, default=None)


def unfit(items: Sequence[ListingItem]) -> str:
    """Why an offer, as its marketplaces show it, may not be written; empty when it may."""
    codes = sorted(
        {one.fulfillment_channel_code for item in items for one in item.fulfillment_availability}
        | {str(one.get("fulfillment_channel_code", "")) for one in _submitted(items)} - {""}
    )
    others = [code for code in codes if code != DEFAULT]
    amazons = [code for code in others if code.startswith("AMAZON")]
    if amazons:
        return (
            f"Amazon fulfils it ({', '.join(amazons)}): a quantity of ours would turn it into an"
            " offer that the merchant fulfils"
        )
    if others:
        return (
            f"its stock is kept by source ({', '.join(others)}): multi-location inventory is not"
            " supported, give such an offer a SKU of its own"
        )
    if any(one.get("is_inventory_available") for one in _submitted(items)):
        return "it is marked as always available, so Amazon does not count it: give it a quantity"
    return _split(items)


def _split(items: Sequence[ListingItem]) -> str:
    """One offer with several numbers has no single counter.

    Marketplaces are not compared with each other: they are read one after the other, and what was
    submitted to one of them does not show in the next.
    """
    for item in items:
        live = {one.quantity for one in item.fulfillment_availability if one.quantity is not None}
        sent = {one.get("quantity") for one in _submitted([item])} - {None}
        if len(live) > 1 or len(sent) > 1:
            return (
                "its quantity is split over marketplaces: Amazon counts by seller and SKU, so give"
                " each marketplace a SKU of its own"
            )
    return ""


def _submitted(items: Sequence[ListingItem]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for item in items:
        told = item.attributes.get("fulfillment_availability")
        found += [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    return found
