"""Two hundred open streams on one process, over real sockets: everybody hears, nobody waits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from channelsync.domain.vocabulary import PushSemantics
from channelsync.store import tables
from channelsync.web.app import WebOptions, build_app
from tests.support.house import House, build_house
from tests.support.served import served

STREAMS = 200
LARGE = "x" * 40_000
"""Much more of it than the buffers between two sockets take."""
LARGE_EVENTS = 120


@dataclass
class Listener:
    """One open stream."""

    reader: asyncio.StreamReader
    status: int
    heard: list[int] = field(default_factory=list)

    async def hear(self, up_to: int) -> list[int]:
        """The positions heard, once that one is among them."""
        while not self.heard or self.heard[-1] < up_to:
            line = await self.reader.readline()
            assert line, "the stream ended"
            if line.startswith(b"id: "):
                self.heard.append(int(line[4:]))
        return self.heard


@asynccontextmanager
async def listening(url: str, path: str = "/api/v1/events") -> AsyncIterator[Listener]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 16)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
    status = int((await reader.readline()).split()[1])
    while (await reader.readline()).strip():
        pass
    try:
        yield Listener(reader, status)
    finally:
        writer.close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    semantics = {"a": PushSemantics.KEYED_COMPARE_AND_SET}
    built = await build_house(tmp_path, stock={"MUG": 1}, quotas={"a": 5_000}, semantics=semantics)
    yield built
    await built.engine.database.close()


async def tell(house: House, first: int, count: int, data: str = "{}") -> int:
    """Put events into the stream, as the sequencer leaves them. The last one's position."""
    rows = [
        {"position": first + number, "at": house.clock(), "type": "alarm.raised", "data": data}
        for number in range(count)
    ]
    async with house.engine.database.write() as tx:
        await tx.execute(sa.insert(tables.events), rows)
    return first + count - 1


async def test_two_hundred_streams_hear_every_event_and_one_more_is_refused(house: House) -> None:
    app = build_app(house.engine, WebOptions(streams_max=STREAMS))
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        url = await stack.enter_async_context(served(app))
        crowd = [await stack.enter_async_context(listening(url)) for _ in range(STREAMS)]
        assert {one.status for one in crowd} == {200}
        refused = await stack.enter_async_context(listening(url))
        assert refused.status == 503
        last = await tell(house, 1, 3)
        heard = await asyncio.gather(*(one.hear(last) for one in crowd))
        assert heard == [[1, 2, 3]] * STREAMS


async def test_a_slow_reader_holds_nobody_up_and_misses_nothing(house: House) -> None:
    app = build_app(house.engine, WebOptions())
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        url = await stack.enter_async_context(served(app))
        quick = [await stack.enter_async_context(listening(url)) for _ in range(3)]
        slow = await stack.enter_async_context(listening(url))
        last = await tell(house, 1, LARGE_EVENTS, f'{{"note": "{LARGE}"}}')
        whole = list(range(1, last + 1))
        assert await asyncio.gather(*(one.hear(last) for one in quick)) == [whole] * 3
        assert slow.heard == []
        assert await slow.hear(last) == whole


async def test_the_live_page_has_room_for_two_hundred_watchers(house: House) -> None:
    app = build_app(house.engine, WebOptions(refresh_seconds=5.0))
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        url = await stack.enter_async_context(served(app))
        crowd = [await stack.enter_async_context(listening(url, "/events")) for _ in range(STREAMS)]
        assert {one.status for one in crowd} == {200}
        lines = await asyncio.gather(*(_first_news(one.reader) for one in crowd))
        assert len(set(lines)) == 1
        assert lines[0].startswith(b"data: {")


async def _first_news(reader: asyncio.StreamReader) -> bytes:
    while not (line := await reader.readline()).startswith(b"id: "):
        assert line
    return (await reader.readuntil(b"\n"))[:200]
