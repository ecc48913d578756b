"""The whole demonstration, as README.md begins it: sockets, connectors, the daemon, its page."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from channelsync.demo import DemoOptions, DemoResult, run_demo
from channelsync.engine.overview import ITEMS_MAX

LOOK_SECONDS = 0.3


class Visitor:
    """Looks at a running demonstration from outside."""

    def __init__(self, running: asyncio.Task[DemoResult], client: httpx.AsyncClient) -> None:
        self.running = running
        self.client = client

    async def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        text = (await self.client.get("/metrics")).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name
        )

    async def until(self, name: str, holds: Callable[[float], bool]) -> None:
        """Wait until a metric is as wanted; a demonstration that broke is not waited for."""
        while not holds(await self.metric(name)):
            assert not self.running.done(), self.running.result()
            await asyncio.sleep(LOOK_SECONDS)

    async def press(self, button: str) -> int:
        """Press a button as the page would."""
        origin = str(self.client.base_url).rstrip("/")
        answer = await self.client.post(f"/actions/{button}", headers={"origin": origin})
        return answer.status_code


@asynccontextmanager
async def demonstration() -> AsyncIterator[tuple[Visitor, asyncio.Event]]:
    stop, said = asyncio.Event(), asyncio.Queue[str]()
    running = asyncio.create_task(
        run_demo(DemoOptions(port=0, stop=stop, say=said.put_nowait, seed=3))
    )
    url = (await said.get()).rpartition(" ")[2]
    assert "live after" in await said.get()
    try:
        async with httpx.AsyncClient(base_url=url, timeout=30.0, trust_env=False) as client:
            yield Visitor(running, client), stop
    finally:
        stop.set()
        await asyncio.gather(running, return_exceptions=True)


@pytest.mark.slow
async def test_nothing_is_oversold_but_what_the_till_takes_past_its_slice() -> None:
    async with demonstration() as (visitor, stop):
        await visitor.until("channelsync_listings_unsettled", lambda count: count == 0)
        await visitor.until("channelsync_orders_ingested_total", lambda count: count > 10)
        # Amazon takes numbers in and applies them later; what that took is on the page.
        await visitor.until("channelsync_apply_seconds", lambda seconds: seconds > 0)
        page = (await visitor.client.get("/")).text
        assert "A plain quota pusher" in page
        assert "Amazon, Shopify and a Square till" in page
        assert "shortened from minutes to 20 s" in page
        assert page.count("<tr id=") == ITEMS_MAX
        assert await visitor.metric("channelsync_shortfall_units_total") == 0
        assert await visitor.press("no-such-button") == 404
        assert await visitor.press("past-slice") == 303
        await visitor.until("channelsync_shortfall_units_total", lambda units: units > 0)
        page = (await visitor.client.get("/")).text
        assert "sold past what the channel was granted" in page
        stop.set()
        result = await visitor.running
    assert result.oversold == 0
    assert result.books_differ == 0
    assert result.sold > 10
    assert result.orders > 10
    assert json.loads(json.dumps(asdict(result)))["rival_oversold"] >= 0
    assert f"sold {result.sold} units" in result.summary()


async def test_a_taken_port_is_refused_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="in use"):
            await run_demo(DemoOptions(port=taken.getsockname()[1], seconds=1))
