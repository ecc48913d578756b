"""The town: two shops and a till as real HTTP servers on loopback, and the file that names them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import time
from typing import Any, Final

import httpx
import uvicorn

from channelsync.demo.catalogue import SHARES, DemoItem, shares_of
from channelsync.sdk.testing.faults import DeliveryPlan, FaultPlan
from channelsync_pos.simulator import TillSimulator
from channelsync_shopify.simulator import ShopifySimulator
from channelsync_shopify.simulator.costs import Bucket

__all__ = [
    "CHECKOUT_SECONDS",
    "DELIVERIES",
    "POLL_SECONDS",
    "QUIET_SECONDS",
    "SHOPS",
    "TILL",
    "Town",
    "build_town",
    "open_town",
]

SHOPS: Final = ("shop-a", "shop-b")
TILL: Final = "till"
TILL_SECRET: Final = "whsec_" + "ZGVtb25zdHJhdGlvbi1vZi1hLXRpbGwh"
TILL_TOKEN: Final = "token-of-the-simulated-till"  # noqa: S105 - a simulated till's
CHECKOUT_SECONDS: Final = 20.0
"""How long a shopper may pay; minutes at real shops."""
POLL_SECONDS: Final = 2.0
QUIET_SECONDS: Final = 30.0
DELIVERIES: Final = DeliveryPlan(
    lose=0.03, double=0.05, delay_seconds_min=0.2, delay_seconds_max=4.0
)
PLUS_BUCKET: Final = {"maximum": 20_000.0, "rate": 1_000.0}
"""Query cost of a large shop's plan."""
STALE_SHARE: Final = 0.1
"""So many items are not listed yet when the demonstration begins, so that there is a first push."""


@dataclass(slots=True, kw_only=True)
class Town:
    """Every marketplace of the demonstration."""

    shops: Mapping[str, ShopifySimulator]
    till: TillSimulator

    def lose_every_webhook(self, *, lose: bool) -> None:
        """Let the network swallow all webhooks, or only as many as usual."""
        share = 1.0 if lose else DELIVERIES.lose
        for faults in (*(shop.faults for shop in self.shops.values()), self.till.faults):
            faults.deliveries.lose = share


def build_town(items: tuple[DemoItem, ...], rng: Random) -> Town:
    """The marketplaces, with what they list before we come."""
    shops = {}
    for name in SHOPS:
        shop = ShopifySimulator(
            domain=f"{name}.myshopify.com",
            rng=Random(rng.random()),
            faults=_faults(),
            access_token=f"shpat_{name}",
            client_secret=f"secret-of-{name}",
        )
        shop.server.bucket = Bucket(time, **PLUS_BUCKET)
        shop.shop.checkout_seconds = CHECKOUT_SECONDS
        for item in items:
            listed = 0 if rng.random() < STALE_SHARE else shares_of(item.units)[name]
            shop.shop.add_item(item.sku, listed, title=item.name)
        shops[name] = shop
    till = TillSimulator(
        now=time,
        rng=Random(rng.random()),
        location="shop",
        registers=("T1", "T2"),
        faults=_faults(),
        api_token=TILL_TOKEN,
    )
    return Town(shops=shops, till=till)


def _faults() -> FaultPlan:
    plan = DELIVERIES
    return FaultPlan(
        deliveries=DeliveryPlan(
            lose=plan.lose,
            double=plan.double,
            delay_seconds_min=plan.delay_seconds_min,
            delay_seconds_max=plan.delay_seconds_max,
        )
    )


@asynccontextmanager
async def open_town(town: Town, folder: Path, public_url: str) -> AsyncIterator[tuple[str, ...]]:
    """Serve the marketplaces and write the merchant's file. Yields the hosts it names."""
    async with contextlib.AsyncExitStack() as stack:
        hosts = {}
        for name, shop in town.shops.items():
            hosts[name] = await stack.enter_async_context(_served(shop.app))
        hosts[TILL] = await stack.enter_async_context(_served(town.till.app))
        _write_files(town, folder, hosts)
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        couriers = []
        for shop in town.shops.values():
            shop.deliveries.client = client
            couriers.append(asyncio.create_task(shop.deliveries.run()))
        courier = town.till.post_webhooks_to(
            f"{public_url}/webhooks/{TILL}", client=client, secrets=[TILL_SECRET]
        )
        couriers.append(asyncio.create_task(courier.run()))
        couriers.append(asyncio.create_task(_beat(town.till)))
        try:
            yield tuple(hosts.values())
        finally:
            for task in couriers:
                task.cancel()
            await asyncio.gather(*couriers, return_exceptions=True)


async def _beat(till: TillSimulator) -> None:
    """The registers say that they are there."""
    while True:
        till.beat()
        await asyncio.sleep(QUIET_SECONDS / 6)


@asynccontextmanager
async def _served(app: Any) -> AsyncIterator[str]:
    """Serve on a free loopback port. Yields host and port."""
    door = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    door.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,
        log_level="error",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    # Signals belong to the demonstration as a whole.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    serving = asyncio.create_task(server.serve(sockets=[door]))
    try:
        # uvicorn says only by a flag that it listens.
        while not server.started and not serving.done():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        yield f"127.0.0.1:{door.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


# ------------------------------------------------------------------ the merchant's file


def _write_files(town: Town, folder: Path, hosts: Mapping[str, str]) -> None:
    secrets = folder / "secrets"
    secrets.mkdir()
    for name, shop in town.shops.items():
        (secrets / f"{name}-token").write_text(shop.account.access_token or "", encoding="ascii")
        (secrets / f"{name}-webhooks").write_text(shop.deliveries.secret, encoding="ascii")
    (secrets / "till-token").write_text(TILL_TOKEN, encoding="ascii")
    (secrets / "till-webhooks").write_text(TILL_SECRET, encoding="ascii")
    shops = "".join(_shop_text(name, shop, hosts[name]) for name, shop in town.shops.items())
    quotas = ", ".join(f"{name}: {share}%" for name, share in SHARES.items())
    text = f"""\
# The merchant's file of the demonstration. Its marketplaces are simulated on this machine.
version: 1

locations:
  warehouse: {{name: Warehouse}}
  shop: {{name: Shop}}

channels:
{shops}\
  till:
    connector: pos
    poll_interval_seconds: {POLL_SECONDS:g}
    quiet_limit_seconds: {QUIET_SECONDS:g}
    settings:
      webhook_secret: file:till-webhooks
      location: shop
      registers: [{", ".join(town.till.registers)}]
      base_url: http://{hosts[TILL]}
      api_token: file:till-token

allocation:
  guarantee: strict
  quotas: {{{quotas}}}
"""
    (folder / "channelsync.yaml").write_text(text, encoding="utf-8")


def _shop_text(name: str, shop: ShopifySimulator, host: str) -> str:
    return f"""\
  {name}:
    connector: shopify
    poll_interval_seconds: {POLL_SECONDS:g}
    quiet_limit_seconds: {QUIET_SECONDS:g}
    settings:
      shop: {shop.world.shop}
      access_token: file:{name}-token
      webhook_secret: file:{name}-webhooks
      location_id: {shop.location_id}
      base_url: http://{host}
      visibility_lag_seconds: 0

"""
