"""`/change/stock`: counting, correcting and holding back units of one item at one location."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync.engine.browse import Wanted, levels_page
from channelsync.engine.stock_errors import StockError
from channelsync.engine.stock_places import find_item
from channelsync.store.stock_queries import load_locations
from channelsync.web.api.counter import UseCase, require_reach
from channelsync.web.api.stock import (
    Adjustment,
    Count,
    Setting,
    adjusting,
    counting,
    editing,
    keeping_back,
)
from channelsync.web.desk.desk import Desk
from channelsync.web.desk.forms import Form, number, read_form, validated
from channelsync.web.gate import principal_of
from channelsync.web.problems import Problem

__all__ = ["StockPages"]

LEVELS_MAX: Final = 200
MINUTES_MAX: Final = 7 * 24 * 60
SKU_LENGTH_MAX: Final = 200


class StockPages:
    """One page with three forms."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def routes(self) -> Sequence[Route]:
        """Where it all is."""
        return (
            Route("/change/stock", self.show, methods=["GET"]),
            Route("/change/stock/count", self.count, methods=["POST"]),
            Route("/change/stock/adjust", self.adjust, methods=["POST"]),
            Route("/change/stock/safety-stock", self.keep_back, methods=["POST"]),
        )

    async def show(self, request: Request) -> Response:
        """An item's levels, with the forms; without an item, the question for one."""
        query = request.query_params
        sku = query.get("sku", "").strip()[:SKU_LENGTH_MAX]
        return await self._page(request, sku, query.get("location", ""))

    async def count(self, request: Request) -> Response:
        """Take a count into the books."""
        form = await read_form(request)
        body, errors = validated(Count, _given(form, on_hand=form.get("on_hand")))
        minutes = number(form.get("minutes") or "0")
        if not isinstance(minutes, int) or not 0 <= minutes <= MINUTES_MAX:
            errors = {**errors, "minutes": f"whole minutes from 0 to {MINUTES_MAX} are wanted"}
            body = None
        if body is None or not isinstance(minutes, int):
            return await self._again(request, form, "count", errors)
        at = self._desk.engine.now() - 60.0 * minutes if minutes else None
        act = editing(body, counting(body, at), principal_of(request).name)
        return await self._do(request, form, body, act, ("stock.count", "count", "counted"))

    async def adjust(self, request: Request) -> Response:
        """Add or take off units."""
        form = await read_form(request)
        body, errors = validated(Adjustment, _given(form, delta=form.get("delta")))
        if body is None:
            return await self._again(request, form, "adjust", errors)
        act = editing(body, adjusting(body), principal_of(request).name)
        return await self._do(request, form, body, act, ("stock.adjust", "adjust", "adjusted"))

    async def keep_back(self, request: Request) -> Response:
        """Set the safety stock."""
        form = await read_form(request)
        body, errors = validated(Setting, _given(form, units=form.get("units")))
        if body is None:
            return await self._again(request, form, "safety", errors)
        act = editing(body, keeping_back(body), principal_of(request).name)
        return await self._do(request, form, body, act, ("stock.safety", "safety", "safety-set"))

    # -------------------------------------------------------------- parts

    async def _do(
        self,
        request: Request,
        form: Form,
        body: BaseModel,
        act: UseCase,
        names: tuple[str, str, str],
    ) -> Response:
        action, which, done = names
        place = {"sku": form.get("sku"), "location": form.get("location")}
        require_reach(principal_of(request), location=place["location"])
        outcome = await self._desk.do(request, form, action, act)
        if outcome.error is not None:
            return await self._again(request, form, which, {}, outcome.error, outcome.status)
        return self._desk.go(form, f"/change/stock?{urlencode(place)}", done)

    async def _again(
        self,
        request: Request,
        form: Form,
        which: str,
        errors: Mapping[str, str],
        error: str | None = None,
        status: int = HTTPStatus.UNPROCESSABLE_ENTITY,
    ) -> Response:
        given = {which: {name: form.get(name) for name in form.fields}}
        return await self._page(
            request,
            form.get("sku"),
            form.get("location"),
            values=given,
            errors={which: errors},
            error=error,
            status=status,
        )

    async def _page(
        self,
        request: Request,
        sku: str,
        location: str,
        *,
        values: Mapping[str, Mapping[str, str]] | None = None,
        errors: Mapping[str, Mapping[str, str]] | None = None,
        error: str | None = None,
        status: int = HTTPStatus.OK,
    ) -> Response:
        reach = principal_of(request).reach
        levels: Sequence[Mapping[str, Any]] = ()
        name = ""
        async with self._desk.engine.database.read() as tx:
            found = [one for one in (await load_locations(tx)).values() if one.active]
            places = [one.code for one in found if reach.has_location(one.code)]
            if sku:
                try:
                    name = (await find_item(tx, sku)).name
                except StockError as unknown:
                    error, status = error or str(unknown), HTTPStatus.NOT_FOUND
                    sku = ""
                else:
                    wanted = Wanted(limit=LEVELS_MAX, sku=sku, reach=reach)
                    levels = await levels_page(tx, wanted)
        if location and location not in places:
            raise Problem(HTTPStatus.NOT_FOUND, f"there is no location {location!r}")
        held = next((row["location"] for row in levels if row["location"] in places), "")
        return self._desk.page(
            request,
            "stock",
            active="count",
            title="Count and correct",
            error=error,
            status=status,
            sku=sku,
            name=name,
            places=places,
            place=location or held or (places[0] if places else ""),
            levels=levels,
            values=values or {},
            errors=errors,
        )


def _given(form: Form, **numbers: str) -> dict[str, Any]:
    place = {"sku": form.get("sku"), "location": form.get("location"), "reason": form.get("reason")}
    return place | {name: number(text) for name, text in numbers.items()}
