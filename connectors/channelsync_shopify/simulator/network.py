"""The way from a client to the simulated shop within one process."""

from __future__ import annotations

import httpx
from starlette.types import ASGIApp
from typing_extensions import override

from channelsync_shopify.simulator.server import FAULT_HEADER

__all__ = ["SimulatedNetwork"]


class SimulatedNetwork(httpx.AsyncBaseTransport):
    """Turns the faults that an answer stands for into the exceptions of a real network."""

    def __init__(self, app: ASGIApp) -> None:
        self._inner = httpx.ASGITransport(app=app)

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        fault = response.headers.get(FAULT_HEADER)
        if fault == "offline":
            raise httpx.ConnectError("simulated: no connection", request=request)
        if fault == "timeout":
            raise httpx.ReadTimeout("simulated: no answer", request=request)
        return response
