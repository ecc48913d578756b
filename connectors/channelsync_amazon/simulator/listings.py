"""Listings Items 2021-08-01: patch, get, search."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import islice
from random import Random
from typing import Any, Final

from channelsync_amazon.simulator.state import DEFAULT, Offer, World
from channelsync_amazon.simulator.wire import Asked, Reply, error, page_token, read_token, stamp
from channelsync_amazon.times import instant

__all__ = ["Listings"]

PAGED_MAX: Final = 1_000
PAGE_DEFAULT: Final = 10
PAGE_MAX: Final = 20
IDENTIFIERS_MAX: Final = 20
FREE: Final = frozenset({"pageToken", "includedData"})
ATTRIBUTE: Final = "fulfillment_availability"
SORTS: Final[dict[str, Callable[[Offer], Any]]] = {
    "sku": lambda offer: offer.sku,
    "createdDate": lambda offer: (offer.created_at, offer.sku),
    "lastUpdatedDate": lambda offer: (offer.updated_at, offer.sku),
}


class Listings:
    """The seller's offers over the wire."""

    def __init__(self, world: World, rng: Random) -> None:
        self._world = world
        self._rng = rng
        self.double_next = 0
        """So many of the coming patches are applied twice, the second time much later."""
        self._oldest_first: list[Offer] = []
        self._sorted_for: tuple[int, Offer | None] = (0, None)
        self.double_after_seconds = 300.0

    def get(self, asked: Asked) -> Reply:
        """`getListingsItem`."""
        refused = self._refused(asked)
        if refused is not None:
            return refused
        offer = self._world.offers.get(asked.path["sku"])
        place = asked.listed("marketplaceIds")[0]
        if offer is None or place not in offer.marketplaces:
            words = f"SKU '{asked.path['sku']}' not found in marketplace {place}"
            return error(404, "NOT_FOUND", words)
        return Reply(200, self._item(offer, place, asked.listed("includedData")))

    def search(self, asked: Asked) -> Reply:
        """`searchListingsItems`."""
        refused = self._refused(asked)
        if refused is not None:
            return refused
        size = int(asked.query.get("pageSize", PAGE_DEFAULT))
        if not 1 <= size <= PAGE_MAX:
            return error(400, "InvalidInput", "pageSize must be between 1 and 20")
        identifiers = asked.listed("identifiers")
        if len(identifiers) > IDENTIFIERS_MAX or (
            identifiers and asked.query.get("identifiersType") != "SKU"
        ):
            return error(400, "InvalidInput", "at most 20 identifiers, of type SKU")
        offset = 0
        if (token := asked.query.get("pageToken")) is not None:
            read = read_token(token, asked.query, FREE, asked.now)
            if read is None:
                return error(400, "InvalidInput", "Invalid pageToken")
            offset = read
        return Reply(200, self._page(asked, identifiers, offset, size))

    def _page(self, asked: Asked, identifiers: list[str], offset: int, size: int) -> dict[str, Any]:
        place = asked.listed("marketplaceIds")[0]
        key = SORTS[asked.query.get("sortBy", "lastUpdatedDate")]
        down = asked.query.get("sortOrder", "DESC") == "DESC"
        created_after = asked.query.get("createdAfter")
        begins = instant(created_after) if created_after is not None else None
        if identifiers:
            named = (self._world.offers.get(sku) for sku in dict.fromkeys(identifiers))
            found: Sequence[Offer] = sorted(
                (one for one in named if one is not None), key=key, reverse=down
            )
        elif key is SORTS["createdDate"] and not down:
            found = self._by_creation(begins)
        else:
            found = sorted(self._world.offers.values(), key=key, reverse=down)
        fitting = (
            one
            for one in found
            if place in one.marketplaces and (begins is None or one.created_at >= begins)
        )
        within = list(islice(fitting, PAGED_MAX))
        shown = within[offset : offset + size]
        body: dict[str, Any] = {
            "numberOfResults": len(within),
            "items": [self._item(one, place, asked.listed("includedData")) for one in shown],
        }
        if offset + size < len(within):
            body["pagination"] = {
                "nextToken": page_token(offset + size, asked.query, FREE, asked.now)
            }
        return body

    def _by_creation(self, begins: float | None) -> Sequence[Offer]:
        """The offers from an instant on, oldest first; sorted anew only when others were added."""
        offers = self._world.offers
        newest = next(reversed(offers.values()), None)
        if (len(offers), newest) != self._sorted_for:
            self._oldest_first = sorted(offers.values(), key=SORTS["createdDate"])
            self._sorted_for = (len(offers), newest)
        first = bisect_left(self._oldest_first, begins or 0.0, key=lambda one: one.created_at)
        return self._oldest_first[first:]

    def patch(self, asked: Asked) -> Reply:
        """`patchListingsItem`: accepted, stored, and applied later."""
        refused = self._refused(asked)
        if refused is not None:
            return refused
        body = asked.body
        if not isinstance(body, dict) or not body.get("productType") or not body.get("patches"):
            return error(400, "InvalidInput", "productType and patches are required")
        sku = asked.path["sku"]
        code, words, quantity = read_patches(body["patches"])
        if code:
            return Reply(200, self._answer(sku, [_issue(code, words)]))
        offer = self._world.offers.get(sku)
        # An unknown SKU is accepted too: an incomplete listing is stored, which is meant so.
        if offer is not None and quantity is not None:
            self._world.submit(offer, quantity, self._rng, self._world.application)
            if self.double_next:
                self.double_next -= 1
                offered = offer
                after = self.double_after_seconds
                self._world.later(after, lambda: self._world.apply(offered, quantity))
        return Reply(200, self._answer(sku, []))

    def _answer(self, sku: str, issues: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "sku": sku,
            "status": "INVALID" if issues else "ACCEPTED",
            "submissionId": f"{self._world.number():032x}",
            "issues": issues,
        }

    def _refused(self, asked: Asked) -> Reply | None:
        if asked.path["sellerId"] != self._world.seller_id:
            return error(403, "Unauthorized", "Access to requested resource is denied.")
        places = asked.listed("marketplaceIds")
        if not places or any(place not in self._world.marketplaces for place in places):
            return error(400, "InvalidInput", "Invalid 'marketplaceIds' provided.")
        return None

    def _item(self, offer: Offer, place: str, included: list[str]) -> dict[str, Any]:
        parts: dict[str, Callable[[], Any]] = {
            "summaries": lambda: [self._summary(offer, place)],
            "attributes": lambda: {ATTRIBUTE: self._submitted(offer, place)},
            "fulfillmentAvailability": lambda: live_of(offer),
            "issues": list[Any],
        }
        body: dict[str, Any] = {"sku": offer.sku}
        for name in included or ["summaries"]:
            if name in parts:
                body[name] = parts[name]()
        return body

    def _summary(self, offer: Offer, place: str) -> dict[str, Any]:
        return {
            "marketplaceId": place,
            "asin": offer.asin,
            "productType": "DRINKING_CUP",
            "conditionType": "new_new",
            "status": ["BUYABLE", "DISCOVERABLE"] if offer.live else ["DISCOVERABLE"],
            "itemName": offer.title,
            "createdDate": stamp(offer.created_at),
            "lastUpdatedDate": stamp(max(offer.updated_at, offer.created_at)),
        }

    def _submitted(self, offer: Offer, place: str) -> list[dict[str, Any]]:
        if offer.sources:
            return [
                {"fulfillment_channel_code": source, "quantity": units, "marketplace_id": place}
                for source, units in sorted(offer.sources.items())
            ]
        one: dict[str, Any] = {"fulfillment_channel_code": offer.code, "marketplace_id": place}
        if offer.always_available:
            one["is_inventory_available"] = True
        elif offer.code == DEFAULT:
            one["quantity"] = offer.submitted
        if offer.lead_time_days is not None:
            one["lead_time_to_ship_max_days"] = offer.lead_time_days
        return [one]


