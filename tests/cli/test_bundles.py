"""Bundles and multipacks from the YAML to the marketplaces: plan, explain, orders, new recipes."""

from __future__ import annotations

from random import Random

import pytest
import sqlalchemy as sa

from channelsync.bootstrap import Application
from channelsync.domain.vocabulary import PushSemantics
from channelsync.sdk.testing.memory import MemoryMarket
from channelsync.store import tables
from tests.cli.shop import Shop

CONFIG = """\
version: 1
locations: {{dc: {{name: Warehouse}}}}
channels:
  web: {{connector: webbing}}
  bay: {{connector: baying}}
allocation:
  quotas: {{web: 60%, bay: 40%}}
listings:
  web:
    MUG-2PK: {{recipe: {{MUG: {multipack}}}}}
    TEA-SET: {{recipe: {{MUG: 1, POT: 1}}}}
  bay:
    MUG-2PK: {{recipe: {{MUG: {multipack}}}}}
    TEA-SET: {{recipe: {{MUG: 1, POT: 1}}}}
"""
OFFERS = ("MUG", "MUG-2PK", "TEA-SET")
MUGS, POTS = 30, 8


@pytest.fixture
def store(migrated_shop: Shop) -> Shop:
    """Mugs and pots, sold apart, in pairs and as a set on two channels."""
    shop = migrated_shop
    kinds = {
        "webbing": PushSemantics.KEYED_COMPARE_AND_SET,
        "baying": PushSemantics.ABSOLUTE,
    }
    for connector, semantics in kinds.items():
        shop.open_market(connector, *OFFERS, semantics=semantics)
    shop.write(CONFIG.format(multipack=2))
    shop.write(f"sku,location,on_hand\nMUG,dc,{MUGS}\nPOT,dc,{POTS}\n", "stock.csv")
    done = shop.run("stock", "import", str(shop.folder / "stock.csv"), "--create-items")
    assert done.code == 0, done
    shop.daemon(300, step=60)
    return shop


def shown(shop: Shop, sku: str) -> int:
    return sum(market.counters[sku] for market in shop.markets.values())


def mugs_on_show(shop: Shop, pair: int = 2) -> int:
    return shown(shop, "MUG") + pair * shown(shop, "MUG-2PK") + shown(shop, "TEA-SET")


def mugs_sold(shop: Shop, pair: int = 2) -> int:
    units = {"MUG": 1, "MUG-2PK": pair, "TEA-SET": 1}
    return sum(
        units[sku] * market.net_sold(sku) for market in shop.markets.values() for sku in units
    )


def level(shop: Shop, sku: str) -> tuple[int, int]:
    """On hand and reserved."""

    async def look(application: Application) -> tuple[int, int]:
        stock, items = tables.stock, tables.items
        query = (
            sa.select(stock.c.on_hand, stock.c.reserved)
            .join(items, items.c.id == stock.c.item_id)
            .where(items.c.sku == sku)
        )
        async with application.engine.database.read() as tx:
            row = (await tx.execute(query)).one()
        return row.on_hand, row.reserved

    return shop.work(look)


def require_clean(shop: Shop) -> None:
    done = shop.run("verify")
    assert done.code == 0, done


def web(shop: Shop) -> MemoryMarket:
    return shop.markets["webbing"]


def test_what_is_on_show_never_promises_a_component_twice(store: Shop) -> None:
    assert 0 < mugs_on_show(store) <= MUGS
    assert 0 < shown(store, "TEA-SET") <= POTS
    assert min(shown(store, sku) for sku in OFFERS) > 0
    require_clean(store)


def test_plan_and_explain_speak_of_bundles_in_their_own_units(store: Shop) -> None:
    (mug, _pot) = sorted(store.json("plan")["items"], key=lambda item: item["sku"])
    rows = {(row["channel"], row["sku"]): row for row in mug["listings"]}
    assert set(rows) == {(channel, sku) for channel in ("web", "bay") for sku in OFFERS}
    exposed = {
        sku: sum(row["exposure"] for key, row in rows.items() if key[1] == sku) for sku in OFFERS
    }
    used = exposed["MUG"] + 2 * exposed["MUG-2PK"] + exposed["TEA-SET"]
    assert mug["free"] == MUGS - used >= 0
    text = store.run("explain", "POT").out
    assert "TEA-SET" in text


