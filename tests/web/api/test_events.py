"""Outgoing events: each once in one order, signed, tried on the usual schedule, streamed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from channelsync.domain.permissions import Permission
from channelsync.domain.vocabulary import Instant
from channelsync.engine import events as sequencer
from channelsync.engine.core import Engine
from channelsync.engine.deliver import DISABLE_SECONDS, SCHEDULE_SECONDS, Outgoing, deliver
from channelsync.engine.events import KEEP_SECONDS, Event, read_events, sequence
from channelsync.engine.stock_desk import StockDesk
from channelsync.engine.work import Claim, WorkKind
from channelsync.security.outbound import outbound_client
from channelsync.store import tables
from channelsync.web.api.stream import EventTail
from tests.support.house import House
from tests.support.signed_in import KEY, Door

V1 = "/api/v1"
URL = "https://erp.example.com/hook"


@dataclass
class Receiver:
    """A merchant's own system."""

    now: Callable[[], float]
    status: int = 200
    requests: list[httpx.Request] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.times.append(self.now())
        if self.status == 0:
            raise httpx.ReadTimeout("nobody answers", request=request)
        return httpx.Response(self.status)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(one.content) for one in self.requests]


async def public(host: str, port: int) -> Sequence[str]:
    return ["93.184.216.34"]


@pytest.fixture
async def receiver(house: House) -> AsyncIterator[Receiver]:
    """It listens; the house sequences and sends."""
    listening = Receiver(house.clock)
    transport = httpx.MockTransport(listening)
    async with outbound_client(transport=transport, resolve=public) as client:
        house.supervisor.handlers = {
            **house.supervisor.handlers,
            WorkKind.SEQUENCE: sequence,
            WorkKind.DELIVER: partial(deliver, outgoing=Outgoing(client, KEY)),
        }
        await house.settle_down(3)
        yield listening


@pytest.fixture
async def client(door: Door) -> AsyncIterator[httpx.AsyncClient]:
    async with door.as_key(*Permission, days=30) as program:
        yield program


