"""Repairs, dead letters and channels: the fix is a button, done once, told, and kept to reach."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from channelsync.domain.permissions import Reach, Role
from channelsync.engine.alarms import raise_alarm
from channelsync.engine.setup import apply_setup
from channelsync.engine.work import WorkKind
from channelsync.store import tables
from tests.support.desk import open_page
from tests.support.house import House, setup_for
from tests.support.signed_in import Door


async def alarm(house: House, kind: str, subject: str, channel: str | None) -> None:
    async with house.engine.database.write() as tx:
        await raise_alarm(tx, kind, subject, f"<{kind}> said", now=house.clock(), channel=channel)


async def bury(house: House, number: int, channel: str) -> None:
    """A delivery that nobody understood, with its alarm."""
    now = house.clock()
    delivery: dict[str, Any] = {
        "channel": channel,
        "dedupe_key": f"d-{number}",
        "topic": "orders/create",
    }
    delivery |= {"received_at": now, "body_sha256": "0" * 64, "reduced": {}}
    async with house.engine.database.write() as tx:
        insert = sa.insert(tables.deliveries).values(delivery).returning(tables.deliveries.c.id)
        reference = str((await tx.execute(insert)).scalar_one())
        letter: dict[str, Any] = {"kind": "delivery", "reference": reference}
        letter |= {"channel": channel}
        letter |= {"reason": "line_items is missing", "created_at": now}
        await tx.execute(sa.insert(tables.dead_letters).values(letter))
        subject = f"delivery/{reference}"
        await raise_alarm(tx, "dead_letter", subject, "odd", now=now, channel=channel)


async def trail(house: House, action: str) -> list[Any]:
    return [row for row in await house.rows(tables.audit) if row.action == action]


async def test_each_repair_says_what_why_done_and_next_and_names_are_no_markup(
    house: House, door: Door
) -> None:
    async with door.as_user("root", Role.ADMIN) as client:
        page = await open_page(client, "/repairs")
        assert (page.status, "Nothing wants a person." in page.text) == (200, True)
        letters = await open_page(client, "/dead-letters")
        assert "No dead letters." in letters.text
    await alarm(house, "feed_quiet", "a", "a")
    await alarm(house, "deficit", "main/CUP/XL", None)
    async with door.as_user("ops", Role.OPERATOR) as client:
        page = await open_page(client, "/repairs")
        assert page.text.index("more is promised") < page.text.index("an order feed went quiet")
        for words in ("Why it matters", "Done already", "What to do", "&lt;feed_quiet&gt; said"):
            assert words in page.text
        assert '/change/stock?sku=CUP%2FXL"' in page.text
        only = await open_page(client, "/repairs?kind=deficit")
        assert "an order feed went quiet" not in only.text


async def test_look_again_is_done_once_however_often_it_is_pressed_and_told(
    house: House, door: Door
) -> None:
    await alarm(house, "feed_quiet", "a", "a")
    async with house.engine.database.write() as tx:
        await tx.execute(sa.update(tables.work).values(not_before=house.clock() + 3_600))
    async with door.as_user("ops", Role.OPERATOR) as client:
        page = await open_page(client, "/repairs")
        path = "/change/channels/a/look-again"
        first = await page.send(path)
        assert first.answer.url.path == "/repairs"
        assert "is being looked at now" in first.text
        again = await page.send(path)
        assert "is being looked at now" in again.text
    (entry,) = await trail(house, "channel.look_again")
    assert (entry.actor, entry.subject) == ("user:ops", "channel:a")
    due = {row.kind for row in await house.rows(tables.work) if row.not_before <= house.clock()}
    assert WorkKind.POLL in due


async def test_a_dead_letter_is_replayed_at_once_and_dropped_only_when_one_is_sure(
    house: House, door: Door
) -> None:
    await bury(house, 1, "a")
    await bury(house, 2, "b")
    async with door.as_user("ops", Role.OPERATOR) as client:
        page = await open_page(client, "/dead-letters")
        assert "line_items is missing" in page.text
        done = await page.send("/dead-letters/1/replay")
        assert "Replayed." in done.text
        asked = await page.send("/dead-letters/2/drop")
        assert "This cannot be undone" in asked.text
        assert [row.state for row in await house.rows(tables.dead_letters)] == ["replayed", "dead"]
        dropped = await asked.send("/dead-letters/2/drop")
        assert "Dropped." in dropped.text
        late = await page.send("/dead-letters/2/replay")
        assert (late.status, "was dropped already" in late.text) == (409, True)
        nothing = await page.post("/dead-letters/x/drop", {"once": "1"})
        assert nothing.status in {403, 404}
    assert [row.state for row in await house.rows(tables.dead_letters)] == ["replayed", "dropped"]
    assert len(await trail(house, "dead_letter.drop")) == 1


async def test_a_channel_is_paused_with_a_reason_and_resumed(house: House, door: Door) -> None:
    async with door.as_user("ops", Role.OPERATOR) as client:
        page = await open_page(client, "/change/channels/a")
        empty = await page.send("/change/channels/a/pause", reason="  ")
        assert (empty.status, "this is wanted" in empty.text) == (422, True)
        assert 'aria-invalid="true"' in empty.text
        paused = await empty.send("/change/channels/a/pause", reason="stock-taking")
        assert "Paused." in paused.text
        assert "It is stopped: stock-taking" in paused.text
        other = await empty.send("/change/channels/a/pause", reason="other words")
        assert other.status == 409
        assert "sent before, with something else" in other.text
        twice = await page.send("/change/channels/a/pause", reason="once more")
        assert (twice.status, "paused already" in twice.text) == (409, True)
        assert "stock-taking" in (await open_page(client, "/repairs")).text
        resumed = await (await open_page(client, "/repairs")).send("/change/channels/a/resume")
        assert "Resumed." in resumed.text
        assert "Nothing wants a person." in resumed.text
        missing = await open_page(client, "/change/channels/nowhere")
        assert missing.status == 404
    (entry,) = await trail(house, "channel.resume")
    assert (entry.before, entry.after) == ('{"paused":"stock-taking"}', '{"paused":null}')


async def test_item_18_a_removed_channel_is_forgotten_by_a_manager_who_is_sure(
    house: House, door: Door
) -> None:
    await house.settle_down(60, step=20)
    await apply_setup(house.engine, setup_for(("b",)))
    async with door.as_user("ops", Role.OPERATOR) as client:
        page = await open_page(client, "/change/channels/a")
        assert not page.has_form("/change/channels/a/forget")
        fields = {"once": "x", "sure": "yes", "csrf_token": "wrong"}
        assert (await page.post("/change/channels/a/forget", fields)).status == 403
    async with door.as_user("boss", Role.MANAGER) as client:
        repairs = await open_page(client, "/repairs")
        asked = await repairs.send("/change/channels/a/forget")
        assert "they may be sold twice" in asked.text
        await house.settle_down(3_600, step=600)
        done = await asked.send("/change/channels/a/forget")
        assert "Forgotten." in done.text, done.text
    assert len(await trail(house, "channel.forget")) == 1
    await house.require_clean_books()


async def test_what_is_past_is_acknowledged_and_what_stands_is_not(
    house: House, door: Door
) -> None:
    await alarm(house, "listing_gone", "a/MUG", "a")
    await alarm(house, "feed_quiet", "a", "a")
    async with door.as_user("ops", Role.OPERATOR) as client:
        page = await open_page(client, "/repairs")
        done = await page.send("/repairs/1/acknowledge")
        assert "Acknowledged." in done.text
        fields = dict(page.form("/repairs/1/acknowledge").fields)
        refused = await page.post("/repairs/2/acknowledge", fields)
        assert (refused.status, "ends by itself" in refused.text) == (409, True)
        assert "an order feed went quiet" in refused.text
    assert [row.cleared_at is None for row in await house.rows(tables.alarms)] == [False, True]


async def test_nobody_presses_what_is_out_of_his_role_or_reach(house: House, door: Door) -> None:
    await alarm(house, "feed_quiet", "a", "a")
    await bury(house, 1, "a")
    await bury(house, 2, "b")
    async with door.as_user("eve", Role.VIEWER) as client:
        page = await open_page(client, "/repairs")
        assert "an order feed went quiet" in page.text
        assert 'method="post" action="/dead' not in page.text
        assert 'method="post" action="/change' not in page.text
        assert "Decide" not in (await open_page(client, "/dead-letters")).text
    kept = Reach(channels=frozenset({"b"}))
    async with door.as_user("half", Role.OPERATOR, kept) as client:
        page = await open_page(client, "/dead-letters")
        assert not page.has_form("/dead-letters/1/replay")
        fields = dict(page.form("/dead-letters/2/replay").fields)
        assert (await page.post("/dead-letters/1/replay", fields)).status == 404
        assert (await page.post("/change/channels/a/look-again", fields)).status == 404
        assert (await open_page(client, "/change/channels/a")).status == 404
        assert "an order feed went quiet" not in (await open_page(client, "/repairs")).text
    assert {row.state for row in await house.rows(tables.dead_letters)} == {"dead"}


async def test_a_form_of_another_site_or_of_nobody_does_nothing(house: House, door: Door) -> None:
    await bury(house, 1, "a")
    async with door.as_user("ops", Role.OPERATOR) as client:
        page = await open_page(client, "/dead-letters")
        right = page.form("/dead-letters/1/replay").fields
        for broken, status in (("token", 403), ("once", 400), ("both", 403)):
            fields = dict(right)
            if broken in {"token", "both"}:
                fields["csrf_token"] = ["guessed"]
            if broken in {"once", "both"}:
                fields.pop("once")
            refused = await page.post("/dead-letters/1/replay", fields)
            assert refused.status == status, broken
    assert {row.state for row in await house.rows(tables.dead_letters)} == {"dead"}
