"""Stock and items through the command line."""

from __future__ import annotations

from tests.cli.shop import Shop

SECOND_PLACE = """\
version: 1
locations:
  ny-dc: {}
  soho: {}
channels:
  amazon-us: {connector: amazing}
  shopify-us: {connector: shopping}
  soho-till: {connector: tilling}
"""


def on_hand(shop: Shop, sku: str = "IPHONE-15") -> dict[str, int]:
    (pool,) = shop.json("stock", "show", sku)["pools"]
    return {place["location"]: place["on_hand"] for place in pool["locations"]}


def test_stock_is_counted_before_the_daemon_first_starts(bare: Shop) -> None:
    bare.write("version: 1\nlocations:\n  shop: {}\n")
    sheet = bare.write("sku,on_hand,name\nMUG,12,Blue mug\nPLATE,3,\n", "stock.csv")
    done = bare.run("stock", "import", str(sheet), "--create-items")
    assert done.code == 0, done
    assert done.out.splitlines()[0] == "2 rows: 3 values changed, 2 new items"
    assert on_hand(bare, "MUG") == {"shop": 12}
    assert bare.json("items", "list", "P*") == {"items": [{"sku": "PLATE", "name": ""}]}


def test_an_import_with_mistakes_applies_nothing_and_names_every_row(shop: Shop) -> None:
    sheet = shop.write("sku,location,on_hand\nIPHONE-15,ny-dc,many\nIPHNE-15,dc,3\n", "bad.csv")
    done = shop.run("stock", "import", str(sheet), "--json")
    assert done.code == 1
    assert "bad.csv has 3 mistakes, so nothing of it was applied" in done.err
    details = done.data["error"]["details"]
    assert [(one["row"], one["column"]) for one in details] == [
        (2, "on_hand"),
        (3, "location"),
        (3, "sku"),
    ]
    assert "did you mean 'IPHONE-15'?" in details[2]["message"]
    assert on_hand(shop) == {"ny-dc": 100}


def test_a_dry_run_says_what_would_change(shop: Shop) -> None:
    sheet = shop.write("sku,on_hand\nIPHONE-15,90\n", "count.csv")
    done = shop.run("stock", "import", str(sheet), "--dry-run")
    assert done.out.splitlines()[0] == "1 row: 1 value would change"
    assert on_hand(shop) == {"ny-dc": 100}
    assert shop.run("stock", "import", str(sheet)).code == 0
    assert on_hand(shop) == {"ny-dc": 90}


def test_rows_without_a_location_go_where_the_option_says(shop: Shop) -> None:
    shop.write(SECOND_PLACE)
    sheet = shop.write("sku,on_hand\nIPHONE-15,7\n", "soho.csv")
    assert shop.run("stock", "import", str(sheet)).code == 1, "there are two: which?"
    assert shop.run("stock", "import", str(sheet), "--location", "soho").code == 0
    assert on_hand(shop) == {"ny-dc": 100, "soho": 7}


def test_an_export_comes_back_as_it_was(shop: Shop) -> None:
    first = shop.run("stock", "export")
    assert first.out.splitlines() == [
        "sku,location,on_hand,safety_stock,name",
        "IPHONE-15,ny-dc,100,0,iPhone 15",
    ]
    target = shop.folder / "out.csv"
    written = shop.run("stock", "export", str(target))
    assert written.out == f"wrote 1 row to {target}\n"
    report = shop.json("stock", "import", str(target))
    assert report["changes"] == []


def test_an_import_file_that_is_not_there_is_named(shop: Shop) -> None:
    done = shop.run("stock", "import", "nowhere.csv")
    assert (done.code, done.err) == (
        1,
        "channelsync: nowhere.csv cannot be read: No such file or directory\n",
    )


def test_every_change_by_hand_says_before_and_after(shop: Shop) -> None:
    assert shop.run("stock", "adjust", "IPHONE-15", "-3", "-r", "broken").out == (
        "IPHONE-15 at ny-dc: on hand 100 -> 97\n"
    )
    assert shop.run("stock", "adjust", "IPHONE-15", "2", "--reason", "found").code == 0
    assert shop.run("stock", "safety", "IPHONE-15", "4").out == (
        "IPHONE-15 at ny-dc: safety stock 0 -> 4\n"
    )
    assert shop.run("stock", "set", "IPHONE-15", "60", "--what", "on-order").out == (
        "IPHONE-15 at ny-dc: on order 50 -> 60\n"
    )
    assert shop.run("stock", "set", "IPHONE-15", "120").out == (
        "IPHONE-15 at ny-dc: on hand 99 -> 120\n"
    )
    (pool,) = shop.json("stock", "show", "IPHONE-15")["pools"]
    assert (pool["safety_stock"], pool["on_order"]) == (4, 60)


