"""The specification's example through the command line, on a real SQLite file.

Physical 100, reserved 15 by real orders, safety 5, on order 50, quotas 50/30/20: ATP is 80, future
ATP 130, and the listings hold 40/24/16.
"""

from __future__ import annotations

import hashlib
from typing import Any

from tests.cli.shop import CANONICAL, Shop

SHADOW = CANONICAL
for connector in ("amazing", "shopping", "tilling"):
    SHADOW = SHADOW.replace(f"connector: {connector}", f"connector: {connector}, mode: shadow")

STOCK = {
    "on_hand": 100,
    "reserved": 15,
    "safety_stock": 5,
    "atp": 80,
    "on_order": 50,
    "future_atp": 130,
}


def targets(listings: list[dict[str, Any]]) -> dict[str, int]:
    return {one["channel"]: one["target"] for one in listings}


def pushes(listings: list[dict[str, Any]]) -> dict[str, int]:
    return {one["channel"]: one["push"]["units"] for one in listings if one["push"]}


def test_a_merchant_who_tries_it_in_shadow_sees_what_going_live_would_push(shop: Shop) -> None:
    live = shop.write(CANONICAL, "live.yaml")
    shop.write(SHADOW)
    shop.daemon()
    tried = shop.run("plan", "--json")
    assert tried.code == 0
    assert tried.data["summary"] == {
        "items": 1,
        "pushes": 0,
        "by_kind": {},
        "shadow_pushes": 3,
    }
    planned = shop.run("plan", "-c", str(live), "--json")
    assert planned.code == 2
    (item,) = planned.data["items"]
    assert item["stock"] == STOCK
    assert targets(item["listings"]) == {"amazon-us": 40, "shopify-us": 24, "soho-till": 16}
    assert pushes(item["listings"]) == {"amazon-us": 40, "shopify-us": 24, "soho-till": 16}
    assert planned.data["summary"]["by_kind"] == {"raise": 3}
    assert shop.markets["amazing"].counters == {"IPHONE-15": 0}, "a plan sends nothing"


def test_the_plan_is_drawn_for_people(shop: Shop) -> None:
    shop.write(SHADOW)
    shop.daemon()
    shop.write(CANONICAL)
    done = shop.run("plan")
    assert done.code == 2
    assert done.out.splitlines() == [
        "IPHONE-15  pool main, rule default",
        "100 on hand - 15 reserved - 5 safety = ATP 80; 50 on order, future ATP 130",
        "Channel      May sell   Target   Push   Why                     ",
        "────────────────────────────────────────────────────────────────",
        "amazon-us           0       40   +40    holds 0 of its target 40",
        "shopify-us          0       24   +24    holds 0 of its target 24",
        "soho-till           0       16   +16    holds 0 of its target 16",
        "",
        "Plan: 3 raise.",
    ]


def test_once_the_daemon_has_worked_there_is_nothing_to_push(shop: Shop) -> None:
    shop.daemon()
    assert {name: market.counters["IPHONE-15"] for name, market in shop.markets.items()} == {
        "amazing": 40,
        "shopping": 24,
        "tilling": 16,
    }
    done = shop.run("plan")
    assert done.code == 0
    assert done.out == "Plan: nothing to push; 1 item looked at.\n"
    assert shop.run("verify").code == 0


def test_stock_show_says_atp_now_and_to_come(shop: Shop) -> None:
    shop.daemon(0)
    (pool,) = shop.json("stock", "show", "IPHONE-15")["pools"]
    assert {name: pool[name] for name in STOCK} == STOCK
    done = shop.run("stock", "show", "IPHONE-15")
    assert done.out.splitlines()[:4] == [
        "IPHONE-15  iPhone 15",
        "",
        "Pool main",
        "100 on hand - 15 reserved - 5 safety = ATP 80; 50 on order, future ATP 130",
    ]


def test_explain_leads_from_the_shelf_to_what_is_shown(shop: Shop) -> None:
    shop.daemon()
    found = shop.json("explain", "IPHONE-15")
    (pool,) = found["pools"]
    assert pool["stock"] == STOCK
    assert (pool["exposure"], pool["free"], pool["rule"]) == (80, 0, "default")
    shown = {
        one["channel"]: (one["quota"], one["target"], one["shown"]) for one in pool["listings"]
    }
    assert shown == {
        "amazon-us": (50.0, 40, 40),
        "shopify-us": (30.0, 24, 24),
        "soho-till": (20.0, 16, 16),
    }
    assert [step["name"] for step in pool["trace"]] == ["atp", "shares", "targets"]
    assert pool["trace"][-1]["numbers"] == {"amazon-us": 40, "shopify-us": 24, "soho-till": 16}
    assert len(found["causes"]) == 20
    assert sum(one["what"] == "sale" for one in found["causes"]) == 11


