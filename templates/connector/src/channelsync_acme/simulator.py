"""A simulated Acme: the wire protocol in front, shoppers and staff behind.

It must be as strict and as unreliable as the real one: a connector that is right against a wrong
simulator is wrong. Build yours from the marketplace's documents, never from your connector.

`python -m channelsync_acme.simulator` serves one on a loopback port, with a storefront.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Final, TypeAlias

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from channelsync.sdk.testing.faults import FaultPlan
from channelsync.sdk.testing.network import FAULT_HEADER, SimulatedNetwork
from channelsync_acme.webhooks import SIGNATURE, TOPIC, signature_of

__all__ = ["CANARY", "TOKEN", "WEBHOOK_SECRET", "AcmeSimulator"]

TOKEN: Final = "token-of-a-simulated-account"  # noqa: S105 - a simulated account's own
WEBHOOK_SECRET: Final = "secret-of-simulated-webhooks"  # noqa: S105 - as above
CANARY: Final = "Ada Canary"
"""Stands in every personal field; must turn up nowhere in what a connector tells."""
PORT: Final = 8090
PAGE_SIZE: Final = 20
BATCH_MAX: Final = 50
RETRY_AFTER: Final = "2"
Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class _Offer:
    id: str
    sku: str
    quantity: int
    sells_beyond_stock: bool = False

    def wire(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "sku": self.sku,
            "title": f"A fine {self.sku}",
            "quantity": self.quantity,
            "sells_beyond_stock": self.sells_beyond_stock,
        }


@dataclass(slots=True)
class _Order:
    id: str
    offer: _Offer
    ordered: int
    placed_at: float
    changed_at: float
    visible_from: float
    cancelled: int = 0
    shipped: int = 0
    cancelled_at: float | None = None
    shipped_at: float | None = None

    @property
    def open(self) -> bool:
        return self.shipped + self.cancelled < self.ordered

    def wire(self) -> dict[str, Any]:
        line = {
            "id": f"{self.id}-1",
            "offer_id": self.offer.id,
            "sku": self.offer.sku,
            "ordered": self.ordered,
            "cancelled": self.cancelled,
            "shipped": self.shipped,
            "price": "9.90",
        }
        return {
            "id": self.id,
            "placed_at": _iso(self.placed_at),
            "changed_at": _iso(self.changed_at),
            "cancelled_at": _iso(self.cancelled_at),
            "shipped_at": _iso(self.shipped_at),
            "lines": [line],
            "customer": {"name": CANARY, "street": f"17 {CANARY} Lane", "note": CANARY},
        }


@dataclass(slots=True)
class _Hook:
    id: str
    topic: str
    url: str


@dataclass(slots=True)
class AcmeSimulator:
    """One account: what shoppers and staff do, and the API in front of it."""

    now: Callable[[], float] = time.time
    rng: Random = field(default_factory=lambda: Random(0))
    faults: FaultPlan = field(default_factory=FaultPlan)
    token: str = TOKEN
    offers: dict[str, _Offer] = field(default_factory=dict)
    orders: dict[str, _Order] = field(default_factory=dict)
    hooks: dict[str, _Hook] = field(default_factory=dict)
    order_lag_seconds: float = 0.0
    """How long new orders are missing from the search."""
    deliveries: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)
    """Webhooks that are still to leave: URL, body and headers."""
    numbers: int = 1_000

    # ------------------------------------------------------------ shoppers and staff

    def stock(self, sku: str, units: int) -> None:
        """Offer a new thing."""
        offer = _Offer(self._number("offer"), sku, units)
        self.offers[offer.id] = offer

    def offer(self, sku: str) -> _Offer:
        """The first offer of a SKU.

        Raises:
            KeyError: there is none.
        """
        for offer in self.offers.values():
            if offer.sku == sku:
                return offer
        raise KeyError(sku)

    def buy(self, sku: str, units: int = 1) -> str | None:
        """A shopper buys; None: there are not so many. Returns the order's id."""
        offer = self.offer(sku)
        if offer.quantity < units and not offer.sells_beyond_stock:
            return None
        offer.quantity -= units
        now = self.now()
        order = _Order(self._number("order"), offer, units, now, now, now + self.order_lag_seconds)
        self.orders[order.id] = order
        self._tell(order)
        return order.id

    def cancel(self, order_id: str) -> None:
        """Call off what was not shipped; it is on sale again."""
        order = self.orders[order_id]
        called_off = order.ordered - order.cancelled - order.shipped
        order.offer.quantity += called_off
        order.cancelled += called_off
        order.cancelled_at = order.changed_at = self.now()
        self._tell(order)

    def ship(self, order_id: str) -> None:
        """Everything leaves the house."""
        order = self.orders[order_id]
        order.shipped = order.ordered - order.cancelled
        order.shipped_at = order.changed_at = self.now()
        self._tell(order)

    def take_deliveries(self) -> list[tuple[str, bytes, dict[str, str]]]:
        """Take every webhook that waits, in order."""
        waiting, self.deliveries = self.deliveries, []
        return waiting

    def _tell(self, order: _Order) -> None:
        body = json.dumps({"event_id": self._number("event"), "order": order.wire()}).encode()
        headers = {
            "content-type": "application/json",
            SIGNATURE: signature_of(body, WEBHOOK_SECRET),
        }
        for hook in self.hooks.values():
            copies = self.faults.deliveries.draw(self.rng)
            self.deliveries += [(hook.url, body, headers)] * len(copies)

    def _number(self, kind: str) -> str:
        self.numbers += 1
        return f"{kind}-{self.numbers}"

    # ------------------------------------------------------------ the wire

    def app(self) -> Starlette:
        """The API and the storefront, as an ASGI application."""
        api: list[tuple[str, str, Handler]] = [
            ("GET", "/v1/offers", self._get_offers),
            ("PUT", "/v1/offers/quantities", self._put_quantities),
            ("GET", "/v1/orders", self._get_orders),
            ("GET", "/v1/hooks", self._get_hooks),
            ("POST", "/v1/hooks", self._post_hook),
            ("DELETE", "/v1/hooks/{id}", self._delete_hook),
        ]
        routes = [Route(path, self._guarded(what), methods=[how]) for how, path, what in api]
        storefront = [
            Route("/shop/orders", self._sell, methods=["POST"]),
            Route("/shop/offers/{sku}", self._show),
        ]
        return Starlette(routes=[*routes, *storefront])

    def transport(self) -> httpx.AsyncBaseTransport:
        """The way in without a socket; lost answers are real exceptions."""
        return SimulatedNetwork(self.app())

    def _guarded(self, handler: Handler) -> Handler:
        """Ask for the token, then go wrong as the fault plan says."""

        async def guarded(request: Request) -> Response:
            if self.faults.offline:
                return _failed("offline")
            if request.headers.get("authorization") != f"Bearer {self.token}":
                return JSONResponse({"error": "unauthorized"}, status_code=401)
            fault = self.faults.answers.draw(self.rng)
            if fault is None:
                return await handler(request)
            self.faults.count(fault)
            if fault == "throttled":
                headers = {"retry-after": RETRY_AFTER}
                return JSONResponse({"error": "slow down"}, status_code=429, headers=headers)
            if fault.endswith("_after"):
                await handler(request)
            return _failed("timeout" if fault.startswith("timeout") else None)

        return guarded

    async def _get_offers(self, request: Request) -> Response:
        wanted = request.query_params.getlist("id")
        if wanted:
            found = [self.offers[one].wire() for one in wanted if one in self.offers]
            return JSONResponse({"offers": found, "next": None})
        return self._page("offers", [one.wire() for one in self.offers.values()], request)

    async def _put_quantities(self, request: Request) -> Response:
        rows = (await request.json())["quantities"]
        if len(rows) > BATCH_MAX:
            return JSONResponse({"error": f"more than {BATCH_MAX} rows"}, status_code=400)
        results = []
        for row in rows:
            offer = self.offers.get(row["offer_id"])
            if offer is not None:
                offer.quantity = int(row["quantity"])
            status = "ok" if offer is not None else "not_found"
            results.append({"offer_id": row["offer_id"], "status": status})
        self.rng.shuffle(results)  # rows are answered in any order
        return JSONResponse({"results": results})

    async def _get_orders(self, request: Request) -> Response:
        query, now = request.query_params, self.now()
        if wanted := query.getlist("id"):
            found = [self.orders[one] for one in wanted if one in self.orders]
        else:
            changed_from = datetime.fromisoformat(query["changed_from"]).timestamp()
            open_too = "open_too" in query
            found = [
                order
                for order in self.orders.values()
                if order.visible_from <= now
                and (order.changed_at >= changed_from or (open_too and order.open))
            ]
        return self._page("orders", [order.wire() for order in found], request)

    def _page(self, name: str, rows: list[dict[str, Any]], request: Request) -> Response:
        start = int(request.query_params.get("page", "0"))
        end = start + PAGE_SIZE
        more = str(end) if end < len(rows) else None
        return JSONResponse({"as_of": _iso(self.now()), name: rows[start:end], "next": more})

    async def _get_hooks(self, _request: Request) -> Response:
        hooks = [{"id": one.id, "topic": one.topic, "url": one.url} for one in self.hooks.values()]
        return JSONResponse({"hooks": hooks})

    async def _post_hook(self, request: Request) -> Response:
        wanted = await request.json()
        hook = _Hook(self._number("hook"), wanted["topic"], wanted["url"])
        if hook.topic != TOPIC:
            return JSONResponse({"error": "no such topic"}, status_code=400)
        self.hooks[hook.id] = hook
        return JSONResponse({"id": hook.id, "topic": hook.topic, "url": hook.url})

    async def _delete_hook(self, request: Request) -> Response:
        hook = self.hooks.pop(request.path_params["id"], None)
        if hook is None:
            return JSONResponse({"error": "no such hook"}, status_code=404)
        return JSONResponse({"id": hook.id, "topic": hook.topic, "url": hook.url})

    async def _sell(self, request: Request) -> Response:
        """The storefront: `{"sku": …, "units": …}`."""
        basket = await request.json()
        order = self.buy(basket["sku"], int(basket.get("units", 1)))
        return JSONResponse({"order": order}, status_code=200 if order else 409)

    async def _show(self, request: Request) -> Response:
        return JSONResponse(self.offer(request.path_params["sku"]).quantity)


def _failed(fault: str | None) -> Response:
    headers = {FAULT_HEADER: fault} if fault else None
    return JSONResponse({"error": "failed"}, status_code=502, headers=headers)


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()


def main() -> None:
    """Serve one account on loopback, or go shopping in one that is served."""
    parser = argparse.ArgumentParser(description="A simulated Acme account.")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--offer", action="append", default=[], metavar="SKU=UNITS")
    parser.add_argument("--buy", metavar="SKU", help="buy one unit in the account served there")
    parser.add_argument("--show", metavar="SKU", help="print what the account served there shows")
    given = parser.parse_args()
    shop = f"http://127.0.0.1:{given.port}/shop"
    if given.buy:
        print(httpx.post(f"{shop}/orders", json={"sku": given.buy}).text)  # noqa: T201
    elif given.show:
        print(httpx.get(f"{shop}/offers/{given.show}").text)  # noqa: T201
    else:
        simulator = AcmeSimulator()
        for offer in given.offer:
            sku, _, units = offer.partition("=")
            simulator.stock(sku, int(units or 0))
        uvicorn.run(simulator.app(), host="127.0.0.1", port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
