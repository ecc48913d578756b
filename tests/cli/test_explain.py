"""Explain: bundles, offers that are not synced, and what happened."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest

from channelsync.domain.vocabulary import PushSemantics
from tests.cli.shop import CANONICAL, CHANNELS, Shop

BUNDLES = """\
listings:
  amazon-us:
    MUG-2PK: {recipe: {MUG: 2}}
    SET: {recipe: {MUG: 1, PLATE: 1}}
"""


@pytest.fixture
def bundles(bare: Shop) -> Shop:
    """Mugs, alone, in pairs and with a plate; the till knows a spoon that we do not."""
    for connector in CHANNELS.values():
        skus = ("MUG", "PLATE", "MUG-2PK", "SET") if connector == "amazing" else ("MUG", "PLATE")
        kind = PushSemantics.KEYED_COMPARE_AND_SET
        bare.open_market(connector, *skus, semantics=kind)
    bare.markets["tilling"].counters["SPOON"] = 3
    bare.write(CANONICAL + BUNDLES)
    sheet = bare.write("sku,on_hand,name\nMUG,100,Mug\nPLATE,30,Plate\nFORK,9,Fork\n", "s.csv")
    assert bare.run("stock", "import", str(sheet), "--create-items").code == 0
    bare.daemon()
    return bare


def test_bundles_are_called_by_name_and_say_what_they_take(bundles: Shop) -> None:
    (pool,) = bundles.json("explain", "MUG")["pools"]
    named = {(one["channel"], one["sku"]): one["units"] for one in pool["listings"]}
    assert named == {
        ("amazon-us", "MUG"): 1,
        ("amazon-us", "MUG-2PK"): 2,
        ("amazon-us", "SET"): 1,
        ("shopify-us", "MUG"): 1,
        ("soho-till", "MUG"): 1,
    }
    steps = {step["name"]: step for step in pool["trace"]}
    assert set(steps["targets"]["numbers"]) == {
        "amazon-us MUG",
        "amazon-us MUG-2PK",
        "amazon-us SET",
        "shopify-us",
        "soho-till",
    }
    assert steps["recipe"]["explanation"].startswith("amazon-us SET: ")
    assert steps["atp"]["numbers"] == {"atp": 95}
    drawn = bundles.run("explain", "MUG").out
    assert "amazon-us MUG-2PK: one MUG-2PK takes 2 units" in drawn


def test_units_of_bundles_count_in_units_of_the_item(bundles: Shop) -> None:
    (pool,) = bundles.json("explain", "MUG")["pools"]
    claimed = sum(one["units"] * one["exposure"] for one in pool["listings"])
    assert pool["exposure"] == claimed
    assert pool["free"] == pool["stock"]["atp"] - claimed >= 0


def test_what_was_planned_anew_before_it_was_sent_is_no_cause(bundles: Shop) -> None:
    causes = bundles.json("explain", "MUG")["causes"]
    assert causes
    assert [one for one in causes if "planned anew" in one["note"]] == []


def test_an_offer_of_an_unknown_item_is_refused_with_what_to_do(bundles: Shop) -> None:
    assert "soho-till: 1 offer not synced" in bundles.run("status").out
    assert bundles.run("items", "add", "SPOON").code == 0
    (offer,) = bundles.json("explain", "SPOON")["unlisted"]
    assert (offer["channel"], offer["state"]) == ("soho-till", "refused")
    assert offer["why"].startswith("there is no item 'SPOON': import it with its stock")
    drawn = bundles.run("explain", "SPOON").out
    assert "soho-till SPOON is not synced (refused): there is no item 'SPOON'" in drawn


def test_an_item_that_no_channel_lists_is_explained_all_the_same(bundles: Shop) -> None:
    (pool,) = bundles.json("explain", "FORK")["pools"]
    assert (pool["stock"]["atp"], pool["free"], pool["rule"], pool["listings"]) == (4, 4, None, [])
    assert "no channel lists it" in bundles.run("explain", "FORK").out
    noted = bundles.run("plan", "FORK")
    assert (noted.code, noted.err) == (0, "note: FORK is listed on no channel\n")


def test_an_open_push_is_told_with_its_last_answer(bundles: Shop) -> None:
    bundles.markets["amazing"].faults = ["lose_answer"] * 50
    while bundles.markets["amazing"].sell("PLATE"):
        pass
    assert bundles.run("stock", "adjust", "PLATE", "100", "-r", "delivery").code == 0
    bundles.daemon(20)
    pushed = [
        one["open_push"]
        for one in bundles.json("explain", "PLATE")["pools"][0]["listings"]
        if one["open_push"] is not None
    ]
    assert pushed
    assert {push["kind"] for push in pushed} == {"raise"}
    assert {push["last_outcome"] for push in pushed} == {"unknown"}
    assert "open push: raise" in bundles.run("explain", "PLATE").out


# ------------------------------------------------------------------ beside a daemon at work


def test_a_change_waits_for_the_daemon_to_end_its_transaction(shop: Shop) -> None:
    with closing(sqlite3.connect(shop.database, check_same_thread=False)) as daemon:
        daemon.isolation_level = None
        daemon.execute("BEGIN IMMEDIATE")
        threading.Timer(0.3, daemon.execute, ["COMMIT"]).start()
        done = shop.run("stock", "adjust", "IPHONE-15", "-1", "-r", "broken")
    assert (done.code, done.out) == (0, "IPHONE-15 at ny-dc: on hand 100 -> 99\n")


def test_a_database_that_stays_busy_is_unreachable(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channelsync.store.sqlite.BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(shop.database)) as daemon:
        daemon.isolation_level = None
        daemon.execute("BEGIN IMMEDIATE")
        assert shop.run("stock", "show", "IPHONE-15").code == 0, "looking never waits"
        assert shop.run("plan").code == 0
        done = shop.run("stock", "adjust", "IPHONE-15", "-1", "-r", "broken")
    assert (done.code, done.err) == (
        5,
        "channelsync: the database does not answer: database is locked\n",
    )