def live_of(offer: Offer) -> list[dict[str, Any]]:
    """The live quantity, by fulfilment network."""
    if offer.sources:
        return [
            {"fulfillmentChannelCode": source, "quantity": units}
            for source, units in sorted(offer.sources.items())
        ]
    if offer.code != DEFAULT:
        return [{"fulfillmentChannelCode": offer.code}]
    return [{"fulfillmentChannelCode": DEFAULT, "quantity": offer.live}]


def read_patches(patches: Any) -> tuple[str, str, int | None]:
    """Code and words of what is wrong, or the quantity that is set."""
    quantity: int | None = None
    for patch in patches if isinstance(patches, list) else []:
        if patch.get("path") != f"/attributes/{ATTRIBUTE}":
            return "90000900", "The attributes are invalid.", None
        for value in patch.get("value") or []:
            if not value.get("fulfillment_channel_code"):
                return "90220", f"'{ATTRIBUTE}' does not have enough values.", None
            told = value.get("quantity")
            if not isinstance(told, int) or isinstance(told, bool) or told < 0:
                return "90000900", "'quantity' must be a whole number of 0 or more.", None
            quantity = told
    return "", "", quantity


def _issue(code: str, message: str) -> dict[str, Any]:
    return {
        "code": code,
        "message": message,
        "severity": "ERROR",
        "attributeNames": [ATTRIBUTE],
        "categories": ["INVALID_ATTRIBUTE"],
    }
