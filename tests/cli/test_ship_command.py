"""`channelsync ship`: a package is told to its marketplace."""

from __future__ import annotations

from channelsync.cli.shapes import SHAPES
from tests.cli.shop import Shop


def test_a_package_is_told_and_the_books_follow_the_marketplaces_word(shop: Shop) -> None:
    shop.daemon()
    market = shop.markets["shopping"]
    order = next(one for one in market.orders.values() if not one.shipped)
    package = ("shopify-us", order.order_id, "--carrier", "DHL", "--tracking", "0034")
    told = shop.json("ship", *package)
    assert told.keys() == SHAPES["ship"].keys()
    assert told["units"] == order.ordered
    assert market.orders[order.order_id].shipped == order.ordered
    shop.daemon(60)
    again = shop.run("ship", *package)
    assert (again.code, again.err) == (
        1,
        f"channelsync: nothing of order {order.order_id} is left to ship\n",
    )


def test_what_cannot_be_shipped_is_said(shop: Shop) -> None:
    shop.daemon()
    with_what = ("--carrier", "DHL", "--tracking", "0034")
    assert "told of no order 1-2" in shop.run("ship", "shopify-us", "1-2", *with_what).err
    order = next(iter(shop.markets["shopping"].orders))
    much = shop.run("ship", "shopify-us", order, *with_what, "--units", "IPHONE-15=99")
    assert "99 units of IPHONE-15 left to ship" in much.err
    wrong = shop.run("ship", "shopify-us", order, *with_what, "--units", "IPHONE-15")
    assert "'IPHONE-15' is not SKU=UNITS" in wrong.err