def test_a_bundle_s_order_moves_every_component(store: Shop) -> None:
    market = web(store)
    order_id = market.sell("TEA-SET", 2)
    assert order_id is not None
    store.daemon(60)
    assert (level(store, "MUG"), level(store, "POT")) == ((MUGS, 2), (POTS, 2))
    market.ship(order_id)
    store.daemon(60)
    assert (level(store, "MUG"), level(store, "POT")) == ((MUGS - 2, 0), (POTS - 2, 0))
    cancelled = market.sell("MUG-2PK")
    assert cancelled is not None
    store.daemon(60)
    assert level(store, "MUG") == (MUGS - 2, 2)
    market.cancel(cancelled)
    store.daemon(60)
    assert level(store, "MUG") == (MUGS - 2, 0)
    require_clean(store)


@pytest.mark.parametrize("seed", [1])
def test_shoppers_of_three_offers_empty_the_shelf_and_no_more(store: Shop, seed: int) -> None:
    rng = Random(seed)
    for _ in range(25):
        market = rng.choice(sorted(store.markets.values(), key=lambda one: one.semantics))
        for _ in range(rng.randrange(4)):
            market.sell(rng.choice(OFFERS))
        store.daemon(rng.choice((20, 60)))
        assert mugs_sold(store) <= MUGS
    for _ in range(8):
        bought = [
            market.sell(sku)
            for market in store.markets.values()
            for sku in OFFERS
            for _ in range(market.counters[sku])
        ]
        store.daemon(400, step=100)
        if not bought:
            break
    assert mugs_sold(store) == MUGS
    assert sum(market.net_sold("TEA-SET") for market in store.markets.values()) <= POTS
    require_clean(store)


def test_a_new_recipe_is_taken_over_from_a_settled_zero(store: Shop) -> None:
    market = web(store)
    sold_as_pair = market.sell("MUG-2PK", 2)
    assert sold_as_pair is not None
    store.daemon(60)
    assert level(store, "MUG") == (MUGS, 4)
    store.write(CONFIG.format(multipack=3))
    changed_at = store.clock()
    store.daemon(600, step=60)
    for channel in ("web", "bay"):
        assert lowest_exposure(store, channel, "MUG-2PK", since=changed_at) == 0
    assert shown(store, "MUG-2PK") > 0
    assert mugs_on_show(store, pair=3) <= MUGS - 4
    # What was sold as a pair ships, and comes back, as a pair.
    market.ship(sold_as_pair)
    store.daemon(60)
    assert level(store, "MUG") == (MUGS - 4, 0)
    market._change(sold_as_pair, returned=1, restocked=1, returned_at=store.clock())
    store.daemon(60)
    assert level(store, "MUG") == (MUGS - 2, 0)
    sold_as_three = market.sell("MUG-2PK")
    assert sold_as_three is not None
    store.daemon(60)
    assert level(store, "MUG") == (MUGS - 2, 3)
    require_clean(store)


def lowest_exposure(shop: Shop, channel: str, sku: str, *, since: float) -> int:
    """The least that a listing's account held since an instant, by the ledger."""

    async def look(application: Application) -> int:
        moved, listings = tables.movements, tables.listings
        query = (
            sa.select(moved.c.delta, moved.c.at)
            .join(listings, listings.c.id == moved.c.listing_id)
            .where(listings.c.channel == channel, listings.c.sku == sku)
            .order_by(moved.c.id)
        )
        async with application.engine.database.read() as tx:
            rows = (await tx.execute(query)).all()
        held = [sum(row.delta for row in rows[: end + 1]) for end in range(len(rows))]
        return min(int(units) for units, row in zip(held, rows, strict=True) if row.at > since)

    return shop.work(look)
