"""Units between locations and units that came back, through the command line."""

from __future__ import annotations

from msgspec.structs import replace

from tests.cli.shop import Shop
from tests.cli.test_stock_commands import SECOND_PLACE, on_hand


def send(shop: Shop, units: int, *more: str) -> tuple[int, str]:
    words = ("--from", "ny-dc", "--to", "soho", "--units", str(units))
    done = shop.run("stock", "transfer", "IPHONE-15", *words, *more)
    return done.code, done.out or done.err


def test_units_are_in_transit_until_somebody_takes_them_in(shop: Shop) -> None:
    shop.write(SECOND_PLACE)
    code, said = send(shop, 30)
    assert (code, said) == (
        0,
        "transfer 1: 30 units of IPHONE-15 from ny-dc to soho: 30 in transit\n",
    )
    assert on_hand(shop) == {"ny-dc": 70, "soho": 0}
    shown = shop.run("stock", "show", "IPHONE-15").out
    assert "30 units in transit: `channelsync transfers list`" in shown
    (pool,) = shop.json("stock", "show", "IPHONE-15")["pools"]
    assert (pool["in_transit"], pool["atp"], pool["future_atp"]) == (30, 70, 120)
    assert [place["in_transit"] for place in pool["locations"]] == [0, 30]
    received = shop.run("transfers", "receive", "1", "20").out
    assert received.endswith("to soho: 10 in transit, 20 received\n")
    received = shop.run("transfers", "receive", "1", "8", "--lost", "1", "--damaged", "1").out
    assert received.endswith("to soho: 28 received, 1 damaged, 1 lost\n")
    assert on_hand(shop) == {"ny-dc": 70, "soho": 28}
    assert shop.run("transfers", "list").out == "Nothing is under way.\n"
    listed = shop.run("transfers", "list", "--all").out.splitlines()
    assert listed[-1].split()[:5] == ["1", "IPHONE-15", "ny-dc", "soho", "30"]
    assert shop.run("verify").code == 0


def test_units_on_sale_are_given_back_before_they_leave(shop: Shop) -> None:
    shop.write(shop.config.read_text().replace("ny-dc: {", "soho: {}\n  ny-dc: {"))
    shop.daemon()
    code, said = send(shop, 60)
    assert code == 0
    assert said == (
        "transfer 1: 60 units of IPHONE-15 from ny-dc to soho: preparing, channels may still sell"
        " 60 units of it: their listings are being cut\n"
    )
    early = shop.run("transfers", "ship", "1")
    assert early.code == 1
    assert early.err.endswith("; if its units have left already, say so and force it\n")
    shop.daemon(120)
    assert "ready to leave" in shop.run("transfers", "list").out
    assert shop.run("transfers", "ship", "1").out.endswith("to soho: 60 in transit\n")
    again = shop.run("transfers", "ship", "1")
    assert (again.code, again.err) == (
        1,
        "channelsync: the transfer is in transit: see `channelsync transfers list --all`\n",
    )
    shop.daemon(60)
    assert shop.json("transfers", "receive", "1", "60")["transfer"]["state"] == "received"
    assert shop.run("verify").code == 0


def test_a_transfer_that_is_not_wanted_any_more_is_cancelled(shop: Shop) -> None:
    shop.write(shop.config.read_text().replace("ny-dc: {", "soho: {}\n  ny-dc: {"))
    shop.daemon()
    send(shop, 60)
    assert shop.run("transfers", "cancel", "1").out.endswith("to soho: cancelled\n")
    (pool,) = shop.json("stock", "show", "IPHONE-15")["pools"]
    assert pool["reserved"] == 15


def test_what_came_back_is_listed_and_looked_at(shop: Shop) -> None:
    shop.daemon()
    market = shop.markets["shopping"]
    order = next(iter(market.orders))
    market.ship(order)
    sold = market.orders[order]
    market.orders[order] = replace(sold, returned=1, returned_at=shop.clock(), version=shop.clock())
    shop.daemon(120)
    assert "1 unit came back, not inspected yet" in shop.run("stock", "show", "IPHONE-15").out
    (waiting,) = shop.json("returns", "list")["returns"]
    assert (waiting["order"], waiting["uninspected"]) == (order, 1)
    assert order in shop.run("returns", "list").out
    of = ("--channel", "shopify-us", "--order", order)
    done = shop.run("stock", "return", "IPHONE-15", *of, "--sellable", "1")
    assert done.out == "IPHONE-15 at ny-dc: 1 sellable; on hand 99 -> 100\n"
    assert shop.run("returns", "list").out == "Nothing waits to be looked at.\n"
    again = shop.run("stock", "return", "IPHONE-15", *of, "--damaged", "1")
    assert again.code == 1
    assert "at most 0 more units of IPHONE-15 can have come back" in again.err
    half = shop.run("stock", "return", "IPHONE-15", "--order", order, "--sellable", "1")
    assert half.err == (
        "channelsync: name the order by --channel and --order together, or by neither\n"
    )
    assert shop.run("verify").code == 0
