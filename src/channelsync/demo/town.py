"""The town: the marketplaces as real HTTP servers on loopback, and the file that names them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import uvicorn

from channelsync.demo.catalogue import AMAZON, SHARES, SHOPIFY, TILL
from channelsync.demo.marketplaces import VISIBILITY_SECONDS, Town

__all__ = ["POLL_SECONDS", "open_town"]

POLL_SECONDS: Final = 2.0
QUIET_SECONDS: Final = 30.0


@asynccontextmanager
async def open_town(town: Town, folder: Path) -> AsyncIterator[tuple[str, ...]]:
    """Serve the marketplaces and write the merchant's file. Yields the hosts it names."""
    apps = {AMAZON: town.amazon.app, SHOPIFY: town.shopify.app, TILL: town.square.app}
    async with contextlib.AsyncExitStack() as stack:
        hosts = {name: await stack.enter_async_context(_served(app)) for name, app in apps.items()}
        _write_files(town, folder, hosts)
        client = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        town.shopify.deliveries.client = town.square.deliveries.client = client
        couriers = [
            asyncio.create_task(town.shopify.deliveries.run()),
            asyncio.create_task(town.square.deliveries.run()),
        ]
        try:
            yield tuple(hosts.values())
        finally:
            for task in couriers:
                task.cancel()
            await asyncio.gather(*couriers, return_exceptions=True)


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
    for name, value in _secrets(town).items():
        (secrets / name).write_text(value, encoding="ascii")
    quotas = ", ".join(f"{name}: {share}%" for name, share in SHARES.items())
    text = f"""\
# The merchant's file of the demonstration. Its marketplaces are simulated on this machine.
version: 1

locations:
  warehouse: {{name: Warehouse}}
  shop: {{name: Shop}}

channels:
  {AMAZON}:
    connector: amazon
    poll_interval_seconds: {POLL_SECONDS:g}
    quiet_limit_seconds: {QUIET_SECONDS:g}
    settings:
      seller_id: {town.amazon.world.seller_id}
      marketplace_ids: [{", ".join(town.amazon.world.marketplaces)}]
      region: eu
      client_id: {town.amazon.account.client_id}
      client_secret: file:amazon-app
      refresh_token: file:amazon-seller
      base_url: http://{hosts[AMAZON]}
      token_url: http://{hosts[AMAZON]}/auth/o2/token
      visibility_lag_seconds: {VISIBILITY_SECONDS[1]:g}
  {SHOPIFY}:
    connector: shopify
    poll_interval_seconds: {POLL_SECONDS:g}
    quiet_limit_seconds: {QUIET_SECONDS:g}
    settings:
      shop: {town.shopify.world.shop}
      access_token: file:shopify-token
      webhook_secret: file:shopify-webhooks
      location_id: {town.shopify.location_id}
      base_url: http://{hosts[SHOPIFY]}
      visibility_lag_seconds: 0
  {TILL}:
    connector: square
    poll_interval_seconds: {POLL_SECONDS:g}
    quiet_limit_seconds: {QUIET_SECONDS:g}
    settings:
      access_token: file:square-token
      application_token: file:square-application
      location_id: {town.square.location_id}
      location: shop
      mode: quota
      base_url: http://{hosts[TILL]}
      visibility_lag_seconds: 0

allocation:
  guarantee: strict
  quotas: {{{quotas}}}
"""
    (folder / "channelsync.yaml").write_text(text, encoding="utf-8")


def _secrets(town: Town) -> Mapping[str, str]:
    return {
        "amazon-app": town.amazon.account.client_secret,
        "amazon-seller": town.amazon.account.refresh_token,
        "shopify-token": town.shopify.account.access_token or "",
        "shopify-webhooks": town.shopify.deliveries.secret,
        "square-token": town.square.account.access_token,
        "square-application": town.square.account.application_token,
    }
