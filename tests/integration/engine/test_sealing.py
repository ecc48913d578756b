"""The sealer follows the writers; the head of the ledger is told outside, for good."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine import seal as sealing
from channelsync.engine.anchor import (
    AnchorFile,
    Anchoring,
    AnchorLog,
    AnchorPlace,
    AnchorUnreadable,
    AnchorWebhook,
    anchor,
    read_anchors,
)
from channelsync.engine.audit import note_change
from channelsync.engine.bookkeeping import verify_books
from channelsync.engine.seal import LEDGER_KEY, seal
from channelsync.engine.work import LeaseLost, WorkKind, claim, mark
from channelsync.sdk.signatures import decode_standard_secret, standard_webhook_signature
from channelsync.store import tables
from channelsync.store.audit_chain import Change
from channelsync.store.chain_check import Anchor
from tests.support.house import Build, House, put_stock

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIz"


@pytest.fixture
async def house(build: Build) -> House:
    house = await build(
        stock={"MUG": 10},
        quotas={"shop": 10_000},
        semantics={"shop": PushSemantics.KEYED_COMPARE_AND_SET},
    )
    house.supervisor.handlers = {**house.supervisor.handlers, WorkKind.SEAL: seal}
    return house


def tell(house: House, *places: AnchorPlace) -> None:
    """Have the head told at these places, every hour."""
    told = Anchoring(places=places)
    house.supervisor.handlers = {
        **house.supervisor.handlers,
        WorkKind.ANCHOR: partial(anchor, anchoring=told),
    }


async def test_what_was_committed_is_sealed_within_a_minute(house: House) -> None:
    await house.settle_down(60)
    movements = len(await house.rows(tables.movements))
    report = await verify_books(house.engine.database)
    assert report.ok
    assert (report.chain.sealed, report.chain.unsealed) == (movements, 0)
    assert movements == 3, "the stock, the first settle, the charge of the raise"
    await put_stock(house, {"PLATE": 3}.items())
    assert (await verify_books(house.engine.database)).chain.unsealed == 1
    await house.settle_down(60)
    assert (await verify_books(house.engine.database)).chain.unsealed == 0


async def test_a_long_tail_is_sealed_a_few_movements_a_transaction(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "SEALS_MAX", 3)
    monkeypatch.setattr(sealing, "TRANSACTIONS_MAX", 2)
    await put_stock(house, [(f"SKU-{number}", 5) for number in range(40)])
    await house.settle_down(60)
    report = await verify_books(house.engine.database)
    assert report.ok
    assert report.chain.unsealed == 0
    assert len({row.sealed_at for row in await house.rows(tables.seals)}) > 12


async def test_a_sealer_that_lost_its_lease_seals_nothing(house: House) -> None:
    engine = house.engine
    async with engine.database.write() as tx:
        await mark(tx, WorkKind.SEAL, LEDGER_KEY)
        (held,) = await claim(tx, WorkKind.SEAL, now=engine.now(), lease_seconds=30.0, token="slow")
    house.clock.at += 60
    async with engine.database.write() as tx:
        await claim(tx, WorkKind.SEAL, now=engine.now(), lease_seconds=30.0, token="next")
    with pytest.raises(LeaseLost):
        await seal(engine, held)
    assert await house.rows(tables.seals) == []


# ------------------------------------------------------------------ told outside


async def test_the_head_is_appended_to_a_file_that_verify_accepts(
    house: House, tmp_path: Path
) -> None:
    path = tmp_path / "elsewhere" / "heads.jsonl"
    tell(house, AnchorLog(), AnchorFile(path))
    await house.settle_down(4_000, step=300)
    await put_stock(house, {"PLATE": 3}.items())
    await house.settle_down(4_000, step=300)
    anchors = read_anchors(path.read_text())
    assert [one.position for one in anchors] == [1, 3, 4]
    report = await verify_books(house.engine.database, anchors)
    assert (report.ok, report.chain.anchors) == (True, 3)
    assert [row.place for row in await house.rows(tables.anchors)] == ["log", "file"] * 3


async def test_item_28_a_trail_that_was_cut_off_or_written_anew_shows_against_what_was_told_outside(
    house: House, tmp_path: Path
) -> None:
    path, database = tmp_path / "heads.jsonl", house.engine.database
    tell(house, AnchorFile(path))
    eve, ada, bob = (
        Change(at=house.clock(), actor="user:root", action="user.add", subject=f"user:{name}")
        for name in ("eve", "ada", "bob")
    )
    for said in (ada, eve):
        async with database.write() as tx:
            await note_change(tx, said)
        await house.settle_down(4_000, step=300)
    told = read_anchors(path.read_text())
    assert [one.trail_position for one in told][-2:] == [1, 2]
    assert (await verify_books(database, told)).ok
    async with database.write() as tx:
        await tx.exec_driver_sql("DROP TRIGGER IF EXISTS audit_no_delete")
        await tx.execute(sa.delete(tables.audit).where(tables.audit.c.position == 2))
    assert (await verify_books(database)).ok  # in itself it holds
    (gone,) = (await verify_books(database, told)).audit.breaks
    assert "the audit trail ends at entry 1, and entry 2 was told outside" in gone.message
    async with database.write() as tx:
        await note_change(tx, bob)
    (anew,) = (await verify_books(database, told)).audit.breaks
    assert "entry 2 of the audit trail was told outside with another digest" in anew.message


async def test_a_head_that_has_not_moved_is_not_told_again(house: House, tmp_path: Path) -> None:
    path = tmp_path / "heads.jsonl"
    tell(house, AnchorFile(path))
    await house.settle_down(20_000, step=600)
    assert [one.position for one in read_anchors(path.read_text())] == [1, 3]


def receiver(answers: list[int], seen: list[httpx.Request]) -> httpx.AsyncClient:
    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(answers.pop(0) if answers else 204)

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


async def test_a_webhook_is_signed_and_told_until_it_takes_it(house: House) -> None:
    seen: list[httpx.Request] = []
    key = decode_standard_secret(SECRET)
    async with receiver([503, 500], seen) as client:
        await house.settle_down(60)
        tell(house, AnchorWebhook("https://audit.example.com/heads", key, client))
        await house.supervisor.run_until_idle(horizon=house.clock.at + 1)
        (alarm,) = [row for row in await house.rows(tables.alarms) if row.kind == "work_failing"]
        assert "https://audit.example.com/heads answered 503" in alarm.message
        await house.settle_down(30, step=1)
    assert len(seen) == 3
    assert len({request.headers["webhook-id"] for request in seen}) == 1
    last = seen[-1]
    at = int(last.headers["webhook-timestamp"])
    assert last.headers["webhook-signature"] == standard_webhook_signature(
        key, last.headers["webhook-id"], at, last.content
    )
    event = json.loads(last.content)
    assert event["type"] == "ledger.anchored"
    report = await verify_books(house.engine.database, read_anchors(last.content.decode()))
    assert (report.ok, report.chain.anchors) == (True, 1)
    (alarm,) = [row for row in await house.rows(tables.alarms) if row.kind == "work_failing"]
    assert alarm.cleared_at is not None


async def test_one_place_that_fails_keeps_nothing_from_the_others(
    house: House, tmp_path: Path
) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no route", request=request)

    path = tmp_path / "heads.jsonl"
    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as client:
        hook = AnchorWebhook("https://audit.example.com/", bytes(24), client)
        tell(house, hook, AnchorFile(tmp_path, name="folder"), AnchorFile(path))
        await house.settle_down(60)
        house.clock.at += 3_600
        await house.supervisor.run_until_idle(horizon=house.clock.at + 1)
        tail = path.read_text()
        await house.settle_down(3_000, step=300)
    assert path.read_text() == tail, "it was told and need not be told again"
    (alarm,) = [row for row in await house.rows(tables.alarms) if row.kind == "work_failing"]
    assert "ConnectError" in alarm.message
    assert f"{tmp_path} cannot be written: Is a directory" in alarm.message
    assert {row.place for row in await house.rows(tables.anchors)} == {"file"}


# ------------------------------------------------------------------ reading what was told

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    "shape",
    [
        lambda told: f"{told['position']}:{told['digest'].upper()}\n",
        json.dumps,
        lambda told: json.dumps({"type": "ledger.anchored", "data": told}),
        lambda told: "\n".join(
            ["plain text of a log", '{"event": "channelsync is up"}', json.dumps(told), ""]
        ),
    ],
)
def test_a_head_is_read_in_every_form_that_it_is_told_in(
    shape: Callable[[dict[str, Any]], str],
) -> None:
    told = {"position": 12, "digest": DIGEST}
    assert read_anchors(shape(told)) == [Anchor(position=12, digest=DIGEST)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no head of a ledger in it"),
        ("heads.jsonl", "there is no head of a ledger in it"),
        ("{broken", "line 1 begins like JSON and is none"),
        ("12:beef", "line 1 names no head"),
        ('\n{"position": 0, "digest": "' + DIGEST + '"}', "line 2 names no head"),
        ('{"position": "1", "digest": "' + DIGEST + '"}', "line 1 names no head"),
        ('{"position": 1, "digest": "' + "z" * 64 + '"}', "line 1 names no head"),
    ],
)
def test_what_is_no_head_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(AnchorUnreadable, match=message):
        read_anchors(text)
