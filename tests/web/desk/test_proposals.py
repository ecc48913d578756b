"""The security checklist, item 18: what is risky waits for a second user, where that is wanted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from channelsync.configuration.editing import MerchantFile
from channelsync.domain.permissions import Permission, Reach, Role
from channelsync.engine.setup import apply_setup
from channelsync.store import tables
from tests.support.desk import Page, open_page
from tests.support.house import House, setup_for
from tests.support.signed_in import Door
from tests.web.desk.test_quotas import FILE, proposed, put, text_of
from tests.web.desk.test_repairs import bury

DAY = 86_400.0
DROP = "/dead-letters/{}/drop"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "shop" / "channelsync.yaml"
    found.parent.mkdir()
    put(found, FILE)
    return found


@pytest.fixture
def written() -> list[str]:
    return []


@pytest.fixture
def door(house: House, path: Path, written: list[str]) -> Door:
    options = {"merchant_file": MerchantFile(path), "read_proposal": proposed}
    told = {"file_written": lambda: written.append("written"), "approval_seconds": DAY}
    return Door(house, options | told)


async def propose_drop(page: Page, number: int) -> Page:
    asked = await page.send(DROP.format(number))
    return await asked.send(DROP.format(number))


async def trail(house: House) -> list[tuple[str, str, str]]:
    rows = await house.rows(tables.audit)
    told = [(row.actor, row.action, row.subject) for row in rows]
    return [one for one in told if not one[1].startswith(("user.", "session.", "key."))]


async def states(house: House) -> list[str]:
    return [row.state for row in await house.rows(tables.proposals)]


async def test_item_18_a_letter_is_dropped_once_another_user_approves(
    house: House, door: Door
) -> None:
    await bury(house, 1, "a")
    async with door.as_user("ops", Role.OPERATOR) as ops:
        done = await propose_drop(await open_page(ops, "/dead-letters"), 1)
        assert "Proposed. It is done once another user approves it." in done.text
        assert [row.state for row in await house.rows(tables.dead_letters)] == ["dead"]
        twice = await propose_drop(done, 1)
        assert (twice.status, "it is proposed already" in twice.text) == (409, True)
        assert "1 proposal waits" in (await open_page(ops, "/repairs")).text
        mine = await open_page(ops, "/proposals")
        assert not mine.has_form("/proposals/1/approve")
        fields = dict(mine.form("/proposals/1/refuse").fields)
        own = await mine.post("/proposals/1/approve", fields)
        assert (own.status, "nobody approves what he has proposed himself" in own.text) == (
            409,
            True,
        )
    async with door.as_user("boss", Role.MANAGER) as boss:
        page = await open_page(boss, "/proposals")
        assert "line_items is missing" in page.text
        assert "proposed by user:ops" in page.text
        approved = await page.send("/proposals/1/approve")
        assert "Approved, and done." in approved.text
        again = await page.send("/proposals/1/approve")
        assert "Approved, and done." in again.text
        late = await page.post("/proposals/1/approve", fields | {"once": ["x"]})
        assert late.status == 403  # the form of another session
    assert [row.state for row in await house.rows(tables.dead_letters)] == ["dropped"]
    assert await trail(house) == [
        ("user:ops", "proposal.make", "proposal:1"),
        ("user:boss", "proposal.approve", "proposal:1"),
        ("user:boss", "dead_letter.drop", "dead_letter:1"),
    ]
    approval = next(
        row for row in await house.rows(tables.audit) if row.action == "proposal.approve"
    )
    assert json.loads(approval.after)["proposed_by"] == "user:ops"
    await house.require_clean_books()


async def test_item_18_who_may_not_do_it_himself_neither_sees_nor_decides(
    house: House, door: Door
) -> None:
    await bury(house, 1, "a")
    async with door.as_user("ops", Role.OPERATOR) as ops:
        await propose_drop(await open_page(ops, "/dead-letters"), 1)
        fields = dict((await open_page(ops, "/proposals")).form("/proposals/1/refuse").fields)
    far = Reach(channels=frozenset({"b"}))
    for name, role, reach in (("eve", Role.VIEWER, Reach()), ("far", Role.OPERATOR, far)):
        async with door.as_user(name, role, reach) as other:
            token = other.headers["x-csrf-token"]
            page = await open_page(other, "/proposals")
            assert "dead letter" not in page.text.split("<main")[1]
            assert (await other.get("/api/v1/proposals")).json() == {"items": []}
            for verb in ("approve", "refuse"):
                sent = fields | {"csrf_token": [token], "once": [f"{name}{verb}"]}
                assert (await page.post(f"/proposals/1/{verb}", sent)).status == 404
    assert await states(house) == ["waiting"]


async def test_item_18_a_proposal_ends_when_refused_or_not_decided_in_time(
    house: House, door: Door
) -> None:
    await bury(house, 1, "a")
    await bury(house, 2, "a")
    async with door.as_user("ops", Role.OPERATOR) as ops, door.as_user("boss", Role.ADMIN) as boss:
        page = await open_page(ops, "/dead-letters")
        for number in (1, 2):
            await propose_drop(page, number)
        refused = await (await open_page(boss, "/proposals")).send("/proposals/1/refuse")
        assert "Refused. Nothing was done." in refused.text
        stale = await open_page(boss, "/proposals")
        house.clock.at += DAY / 2 - 60  # a session would end before the proposal does
        await boss.get("/api/v1/me")
        await ops.get("/api/v1/me")
        house.clock.at += DAY / 2 - 60
        await boss.get("/api/v1/me")
        house.clock.at += 180
        late = await stale.send("/proposals/2/approve")
        assert (late.status, "is expired already" in late.text) == (409, True)
        ended = await stale.post(
            "/proposals/1/refuse", dict(stale.form("/proposals/2/refuse").fields)
        )
        assert (ended.status, "is refused already" in ended.text) == (409, True)
        assert "expired" in (await open_page(boss, "/proposals")).text
        assert "proposals wait" not in (await open_page(boss, "/repairs")).text
    assert [row.state for row in await house.rows(tables.dead_letters)] == ["dead", "dead"]


async def test_item_18_the_file_is_written_exactly_as_proposed_and_only_over_what_was_seen(
    house: House, door: Door, path: Path, written: list[str]
) -> None:
    async with door.as_user("ada", Role.MANAGER) as ada, door.as_user("bob", Role.MANAGER) as bob:

        async def propose(share: str) -> Page:
            page = await open_page(ada, "/quotas")
            shares = {"quotas:a": share, "what": "shares"}
            preview = await page.send("/quotas/preview", shares, having="quotas:a")
            return await preview.send("/quotas/apply")

        assert "Proposed." in (await propose("20")).text
        assert "Proposed." in (await propose("30")).text
        assert (text_of(path), written) == (FILE, [])
        page = await open_page(bob, "/proposals")
        assert "quotas: {a: 20%, b: 30%}   # a sells more" in page.text
        assert "Approved, and done." in (await page.send("/proposals/1/approve")).text
        assert text_of(path) == FILE.replace("50%", "20%")
        assert written == ["written"]
        over = await page.send("/proposals/2/approve")
        assert (over.status, "changed meanwhile" in over.text) == (409, True)
    assert text_of(path) == FILE.replace("50%", "20%")
    assert await states(house) == ["approved", "waiting"]
    told = [action for _, action, _ in await trail(house)]
    assert told == ["proposal.make", "proposal.make", "proposal.approve", "configuration.edit"]


async def test_item_18_nothing_is_done_once_what_it_is_about_is_another(
    house: House, door: Door
) -> None:
    await house.settle_down(20, step=20)
    await apply_setup(house.engine, setup_for(("b",)))
    async with door.as_user("ada", Role.MANAGER) as ada, door.as_user("bob", Role.MANAGER) as bob:
        asked = await (await open_page(ada, "/repairs")).send("/change/channels/a/forget")
        assert "Proposed." in (await asked.send("/change/channels/a/forget")).text
        page = await open_page(bob, "/proposals")
        assert "units set aside" in page.text
        await house.settle_down(3_600, step=3_600)
        async with house.engine.database.write() as tx:
            row = tables.proposals
            was = json.loads((await house.rows(row))[0].seen)
            other = json.dumps(was | {"units_set_aside": was["units_set_aside"] + 1})
            await tx.execute(row.update().values(seen=other))
        refused = await page.send("/proposals/1/approve")
        assert (refused.status, "has changed since it was proposed" in refused.text) == (409, True)
        async with house.engine.database.write() as tx:
            now = {"listings": was["listings"], "units_set_aside": await set_aside(house)}
            await tx.execute(row.update().values(seen=json.dumps(now)))
        page = await open_page(bob, "/proposals")
        assert "Approved, and done." in (await page.send("/proposals/1/approve")).text
    (entry,) = [row for row in await house.rows(tables.audit) if row.action == "channel.forget"]
    assert entry.actor == "user:bob"
    await house.require_clean_books()


async def set_aside(house: House) -> int:
    return sum(row.exposure or 0 for row in await house.rows(tables.listings) if row.channel == "a")


async def test_item_18_a_program_proposes_too_and_its_maker_does_not_approve(
    house: House, door: Door
) -> None:
    await bury(house, 1, "a")
    await door.add("root", Role.ADMIN)
    scopes = (Permission.DEAD_LETTERS_WRITE, Permission.STOCK_WRITE, Permission.READ)
    made = await door.keys.create("erp", scopes, actor="user:root")
    send: dict[str, Any] = {"sku": "MUG", "source": "dc", "target": "soho", "units": 1}
    send |= {"reason": "gone already"}
    async with door.client() as program:
        program.headers["authorization"] = f"Bearer {made.text}"
        once = {"idempotency-key": "k"}
        answer = await program.post("/api/v1/dead-letters/1/drop", headers=once)
        assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
        again = await program.post("/api/v1/dead-letters/1/drop", headers=once)
        assert (again.status_code, again.json()) == (202, answer.json())
        forced = await program.post("/api/v1/transfers", json=send | {"force": True})
        assert (forced.status_code, forced.json()["told"]) == (202, "Send 1 of MUG by force")
        unknown = await program.post("/api/v1/dead-letters/9/drop")
        assert unknown.status_code == 404
        plain = await program.post("/api/v1/transfers", json=send)
        assert plain.status_code == 201
        listed = (await program.get("/api/v1/proposals")).json()["items"]
        assert [one["id"] for one in listed] == [2, 1]
    async with door.as_user("root", Role.ADMIN) as root, door.as_user("bob", Role.ADMIN) as bob:
        page = await open_page(root, "/proposals")
        own = await page.send("/proposals/1/approve")
        assert (own.status, "proposed himself" in own.text) == (409, True)
        page = await open_page(bob, "/proposals")
        for number in (1, 2):
            assert "Approved, and done." in (await page.send(f"/proposals/{number}/approve")).text
    assert [row.state for row in await house.rows(tables.transfers)] == ["in_transit"] * 2
    await house.require_clean_books()


async def test_item_18_a_transfer_that_waits_leaves_by_force_with_two(
    house: House, door: Door
) -> None:
    await house.settle_down()
    send = {"sku": "MUG", "source": "dc", "target": "soho", "units": "55", "reason": "x"}
    async with door.as_user("ops", Role.OPERATOR) as ops, door.as_user("two", Role.OPERATOR) as two:
        begun = await (await open_page(ops, "/change/transfers")).send("/change/transfers", send)
        ship = "/change/transfers/1/ship"
        page = await begun.send(ship, having="force", force="yes")
        assert "Proposed." in (await page.send(ship)).text
        assert [row.state for row in await house.rows(tables.transfers)] == ["preparing"]
        page = await open_page(two, "/proposals")
        assert "Approved, and done." in (await page.send("/proposals/1/approve")).text
    assert [row.state for row in await house.rows(tables.transfers)] == ["in_transit"]


async def test_item_18_without_the_switch_consent_is_enough(house: House) -> None:
    await bury(house, 1, "a")
    door = Door(house)
    async with door.as_user("ops", Role.OPERATOR) as ops:
        done = await propose_drop(await open_page(ops, "/dead-letters"), 1)
        assert "Dropped." in done.text
        assert "CHANNELSYNC_SECOND_APPROVER=true" in (await open_page(ops, "/proposals")).text
    assert await house.rows(tables.proposals) == []