def test_a_count_of_the_past_keeps_what_was_sold_since(shop: Shop) -> None:
    at = "2023-11-14T22:30:00Z"
    shop.clock.at += 3_600
    assert shop.run("stock", "adjust", "IPHONE-15", "-10", "-r", "shipped by hand").code == 0
    done = shop.run("stock", "count", "IPHONE-15", "98", "--at", at)
    assert done.out == "IPHONE-15 at ny-dc: on hand 90 -> 88\n"
    past = shop.json("stock", "show", "IPHONE-15", "--at", at)
    assert past["pools"][0]["on_hand"] == 100


def test_a_time_without_an_offset_is_one_of_the_merchants_zone(shop: Shop) -> None:
    shop.write(shop.config.read_text() + "timezone: America/New_York\n")
    early = shop.run("stock", "count", "IPHONE-15", "98", "--at", "2023-11-14T17:00")
    assert early.code == 1
    assert "was counted again at 2023-11-14T22:13:20Z" in early.err
    future = shop.run("stock", "count", "IPHONE-15", "98", "--at", "2023-11-14T18:00")
    assert "lies in the future, at 2023-11-14T23:00:00Z" in future.err


def test_a_time_that_is_none_is_refused(shop: Shop) -> None:
    done = shop.run("stock", "count", "IPHONE-15", "98", "--at", "yesterday")
    assert (done.code, done.err) == (
        1,
        (
            "channelsync: 'yesterday' is no time: write it like 2026-11-21T09:00 or"
            " 2026-11-21T09:00:00Z\n"
        ),
    )


def test_where_there_are_two_places_one_must_be_named(shop: Shop) -> None:
    shop.write(SECOND_PLACE)
    done = shop.run("stock", "set", "IPHONE-15", "5")
    assert (done.code, done.err) == (
        1,
        "channelsync: say where, with --location: ny-dc, soho\n",
    )
    wrong = shop.run("stock", "set", "IPHONE-15", "5", "-l", "soo")
    assert "did you mean 'soho'?" in wrong.err


def test_items_are_added_and_renamed(shop: Shop) -> None:
    assert shop.run("items", "add", "MUG", "--name", "Blue mug", "--tag", "gift").code == 0
    twice = shop.run("items", "add", "MUG")
    assert (twice.code, twice.err) == (1, "channelsync: there is an item 'MUG' already\n")
    assert shop.run("items", "rename", "MUG", "MUG-BLUE").out == "MUG is now MUG-BLUE\n"
    skus = [one["sku"] for one in shop.json("items", "list")["items"]]
    assert skus == ["IPHONE-15", "MUG-BLUE"]


def test_a_sku_that_is_nearly_right_is_suggested(shop: Shop) -> None:
    for command in (("stock", "show"), ("explain",), ("plan",)):
        done = shop.run(*command, "IPHONE15")
        assert (done.code, done.err) == (
            1,
            "channelsync: there is no item 'IPHONE15'; did you mean 'IPHONE-15'?\n",
        )


def test_stock_is_shown_though_the_configuration_is_broken(shop: Shop) -> None:
    shop.write("version: 1\nchanels: {}\n")
    done = shop.run("stock", "show", "IPHONE-15", "--json")
    assert done.code == 0
    assert done.data["pools"][0]["atp"] == 100, "without the safety stock of the file"
    assert "so this is without the configured safety stock" in done.err


def test_a_sheet_brought_back_needs_its_instant_once_units_have_moved(shop: Shop) -> None:
    sheet = str(shop.folder / "out.csv")
    assert shop.run("stock", "export", sheet).code == 0
    shop.clock.at += 60
    assert shop.run("stock", "adjust", "IPHONE-15", "-2", "-r", "stolen").code == 0
    refused = shop.run("stock", "import", sheet)
    assert refused.code == 1
    assert "say with --at when this one was taken (--at now, if this moment)" in refused.err
    dry = shop.run("stock", "import", sheet, "--at", "now", "--dry-run")
    assert dry.out.splitlines()[:2] == [
        "1 row: 1 value would change",
        f"Counted at {dry.out.splitlines()[1].removeprefix('Counted at ')}",
    ]
    assert on_hand(shop) == {"ny-dc": 98}
    assert shop.run("stock", "import", sheet, "--at", "now").code == 0
    assert on_hand(shop) == {"ny-dc": 100}


def test_an_export_is_written_whole_or_not_at_all(shop: Shop) -> None:
    where = shop.folder / "missing" / "out.csv"
    done = shop.run("stock", "export", str(where))
    assert (done.code, done.err) == (
        1,
        f"channelsync: {where} cannot be written: name a file in a folder that is there\n",
    )
    assert shop.run("stock", "export", str(shop.folder / "out.csv")).code == 0
    assert [one.name for one in shop.folder.glob(".*.part")] == []
