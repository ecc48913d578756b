"""One trace from a webhook to the attempt that it led to, through the store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.work import WorkKind, claim, finish, mark
from channelsync.sdk.signatures import decode_standard_secret, standard_webhook_signature
from channelsync.store import tables
from channelsync.tracing import Cause, caused_by, read_causes, written_causes
from tests.support.house import Build, House
from tests.support.shopfronts import TILL_SECRET, open_till
from tests.support.traces import Seen, kept_spans, seen, way_to
from tests.web.conftest import Client

STRANGERS = "00-11111111111111111111111111111111-2222222222222222-01"
WAY = ["POST /webhooks/{channel}", "intake", "reconcile", "publish", "attempt"]


@dataclass(slots=True)
class Stage:
    house: House
    client: httpx.AsyncClient
    kept: InMemorySpanExporter | None

    async def sell(self, *sequences: int, units: int = 1) -> None:
        for sequence in sequences:
            body = _sale(sequence, units, at=self.house.clock())
            answer = await self.client.post(
                "/webhooks/till", content=body, headers=_signed(self.house, body, f"m{sequence}")
            )
            assert answer.status_code == 200, answer.text

    @property
    def spans(self) -> list[Seen]:
        assert self.kept is not None
        return seen(self.kept)


def _sale(sequence: int, units: int, *, at: float) -> bytes:
    data = {
        "register_id": "T1",
        "sequence": sequence,
        "sale_id": f"T1-{sequence}",
        "occurred_at": datetime.fromtimestamp(at, UTC).isoformat(),
        "lines": [{"line_id": "1", "sku": "MUG", "quantity": str(units)}],
    }
    return json.dumps({"type": "pos.sale.completed", "data": data}).encode()


def _signed(house: House, body: bytes, message: str) -> dict[str, str]:
    at, secret = int(house.clock()), decode_standard_secret(TILL_SECRET)
    return {
        "webhook-id": message,
        "webhook-timestamp": str(at),
        "webhook-signature": standard_webhook_signature(secret, message, at, body),
        "traceparent": STRANGERS,
    }


async def stage(build: Build, visit: Client, *, traced: bool = True) -> Stage:
    """A till that sells by webhook, and a shop whose number must then be lowered."""
    house = await build(
        stock={"MUG": 40},
        quotas={"till": 5_000, "shop": 5_000},
        semantics={"till": PushSemantics.LIVE, "shop": PushSemantics.KEYED_DELTA},
    )
    await open_till(house, "till")
    kept = None
    if traced:
        house.engine.tracing, kept = kept_spans()
    await house.settle_down(60)
    if kept is not None:
        kept.clear()
    return Stage(house, await visit(house), kept)


def of(spans: Sequence[Seen], name: str) -> list[Seen]:
    return [span for span in spans if span.name == name]


async def test_a_sale_and_the_attempt_that_it_leads_to_are_one_trace(
    build: Build, visit: Client
) -> None:
    scene = await stage(build, visit)
    await scene.sell(1, units=24)
    await scene.house.settle_down(60)
    spans = scene.spans
    (received,) = of(spans, WAY[0])
    attempts = [span for span in of(spans, "attempt") if span.trace == received.trace]
    assert [way_to(span, spans) for span in attempts[:1]] == [WAY]
    assert attempts[0].attributes["channelsync.channel"] == "shop"
    assert attempts[0].attributes["channelsync.outcome"] == "applied"
    assert received.attributes["http.response.status_code"] == 200
    assert received.trace != STRANGERS.split("-")[1]  # nobody outside says what belongs together


async def test_what_several_sales_led_to_goes_on_from_the_first_and_is_linked_to_the_others(
    build: Build, visit: Client
) -> None:
    scene = await stage(build, visit)
    await scene.sell(1, 2, 3)
    await scene.house.settle_down(1)
    spans = scene.spans
    first, *others = of(spans, WAY[0])
    (intake,) = of(spans, "intake")
    assert intake.parent == first.id
    assert intake.links == {span.trace for span in others}


async def test_a_second_copy_belongs_to_the_trace_of_its_push(build: Build, visit: Client) -> None:
    scene = await stage(build, visit)
    scene.house.markets["shop"].faults = ["lose_request", "lose_request"]
    await scene.sell(1, units=24)
    await scene.house.settle_down(60)
    spans = scene.spans
    (received,) = of(spans, WAY[0])
    outcomes = [
        span.attributes["channelsync.outcome"]
        for span in of(spans, "attempt")
        if span.trace == received.trace
    ]
    assert outcomes[:3] == ["unknown", "unknown", "applied"]


async def test_without_tracing_nothing_of_it_is_written(build: Build, visit: Client) -> None:
    scene = await stage(build, visit, traced=False)
    await scene.sell(1, units=24)
    await scene.house.settle_down(60)
    for table in (tables.work, tables.deliveries, tables.pushes):
        rows = await scene.house.rows(table)
        assert rows
        assert {row.trace for row in rows} == {None}


async def test_a_trace_ends_after_so_many_steps_and_what_follows_is_linked_to_it(
    build: Build, visit: Client
) -> None:
    scene = await stage(build, visit)
    old = Cause("00-" + "a" * 32 + "-" + "b" * 16 + "-01", 8)
    async with scene.house.engine.database.write() as tx:
        with caused_by((old,)):
            await mark(tx, WorkKind.WATCH, "shop")
    await scene.house.settle_down(1)
    watched = of(scene.spans, "watch")[0]
    assert watched.parent == ""
    assert watched.links == {old.trace}


# ------------------------------------------------------------------ what is kept of causes


def cause(number: int) -> Cause:
    return Cause(f"00-{number:032x}-{number:016x}-01", number)


async def kept_of(house: House, key: str) -> tuple[Cause, ...]:
    (row,) = [row for row in await house.rows(tables.work) if row.key == key]
    return read_causes(row.trace)


async def test_what_comes_up_during_a_run_is_the_cause_of_the_next(build: Build) -> None:
    house = await build(stock={}, quotas={"shop": 10_000}, semantics={"shop": PushSemantics.LIVE})
    database = house.engine.database

    async def marked(*numbers: int) -> None:
        for number in numbers:
            async with database.write() as tx:
                with caused_by((cause(number),)):
                    await mark(tx, WorkKind.FETCH, "k")

    async def claimed() -> Any:
        async with database.write() as tx:
            (held,) = await claim(
                tx, WorkKind.FETCH, now=house.clock(), lease_seconds=60, token="t", limit=1
            )
        return held

    await marked(1, 2, 1)
    held = await claimed()
    assert held.causes == (cause(1), cause(2))
    await marked(3)
    async with database.write() as tx:
        await finish(tx, held)
    assert await kept_of(house, "k") == (cause(3),)
    again = await claimed()
    assert again.causes == (cause(3),)
    async with database.write() as tx:
        await finish(tx, again, again_at=house.clock())
    assert await kept_of(house, "k") == ()
    await marked(*range(10, 30))
    assert await kept_of(house, "k") == tuple(cause(number) for number in range(10, 18))


def test_causes_are_read_as_they_were_written_and_nonsense_is_left_out() -> None:
    causes = (cause(1), cause(2))
    assert read_causes(written_causes(causes)) == causes
    assert read_causes("nonsense 00-zz") == read_causes(None) == ()
    assert written_causes(()) is None