async def add(client: httpx.AsyncClient, *types: str) -> dict[str, Any]:
    body: dict[str, Any] = {"url": URL} | ({"types": list(types)} if types else {})
    answer = await client.post(f"{V1}/endpoints", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def adjust(house: House, sku: str, delta: int) -> None:
    desk = StockDesk(house.engine.database, house.engine.environment)
    await desk.adjust(sku, "dc", delta, reason="x", actor="test")


async def stream_of(house: House, after: int = 0) -> Sequence[Event]:
    async with house.engine.database.read() as tx:
        return await read_events(tx, after=after, limit=1_000)


def is_signed(request: httpx.Request, secret: str) -> bool:
    """As a receiver checks it, by the specification's words alone."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}."
    digest = hmac.new(key, signed.encode() + request.content, hashlib.sha256).digest()
    wanted = f"v1,{base64.b64encode(digest).decode()}"
    return wanted in request.headers["webhook-signature"].split(" ")


# ------------------------------------------------------------------ the stream's order


async def test_places_have_no_gap_and_stock_is_told_as_it_is(
    house: House, receiver: Receiver
) -> None:
    before = (await stream_of(house))[-1].position
    for _ in range(3):
        await adjust(house, "MUG", 1)
    await adjust(house, "BOWL", -1)
    await house.settle_down(5)
    told = await stream_of(house, before)
    assert [one.position for one in told] == list(range(before + 1, before + 1 + len(told)))
    last = {one.data["sku"]: one.data["levels"] for one in told if one.type == "stock.changed"}
    assert {one["location"]: one["on_hand"] for one in last["MUG"]} == {"dc": 63, "soho": 40}
    assert last["BOWL"][0]["on_hand"] == 6
    assert sum(one.data["sku"] == "MUG" for one in told if "levels" in one.data) <= 3
    await house.settle_down(10)
    assert await stream_of(house, before) == told


async def test_while_nothing_happens_looks_become_rarer_and_news_still_come_soon(
    house: House, receiver: Receiver
) -> None:
    async def looks(seconds: float) -> int:
        before = looked
        await house.settle_down(seconds, step=1.0)
        return looked - before

    looked = 0

    async def noting(engine: Engine, held: Claim) -> Instant | None:
        nonlocal looked
        looked += 1
        return await sequence(engine, held)

    house.supervisor.handlers = {WorkKind.SEQUENCE: noting}
    await adjust(house, "MUG", 1)
    busy = await looks(8)
    await looks(200)
    idle = await looks(100)
    assert busy >= 6
    assert 15 <= idle <= 25
    before = (await stream_of(house))[-1].position
    await adjust(house, "MUG", 1)
    await looks(6)
    assert [one.data["sku"] for one in await stream_of(house, before)] == ["MUG"]


async def test_many_items_are_told_in_parts_and_none_is_left_out(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer, "ITEMS_MAX", 1)
    before = (await stream_of(house))[-1].position
    for sku in ("MUG", "BOWL", "PLATE/XL", "MUG"):
        await adjust(house, sku, 1)
    await house.settle_down(10)
    told = {one.data["sku"] for one in await stream_of(house, before)}
    assert told == {"MUG", "BOWL", "PLATE/XL"}


async def test_trouble_is_told(busy: House, receiver: Receiver) -> None:
    told = {(one.type, one.data.get("channel")) for one in await stream_of(busy)}
    assert {("alarm.raised", "a"), ("alarm.raised", "b"), ("shortfall.recorded", "b")} <= told


async def test_what_nobody_can_ask_for_any_more_is_dropped_and_places_go_on(
    house: House, receiver: Receiver
) -> None:
    last = (await stream_of(house))[-1].position
    house.clock.at += KEEP_SECONDS + 1
    await adjust(house, "MUG", 1)
    await house.settle_down(5)
    kept = await stream_of(house)
    assert kept[0].position > last
    assert kept[0].position == last + 1


# ------------------------------------------------------------------ deliveries


async def test_an_endpoint_gets_what_it_asked_for_signed(
    house: House, receiver: Receiver, client: httpx.AsyncClient
) -> None:
    made = await add(client, "stock.changed")
    assert made["secret"].startswith("whsec_")
    await adjust(house, "MUG", 1)
    await house.settle_down(5)
    [request] = receiver.requests
    assert is_signed(request, made["secret"])
    assert not is_signed(request, f"whsec_{base64.b64encode(b'x' * 32).decode()}")
    body = receiver.bodies[0]
    assert (body["type"], body["data"]["sku"]) == ("stock.changed", "MUG")
    assert abs(int(request.headers["webhook-timestamp"]) - house.clock.at) < 60
    [delivery] = (await client.get(f"{V1}/endpoints/{made['id']}/deliveries")).json()["items"]
    assert (delivery["attempts"], delivery["last_status"]) == (1, 200)
    assert delivery["next_attempt_at"] is None
    kept = str(await house.rows(tables.endpoints)) + str(await house.rows(tables.idempotency))
    assert made["secret"] not in kept


@pytest.mark.parametrize("status", [500, 301, 404, 0])
async def test_a_failed_delivery_is_tried_on_the_usual_schedule_and_given_up(
    house: House, receiver: Receiver, client: httpx.AsyncClient, status: int
) -> None:
    made = await add(client)
    receiver.status = status
    await client.post(f"{V1}/endpoints/{made['id']}/test")
    await house.settle_down(3)
    for pause in SCHEDULE_SECONDS:
        await house.settle_down(pause + 3, step=pause + 3)
    times = receiver.times
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert len(pauses) == len(SCHEDULE_SECONDS)
    for waited, wanted in zip(pauses, SCHEDULE_SECONDS, strict=True):
        assert wanted <= waited <= wanted + 4
    assert len({one.headers["webhook-id"] for one in receiver.requests}) == 1
    house.clock.at += 86_400
    await house.settle_down(5)
    assert len(receiver.requests) == 8
    [shown] = (await client.get(f"{V1}/endpoints")).json()["items"]
    assert shown["failing_since"] is not None
    receiver.status = 204
    await client.post(f"{V1}/endpoints/{made['id']}/test")
    await house.settle_down(5)
    [shown] = (await client.get(f"{V1}/endpoints")).json()["items"]
    assert shown["failing_since"] is None


async def test_an_endpoint_that_is_gone_is_disabled_with_an_alarm(
    house: House, receiver: Receiver, client: httpx.AsyncClient
) -> None:
    made = await add(client)
    where = f"{V1}/endpoints/{made['id']}"
    receiver.status = 410
    await client.post(f"{where}/test")
    await house.settle_down(5)
    [shown] = (await client.get(f"{V1}/endpoints")).json()["items"]
    assert "410" in shown["disabled_why"]
    alarms = [row.kind for row in await house.rows(tables.alarms) if row.cleared_at is None]
    assert alarms == ["endpoint_disabled"]
    assert (await client.post(f"{where}/test")).status_code == 422
    receiver.status = 200
    await client.post(f"{where}/enable")
    await client.post(f"{where}/test")
    await house.settle_down(600)
    assert {row.cleared_at is None for row in await house.rows(tables.alarms)} == {False}


async def test_an_endpoint_that_takes_nothing_for_days_is_disabled(
    house: House, receiver: Receiver, client: httpx.AsyncClient
) -> None:
    made = await add(client)
    receiver.status = 503
    for _ in range(2):
        await client.post(f"{V1}/endpoints/{made['id']}/test")
        await house.settle_down(3)
        house.clock.at += DISABLE_SECONDS
    [shown] = (await client.get(f"{V1}/endpoints")).json()["items"]
    assert shown["disabled_why"] == "it took nothing for five days"
    tried = len(receiver.requests)
    await adjust(house, "MUG", 1)
    await house.settle_down(10)
    assert len(receiver.requests) == tried


async def test_after_a_rotation_both_secrets_sign_for_a_day(
    house: House, receiver: Receiver, client: httpx.AsyncClient
) -> None:
    old = await add(client)
    where = f"{V1}/endpoints/{old['id']}"
    new = (await client.post(f"{where}/rotate")).json()
    assert new["secret"] != old["secret"]
    for both in (True, False):
        await client.post(f"{where}/test")
        await house.settle_down(5)
        request = receiver.requests[-1]
        assert is_signed(request, new["secret"])
        assert is_signed(request, old["secret"]) is both
        house.clock.at += 86_400


async def test_a_removed_endpoint_gets_nothing(
    house: House, receiver: Receiver, client: httpx.AsyncClient
) -> None:
    made = await add(client)
    assert (await client.delete(f"{V1}/endpoints/{made['id']}")).status_code == 200
    await adjust(house, "MUG", 1)
    await house.settle_down(5)
    assert receiver.requests == []
    for verb in ("test", "enable", "rotate"):
        answer = await client.post(f"{V1}/endpoints/{made['id']}/{verb}")
        assert answer.status_code == 404


@pytest.mark.parametrize("url", ["http://erp.example.com/", "https://10.0.0.1/", "nonsense"])
async def test_item_6_events_go_outward_only(client: httpx.AsyncClient, url: str) -> None:
    answer = await client.post(f"{V1}/endpoints", json={"url": url})
    assert answer.status_code == 422


# ------------------------------------------------------------------ the stream


async def heard(stream: AsyncIterator[str], count: int) -> list[dict[str, Any]]:
    """The next events of a stream; what only keeps it open is passed over."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        async for text in stream:
            lines = dict(line.split(": ", 1) for line in text.strip().splitlines())
            if "data" in lines:
                found.append({**json.loads(lines["data"]), "id": int(lines["id"])})
            if len(found) == count:
                return found
    raise AssertionError("the stream has ended")


def tail_of(house: House) -> EventTail:
    return EventTail(house.engine, look_seconds=0.01)


async def test_a_stream_goes_on_where_it_was_left(house: House, receiver: Receiver) -> None:
    whole = await stream_of(house)
    tail = tail_of(house)
    start = whole[0].position
    seen = await heard(tail.listen(start - 1, None), len(whole))
    assert [one["id"] for one in seen] == [one.position for one in whole]
    left = tail.listen(whole[-1].position, None)
    waiting = asyncio.create_task(heard(left, 1))
    await adjust(house, "MUG", 1)
    await house.settle_down(3)
    [event] = await waiting
    assert (event["id"], event["data"]["sku"]) == (whole[-1].position + 1, "MUG")
    again = await heard(tail.listen(whole[-1].position, ["stock.changed"]), 1)
    assert again == [event]


async def test_a_stream_ends_with_the_daemon(house: House) -> None:
    stopping = asyncio.Event()
    tail = EventTail(house.engine, stopping, look_seconds=0.01)
    stream = tail.listen(None, None)
    assert await anext(stream) == "retry: 2000\n\n"
    stopping.set()
    assert [text async for text in stream] == []


async def test_a_stream_asks_for_a_key_and_the_whole_house(house: House, door: Door) -> None:
    async with door.client() as stranger:
        assert (await stranger.get(f"{V1}/events")).status_code in {401, 403}
    async with door.as_key(Permission.HOLDS_WRITE) as other:
        assert (await other.get(f"{V1}/events")).status_code == 403
    async with door.as_key(Permission.READ) as reader:
        wrong = await reader.get(f"{V1}/events", headers={"last-event-id": "x"})
        assert wrong.status_code == 422
    query = sa.select(sa.func.count()).select_from(tables.events)
    async with house.engine.database.read() as tx:
        assert (await tx.execute(query)).scalar() is not None
