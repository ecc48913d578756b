"""The catalogue and location endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from channelsync_square.simulator.bodies import (
    item_body,
    location_body,
    unit_body,
    variation_body,
)
from channelsync_square.simulator.paging import paged
from channelsync_square.simulator.refusals import Refusal
from channelsync_square.simulator.state import Variation, World

__all__ = ["CatalogApi"]

VALUES_MAX: Final = 250
PAGE_SIZE_MAX: Final = 1_000


class CatalogApi:
    """Reads the catalogue."""

    def __init__(self, world: World) -> None:
        self._world = world

    def locations(self) -> dict[str, Any]:
        """`GET /v2/locations`."""
        places = self._world.locations.values()
        return {"locations": [location_body(one, self._world) for one in places]}

    def search(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """`POST /v2/catalog/search`, of variations. Square compares SKUs without their case."""
        if body.get("object_types") != ["ITEM_VARIATION"]:
            raise Refusal(400, "INVALID_VALUE", "object_types", "Only variations are simulated")
        found = [one for one in self._world.variations.values() if not one.deleted]
        query = (body.get("query") or {}).get("set_query")
        if query is not None:
            values = query.get("attribute_values") or []
            if len(values) > VALUES_MAX or query.get("attribute_name") != "sku":
                raise Refusal(400, "ARRAY_LENGTH_TOO_LONG", "query.set_query.attribute_values")
            wanted = {str(value).casefold() for value in values}
            found = [one for one in found if (one.sku or "").casefold() in wanted]
        answer = paged(body, "objects", found, lambda one: one, size_max=PAGE_SIZE_MAX)
        return self._told(answer, related=bool(body.get("include_related_objects")))

    def batch(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """`POST /v2/catalog/batch-retrieve`. Unknown ids are left out, deleted ones too."""
        ids = body.get("object_ids") or []
        if len(ids) > PAGE_SIZE_MAX:
            raise Refusal(400, "ARRAY_LENGTH_TOO_LONG", "object_ids")
        known = self._world.variations
        found = [known[i] for i in ids if i in known and not known[i].deleted]
        return self._told({"objects": found}, related=bool(body.get("include_related_objects")))

    def _told(self, answer: dict[str, Any], *, related: bool) -> dict[str, Any]:
        found: list[Variation] = answer["objects"]
        answer["objects"] = [variation_body(one) for one in found]
        if related:
            answer["related_objects"] = [item_body(one) for one in found]
            answer["related_objects"] += [unit_body(one) for one in found if one.unit_id]
        return answer
