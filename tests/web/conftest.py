"""The web half over a house of memory markets, in process and over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from channelsync.web.app import WebOptions, build_app
from tests.support.building import build
from tests.support.house import House
from tests.support.served import served as serving

__all__ = ["build"]

Client = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
async def visit() -> AsyncIterator[Client]:
    """A client of a house's web half; `served=True` puts a real socket between them."""
    async with AsyncExitStack() as stack:

        async def make(
            house: House, *, served: bool = False, peer: str = "127.0.0.1", **options: Any
        ) -> httpx.AsyncClient:
            app = build_app(house.engine, WebOptions(**options))
            if served:
                base_url = await stack.enter_async_context(serving(app))
                limits = httpx.Limits(max_connections=64)
                client = httpx.AsyncClient(base_url=base_url, limits=limits, timeout=30.0)
            else:
                transport = httpx.ASGITransport(
                    app, client=(peer, 4_711), raise_app_exceptions=False
                )
                client = httpx.AsyncClient(transport=transport, base_url="http://localhost")
            return await stack.enter_async_context(client)

        yield make