def test_explain_of_one_channel_tells_of_that_channel_alone(shop: Shop) -> None:
    shop.daemon()
    found = shop.json("explain", "IPHONE-15", "--channel", "soho-till")
    assert [one["channel"] for one in found["pools"][0]["listings"]] == ["soho-till"]
    assert {cause["subject"] for cause in found["causes"]} == {"soho-till"}
    assert [(cause["what"], cause["delta"]) for cause in found["causes"]] == [
        ("push closed", 16),
        ("push opened", 16),
        ("settle", 0),
    ]


def test_explain_draws_the_waterfall(shop: Shop) -> None:
    shop.daemon()
    lines = shop.run("explain", "IPHONE-15").out.splitlines()
    start = lines.index("Pool main")
    assert [line.split()[-1] for line in lines[start + 1 : start + 9]] == [
        "100",
        "-15",
        "-5",
        "80",
        "-80",
        "0",
        "+50",
        "130",
    ]


def test_other_quotas_are_planned_without_a_trace(shop: Shop) -> None:
    shop.daemon()
    before = hashlib.sha256(shop.database.read_bytes()).hexdigest()
    changed = shop.write(
        CANONICAL.replace("50%, shopify-us: 30%", "30%, shopify-us: 50%"), "n.yaml"
    )
    done = shop.run("plan", "IPHONE-15", "-c", str(changed), "--json")
    assert done.code == 0, "everybody is above his low water: nobody needs a push"
    assert targets(done.data["items"][0]["listings"]) == {
        "amazon-us": 24,
        "shopify-us": 40,
        "soho-till": 16,
    }
    waits = {one["channel"]: one["waits"] for one in done.data["items"][0]["listings"]}
    assert waits == {
        "amazon-us": "above its target; its units go where they are needed",
        "shopify-us": "above its low water",
        "soho-till": None,
    }
    assert hashlib.sha256(shop.database.read_bytes()).hexdigest() == before


def test_a_channel_that_the_file_leaves_out_is_planned_to_be_cut(shop: Shop) -> None:
    shop.daemon()
    text = CANONICAL.replace("  soho-till: {connector: tilling}\n", "")
    text = text.replace("soho-till: 20%", "").replace("30%, ", "30%")
    left_out = shop.write(text, "without.yaml")
    done = shop.run("plan", "-c", str(left_out), "--json")
    assert done.code == 2
    assert done.data["notes"] == [
        "channel soho-till is not in the file: what it may still sell is taken back"
    ]
    by_channel = {one["channel"]: one for one in done.data["items"][0]["listings"]}
    assert by_channel["soho-till"]["push"]["kind"] == "cut"
    assert by_channel["soho-till"]["target"] == 0
    assert "channel soho-till is not in the file" in done.err
    assert shop.json("status")["channels"][2]["state"] == "active", "nothing was written"


def test_a_new_channel_and_a_new_location_are_only_noted(shop: Shop) -> None:
    shop.daemon()
    text = CANONICAL.replace(
        "  ny-dc: {name: New York DC}\n", "  ny-dc: {name: New York DC}\n  soho: {name: SoHo}\n"
    ).replace("channels:\n", "channels:\n  outlet: {connector: tilling}\n", 1)
    done = shop.run("plan", "-c", str(shop.write(text, "more.yaml")), "--json")
    assert done.code == 0
    assert done.data["notes"] == [
        (
            "channel outlet is new: its listings are found when the daemon adopts it, and nothing"
            " of their items is raised anywhere until they are settled"
        ),
        "location soho is new: it holds no stock yet",
    ]


def test_a_sale_shows_everywhere_it_should(shop: Shop) -> None:
    shop.daemon()
    shop.markets["shopping"].sell("IPHONE-15", 3)
    shop.daemon(60)
    (pool,) = shop.json("stock", "show", "IPHONE-15")["pools"]
    assert (pool["reserved"], pool["atp"]) == (18, 77)
    lines = shop.json("orders", "--channel", "shopify-us", "--limit", "1")["lines"]
    assert shop.json("orders", "--sku", lines[0]["sku"], "--limit", "1")["lines"]
    assert shop.json("orders", "--sku", "NEVER-SOLD")["lines"] == []
    assert [(one["ordered"], one["state"], one["parked"]) for one in lines] == [(3, "open", None)]
    (cause,) = [one for one in shop.json("explain", "IPHONE-15")["causes"] if one["delta"] == 3]
    assert (cause["quantity"], cause["actor"]) == ("reserved", "order:shopify-us")
