"""Two hundred open streams of events on one process: what they weigh, and who hears last."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

import httpx

from bench.figure import Figure, percentile
from bench.memory import CONFIGURATION
from bench.process import Running, environment, run_cli, running
from bench.scale import Scale

__all__ = ["measure"]

MEGABYTES_MAX = 300.0
LAST_SECONDS_MAX = 2.0
PAUSE_SECONDS = 0.2
EVENT_SECONDS_MAX = 30.0
SECRET = "whsec_" + "bWVhc3VyZW1lbnRzLW9mLW9uZS10aWxs"


@dataclass(frozen=True)
class _Round:
    """What one crowd was served like."""

    last_seconds: list[float]
    """From the answer to an adjustment until the last of the crowd has its event."""
    megabytes: float


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """Two figures: the delay to the last of the crowd, and the memory of the process."""
    many, one = [], []
    for number in range(scale.rounds):
        place = folder / str(number)
        place.mkdir()
        variables = await _house(place)
        many.append(await _served(variables, scale.streams, scale.stream_events))
        one.append(await _served(variables, 1, scale.stream_events))
    return [
        Figure(
            name=f"adjustment to the last of {scale.streams} streams, p95",
            unit="seconds",
            better="less",
            values=tuple(percentile(crowd.last_seconds, 0.95) for crowd in many),
            limits=tuple(percentile(alone.last_seconds, 0.95) for alone in one),
            limit_is="the same, one stream",
            target=LAST_SECONDS_MAX,
        ),
        Figure(
            name=f"memory, {scale.streams} streams open",
            unit="MB",
            better="less",
            values=tuple(crowd.megabytes for crowd in many),
            limits=tuple(alone.megabytes for alone in one),
            limit_is="the same daemon, one stream",
            target=MEGABYTES_MAX,
        ),
    ]


async def _house(folder: Path) -> dict[str, str]:
    """A shop with one item. Returns the environment of its daemon."""
    (folder / "secrets").mkdir()
    (folder / "secrets" / "till").write_text(SECRET, encoding="ascii")
    (folder / "channelsync.yaml").write_text(CONFIGURATION, encoding="ascii")
    stock = folder / "stock.csv"
    stock.write_text("sku,location,on_hand\nMUG,dc,1000\n", encoding="ascii")
    variables = environment(folder)
    await run_cli(variables, "stock", "import", str(stock), "--create-items")
    return variables


async def _served(variables: dict[str, str], streams: int, events: int) -> _Round:
    async with (
        running(("-m", "channelsync", "run"), variables) as daemon,
        AsyncExitStack() as open_,
    ):
        crowd = [await open_.enter_async_context(_stream(daemon)) for _ in range(streams)]
        client = await open_.enter_async_context(httpx.AsyncClient(base_url=daemon.url))
        last = [await _told(client, crowd, 1 - number % 2 * 2) for number in range(events)]
        return _Round(last_seconds=last, megabytes=daemon.resident_megabytes())


@asynccontextmanager
async def _stream(daemon: Running) -> AsyncIterator[asyncio.StreamReader]:
    where = urlsplit(daemon.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    request = f"GET /api/v1/events?type=stock.changed HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n"
    writer.write(request.encode())
    status = await reader.readline()
    if b" 200 " not in status:
        raise RuntimeError(f"a stream was refused: {status!r}")
    await reader.readuntil(b"retry: 2000")
    try:
        yield reader
    finally:
        writer.close()


async def _told(client: httpx.AsyncClient, crowd: list[asyncio.StreamReader], delta: int) -> float:
    """Change the stock by so much. Returns when the last of the crowd has heard of it."""
    hearing = [asyncio.ensure_future(_next(one)) for one in crowd]
    body = {"sku": "MUG", "location": "dc", "delta": delta, "reason": "measured"}
    answer = await client.post("/api/v1/stock/adjustments", json=body)
    answer.raise_for_status()
    changed = perf_counter()
    async with asyncio.timeout(EVENT_SECONDS_MAX):
        heard = await asyncio.gather(*hearing)
    await asyncio.sleep(PAUSE_SECONDS)
    return max(max(heard) - changed, 1e-4)


async def _next(reader: asyncio.StreamReader) -> float:
    while not (line := await reader.readline()).startswith(b"data: "):
        if not line:
            raise RuntimeError("a stream has ended")
    return perf_counter()
