"""The way from a client to a simulated marketplace within one process."""

from __future__ import annotations

from typing import Final

import httpx
from starlette.types import ASGIApp
from typing_extensions import override

__all__ = ["FAULT_HEADER", "SimulatedNetwork"]

FAULT_HEADER: Final = "x-simulated-fault"
"""An answer with this header stands for a failure of the network: `timeout` or `offline`."""


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

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()
