"""Channels and dead letters through the command line."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from channelsync.bootstrap import Application
from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.grants import Grants
from channelsync.store import tables
from channelsync.store.tables import MovementKind
from tests.cli.shop import CANONICAL, Shop

WITHOUT_TILL = CANONICAL.replace("  soho-till: {connector: tilling}\n", "").replace(
    "30%, soho-till: 20%", "30%"
)


def waits(shop: Shop) -> dict[str, str | None]:
    (pool,) = shop.json("explain", "IPHONE-15")["pools"]
    return {one["channel"]: one["waits"] for one in pool["listings"]}


def execute(shop: Shop, *statements: sa.Executable) -> None:
    async def run(application: Application) -> None:
        async with application.engine.database.write() as tx:
            for statement in statements:
                await tx.execute(statement)

    shop.work(run)


def rows(shop: Shop, table: sa.Table) -> list[Any]:
    async def run(application: Application) -> list[Any]:
        async with application.engine.database.read() as tx:
            return list((await tx.execute(sa.select(table))).all())

    return shop.work(run)


# ------------------------------------------------------------------ pause and resume


def test_a_paused_channel_is_not_pushed_until_it_is_resumed(shop: Shop) -> None:
    shop.daemon()
    market = shop.markets["shopping"]
    assert shop.run("channels", "pause", "shopify-us", "-r", "stock-take").out == (
        "shopify-us is paused\n"
    )
    while market.sell("IPHONE-15"):
        pass
    shop.run("stock", "adjust", "IPHONE-15", "500", "-r", "delivery")
    shop.daemon()
    assert market.counters["IPHONE-15"] == 0
    assert shop.markets["amazing"].counters["IPHONE-15"] > 40
    assert waits(shop)["shopify-us"] == "stock-take"
    assert "shopify-us: stopped: stock-take" in shop.run("status").out
    assert shop.run("channels", "resume", "shopify-us").code == 0
    shop.daemon()
    assert market.counters["IPHONE-15"] > 0


def test_pausing_twice_and_resuming_what_runs_are_refused(shop: Shop) -> None:
    shop.daemon(0)
    assert shop.run("channels", "resume", "soho-till").err == (
        "channelsync: channel soho-till is not paused\n"
    )
    assert shop.run("channels", "pause", "soho-till").code == 0
    again = shop.run("channels", "pause", "soho-till")
    assert (again.code, again.err) == (
        1,
        "channelsync: channel soho-till is paused already: paused by hand\n",
    )


def test_a_pause_of_the_configuration_is_lifted_there(shop: Shop) -> None:
    shop.write(CANONICAL.replace("connector: tilling", "connector: tilling, mode: paused"))
    shop.daemon(0)
    done = shop.run("channels", "resume", "soho-till")
    assert (done.code, done.err) == (
        1,
        (
            "channelsync: channel soho-till is paused in the configuration: set its mode there to"
            " live\n"
        ),
    )


def test_an_unknown_channel_is_refused_with_the_nearest_name(shop: Shop) -> None:
    shop.daemon(0)
    for command in ("pause", "resume", "forget"):
        done = shop.run("channels", command, "soho-til")
        assert (done.code, done.err) == (
            1,
            "channelsync: there is no channel 'soho-til'; did you mean 'soho-till'?\n",
        )
    done = shop.run("orders", "--channel", "etsy")
    assert "a channel of the configuration is known once the daemon has started" in done.err


# ------------------------------------------------------------------ test


def test_a_channel_that_answers_passes_its_test(shop: Shop) -> None:
    done = shop.run("channels", "test", "amazon-us", "--json")
    assert done.code == 0
    assert done.data == {
        "channel": "amazon-us",
        "ok": True,
        "checks": [{"name": "orders", "ok": True, "message": "it answers"}],
    }


def test_a_channel_that_does_not_answer_is_unreachable(shop: Shop) -> None:
    shop.markets["amazing"].offline = True
    done = shop.run("channels", "test", "amazon-us")
    assert (done.code, done.err) == (5, "channelsync: nobody answers\n")


def test_only_configured_channels_can_be_tested(shop: Shop) -> None:
    done = shop.run("channels", "test", "amazon")
    assert done.code == 1
    assert f"there is no channel 'amazon' in {shop.config}; did you mean" in done.err


# ------------------------------------------------------------------ forget


def remove_till(shop: Shop) -> None:
    """Its market is gone for good before its listings could be zeroed."""
    shop.daemon()
    shop.write(WITHOUT_TILL)
    shop.daemon(5)


def test_a_removed_channel_keeps_its_units_until_it_is_forgotten(shop: Shop) -> None:
    remove_till(shop)
    status = shop.json("status")
    assert [alarm["kind"] for alarm in status["alarms"]] == ["channel_removed"]
    assert status["channels"][2]["state"] == "removed"
    assert status["pools"][0]["exposure"] == 80
    warned = shop.run("channels", "forget", "soho-till")
    assert warned.code == 1
    assert "units will be sold twice" in warned.err
    assert "Repeat the command with --yes" in warned.err
    assert shop.json("status")["pools"][0]["exposure"] == 80
    done = shop.run("channels", "forget", "soho-till", "--yes")
    assert done.out == "soho-till is forgotten: 16 units of 1 listing free again\n"
    status = shop.json("status")
    assert status["pools"][0]["free"] == 16
    assert status["alarms"] == []
    assert shop.run("verify").code == 0


def test_forgetting_is_settled_in_the_ledger(shop: Shop) -> None:
    remove_till(shop)
    assert shop.run("channels", "forget", "soho-till", "--yes").code == 0
    (last,) = [row for row in rows(shop, tables.movements) if row.reference == "forgotten"]
    assert (last.kind, last.delta, last.quantity) == (MovementKind.SETTLE, -16, "exposure")
    assert last.actor.startswith("cli:")


def test_a_configured_channel_is_not_forgotten(shop: Shop) -> None:
    shop.daemon()
    done = shop.run("channels", "forget", "soho-till", "--yes")
    assert done.code == 1
    assert "is still in the configuration" in done.err


def test_a_channel_to_which_something_may_still_apply_is_not_forgotten(shop: Shop) -> None:
    shop.daemon()
    outstanding = (
        sa.update(tables.listings)
        .where(tables.listings.c.channel == "soho-till")
        .values(outstanding_until=shop.clock.at + 3_600)
    )
    execute(shop, outstanding)
    shop.write(WITHOUT_TILL)
    shop.daemon(5)
    done = shop.run("channels", "forget", "soho-till", "--yes")
    assert done.code == 1
    assert (
        "soho-till cannot be forgotten yet, because of IPHONE-15: an attempt may still apply"
        in (done.err)
    )
    assert shop.json("status")["pools"][0]["exposure"] == 80
    shop.clock.at += 3_601
    assert shop.run("channels", "forget", "soho-till", "--yes").code == 0


def test_a_listing_that_was_never_settled_holds_nothing_up_once_forgotten(shop: Shop) -> None:
    shop.open_market("late", "IPHONE-15", semantics=PushSemantics.KEYED_DELTA)
    shop.markets["late"].offline = True
    shop.daemon()

    async def unsettled(application: Application) -> None:
        async with application.engine.database.write() as tx:
            row = {"name": "ghost", "connector": "late", "pool": "main", "state": "removed"}
            await tx.execute(sa.insert(tables.channels).values(row | {"baseline_at": 0.0}))
            listing = {"channel": "ghost", "sku": "IPHONE-15", "semantics": "keyed_delta"}
            made = await tx.execute(sa.insert(tables.listings).values(listing))
            key = made.inserted_primary_key
            assert key is not None
            recipe = {"listing_id": key[0], "item_id": 1, "units": 1}
            await tx.execute(sa.insert(tables.recipes).values(recipe))
            grants = Grants(tx, application.engine.now(), "test")
            await grants.load([key[0]])
            assert not grants[key[0]].grant.settled

    shop.work(unsettled)
    assert waits(shop)["amazon-us"] == "another listing of the item was never settled"
    assert shop.run("channels", "forget", "ghost", "--yes").code == 0
    assert waits(shop)["amazon-us"] is None
    assert shop.run("verify").code == 0


# ------------------------------------------------------------------ dead letters


def bury(shop: Shop, number: int = 1) -> None:
    """A delivery that nobody understood, as intake leaves it behind."""
    shop.daemon(0)
    lay_down(shop, number)


def lay_down(shop: Shop, number: int) -> None:
    """The same in a shop whose daemon has worked already."""
    now = shop.clock.at
    execute(
        shop,
        sa.insert(tables.deliveries).values(
            channel="shopify-us",
            dedupe_key=f"delivery-{number}",
            topic="orders/create",
            received_at=now,
            body_sha256="0" * 64,
            reduced={},
        ),
        sa.insert(tables.dead_letters).values(
            kind="delivery",
            reference=str(number),
            channel="shopify-us",
            reason="line_items is missing",
            created_at=now,
        ),
        sa.insert(tables.alarms).values(
            kind="dead_letter", subject=f"delivery/{number}", message="…", raised_at=now
        ),
    )


def test_a_dead_letter_is_listed_with_its_reason(shop: Shop) -> None:
    assert shop.run("deadletters", "list").out == "No dead letter.\n"
    bury(shop)
    (letter,) = shop.json("deadletters", "list")["dead_letters"]
    assert (letter["id"], letter["topic"], letter["reason"]) == (
        1,
        "orders/create",
        "line_items is missing",
    )
    assert shop.json("status")["dead_letters"] == 1


def test_a_replayed_letter_is_applied_again(shop: Shop) -> None:
    bury(shop)
    assert shop.run("deadletters", "replay", "1").code == 0
    assert [row.delivery_id for row in rows(shop, tables.inbox)] == [1]
    waiting = {(row.kind, row.key) for row in rows(shop, tables.work) if row.kind == "intake"}
    assert ("intake", "shopify-us") in waiting
    assert shop.json("status")["alarms"] == []
    again = shop.run("deadletters", "replay", "1")
    assert (again.code, again.err) == (1, "channelsync: dead letter 1 was replayed already\n")


def test_item_18_a_letter_is_dropped_only_with_consent(shop: Shop) -> None:
    bury(shop)
    refused = shop.run("deadletters", "drop", "1")
    assert refused.code == 1
    assert "Repeat the command with --yes" in refused.err
    assert shop.run("deadletters", "drop", "1", "--yes").out == "1 is dropped\n"
    assert shop.json("deadletters", "list") == {"dead_letters": []}
    assert rows(shop, tables.inbox) == []


def test_item_18_the_machine_acts_alone_and_says_so(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    bury(shop)
    monkeypatch.setenv("CHANNELSYNC_SECOND_APPROVER", "true")
    done = shop.run("deadletters", "drop", "1", "--yes")
    assert (done.code, done.out) == (0, "1 is dropped\n")
    assert "waits for a second user's approval" in done.err
    assert "acts alone, and the trail says so: cli" in done.err


def test_a_letter_that_does_not_exist_is_refused(shop: Shop) -> None:
    assert shop.run("deadletters", "replay", "9").err == (
        "channelsync: there is no dead letter 9; `channelsync deadletters list` shows all\n"
    )
