"""The network between a process and the marketplaces, both ways, and what goes wrong there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

import httpx
from starlette.types import ASGIApp
from typing_extensions import override

from channelsync.rehearsal.markets import Market, Markets
from channelsync.rehearsal.process import Process
from channelsync.rehearsal.stage import Stage

__all__ = ["Door", "Network", "Wire"]

LATENCY_SECONDS: Final = (0.02, 0.4)
GIVES_UP_SECONDS: Final = (8.0, 12.0)
"""How long a client waits for an answer that does not come."""
LATE_SECONDS_MAX: Final = 40.0
"""A request that its sender gave up on may arrive so long afterwards; a marketplace promises that
nothing applies later than its limit, a minute."""
WRITES: Final = frozenset({"POST", "PATCH", "PUT"})
HTML: Final = b"<html><body><h1>Something went wrong</h1></body></html>"


@dataclass(slots=True)
class Network:
    """What happens to requests. Chances are in [0, 1] a request."""

    stage: Stage
    markets: Markets
    rng: Random
    late: float = 0.0
    doubled: float = 0.0
    garbled: float = 0.0
    emptied: float = 0.0
    slow: float = 0.0
    requests: int = 0
    on_arrival: Callable[[Market, httpx.Request], None] = lambda _market, _request: None
    on_departure: Callable[[Market], None] = lambda _market: None
    on_answered: Callable[[Market], None] = lambda _market: None
    _later: set[asyncio.Task[None]] = field(default_factory=set)

    def calm(self) -> None:
        """From here on every request arrives once and is answered."""
        self.late = self.doubled = self.garbled = self.emptied = self.slow = 0.0

    def latency(self) -> float:
        """How long one way takes."""
        return self.rng.uniform(*LATENCY_SECONDS)

    async def carry(self, market: Market, request: httpx.Request) -> httpx.Response:
        """Let one request arrive, be worked on and be answered."""
        self.requests += 1
        self.on_departure(market)
        fault = self._draw(market, request)
        await asyncio.sleep(self.latency())
        if fault == "late":
            self._send_later(market, request, "request arrived after its sender gave up")
            await asyncio.sleep(self.rng.uniform(*GIVES_UP_SECONDS))
            raise httpx.ReadTimeout("simulated: no answer", request=request)
        if fault == "slow":
            self.stage.happened("slow answer")
            await asyncio.sleep(GIVES_UP_SECONDS[0])
        response = await self._arrive(market, request)
        if fault == "doubled":
            self._send_later(market, request, "request arrived twice")
        await asyncio.sleep(self.latency())
        return self._garbled(fault, request) or response

    def _draw(self, market: Market, request: httpx.Request) -> str | None:
        roll = self.rng.random()
        writes = request.method in WRITES and "token" not in request.url.path
        for name in ("late", "doubled", "garbled", "emptied", "slow"):
            roll -= getattr(self, name)
            if roll < 0:
                possible = {"late": writes, "doubled": writes and market.keyed}
                return name if possible.get(name, True) else None
        return None

    async def _arrive(self, market: Market, request: httpx.Request) -> httpx.Response:
        self.on_arrival(market, request)
        try:
            return await market.transport.handle_async_request(request)
        except httpx.TransportError:
            await asyncio.sleep(self.rng.uniform(*GIVES_UP_SECONDS))
            raise
        finally:
            self.on_answered(market)

    def _send_later(self, market: Market, request: httpx.Request, kind: str) -> None:
        async def later() -> None:
            await asyncio.sleep(self.rng.uniform(0.0, LATE_SECONDS_MAX))
            self.stage.happened(kind)
            try:
                await market.transport.handle_async_request(request)
            except httpx.TransportError:
                return
            finally:
                self.on_answered(market)

        task = asyncio.create_task(later())
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    def _garbled(self, fault: str | None, request: httpx.Request) -> httpx.Response | None:
        if fault == "garbled":
            self.stage.happened("answer was a page in HTML")
            headers = {"content-type": "text/html"}
            return httpx.Response(200, content=HTML, headers=headers, request=request)
        if fault == "emptied":
            self.stage.happened("answer was empty")
            return httpx.Response(200, content=b"", request=request)
        return None


class Wire(httpx.AsyncBaseTransport):
    """One process's way to the marketplaces."""

    def __init__(self, process: Process, network: Network) -> None:
        self._process = process
        self._network = network

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._process.at_gate("before request")
        market = self._network.markets.at(request.url.host)
        try:
            return await self._network.carry(market, request)
        finally:
            await self._process.at_gate("after request")


class Door(httpx.AsyncBaseTransport):
    """The way of the marketplaces to us: a proxy before whichever processes are there."""

    def __init__(self, stage: Stage, network: Network) -> None:
        self._stage = stage
        self._network = network
        self._open: list[tuple[Process, httpx.ASGITransport]] = []
        self._turn = 0
        self.on_accepted: Callable[[httpx.Request], None] = lambda _request: None

    def admit(self, process: Process, app: ASGIApp) -> None:
        """From now on the process is asked as well."""
        self._open = [(one, way) for one, way in self._open if one.alive]
        self._open.append((process, httpx.ASGITransport(app=app, raise_app_exceptions=False)))

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(self._network.latency())
        there = [(one, way) for one, way in self._open if one.alive]
        if not there:
            self._stage.happened("webhook found nobody")
            raise httpx.ConnectError("simulated: nobody listens", request=request)
        self._turn += 1
        process, way = there[self._turn % len(there)]
        asked = asyncio.create_task(way.handle_async_request(request))
        dies = asyncio.create_task(process.died.wait())
        limit = float(request.extensions.get("timeout", {}).get("read") or 5.0)
        await asyncio.wait({asked, dies}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        dies.cancel()
        if process.frozen or not asked.done():
            died = not process.alive
            self._stage.happened("receiver died" if died else "receiver too slow")
            raise httpx.ReadTimeout("simulated: no answer", request=request)
        response = asked.result()
        if response.is_success:
            self.on_accepted(request)
        return response
