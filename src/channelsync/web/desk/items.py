"""`/change/items`: a new item, before anything of it lies anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync.engine.stock_errors import ItemExists
from channelsync.web.api.items import NewItem, making
from channelsync.web.dashboard.frame import Crumb
from channelsync.web.desk.desk import Desk, Outcome
from channelsync.web.desk.forms import read_form, validated
from channelsync.web.gate import principal_of

__all__ = ["ItemPages"]

PATH: Final = "/change/items"
CRUMBS: Final = (Crumb("Items", "/items"),)


class ItemPages:
    """One page with one form."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def routes(self) -> Sequence[Route]:
        """Where it is."""
        return (
            Route(PATH, self.offer, methods=["GET"]),
            Route(PATH, self.make, methods=["POST"]),
        )

    async def offer(self, request: Request) -> Response:
        """The form."""
        return self._page(request, {})

    async def make(self, request: Request) -> Response:
        """Make the item, and go on to its first count."""
        form = await read_form(request)
        tags = [tag for text in form.get("tags").split(",") if (tag := text.strip())]
        sku = form.get("sku")
        body, errors = validated(NewItem, {"sku": sku, "name": form.get("name"), "tags": tags})
        if body is None:
            return self._page(request, form.kept(), errors=errors)
        act = making(body, principal_of(request).name)
        outcome = await self._desk.do(request, form, "item.create", act)
        if outcome.error == (taken := str(ItemExists(sku))):
            return self._page(request, form.kept(), errors={"sku": taken})
        if outcome.error is not None:
            return self._page(request, form.kept(), outcome)
        return self._desk.go(form, f"/change/stock?{urlencode({'sku': body.sku})}", "item-made")

    def _page(
        self,
        request: Request,
        values: Mapping[str, str],
        outcome: Outcome | None = None,
        errors: Mapping[str, str] | None = None,
    ) -> Response:
        return self._desk.page(
            request,
            "item",
            active="items",
            title="New item",
            crumbs=CRUMBS,
            outcome=outcome,
            errors=errors,
            values=values,
        )
