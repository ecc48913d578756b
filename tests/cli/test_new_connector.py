"""`connectors new` writes a package under its own name, and nothing over anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from channelsync.cli.scaffold import BadName, folder_name, render
from channelsync.sdk.quality import quality_of
from tests.cli.shop import Shop
from tests.support.checkout import ROOT, project_files


def test_every_file_of_the_template_is_written_under_the_new_name(shop: Shop) -> None:
    made = shop.json("connectors", "new", "big_shop", "--into", str(shop.folder))
    folder = shop.folder / "channelsync-big-shop"
    assert made["folder"] == str(folder)
    written = sorted(str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file())
    assert made["files"] == written
    template = ROOT / "templates" / "connector"
    tracked = [one.relative_to(template) for one in project_files() if one.is_relative_to(template)]
    assert written == sorted(str(one).replace("acme", "big_shop") for one in tracked)


@pytest.mark.parametrize("name", ["acme", "big_shop", "x2"])
def test_no_trace_of_the_template_s_name_is_left(name: str) -> None:
    files = render(name)
    if name != "acme":
        assert [
            path for path, text in files.items() if re.search("acme", path + text, re.IGNORECASE)
        ] == []
    for path, text in files.items():
        if path.endswith(".py"):
            compile(text, path, "exec")


def test_the_name_is_spelt_as_each_place_needs_it() -> None:
    files = render("big_shop")
    project = files["pyproject.toml"]
    assert 'name = "channelsync-big-shop"' in project
    assert 'big_shop = "channelsync_big_shop:connector"' in project
    connector = files["src/channelsync_big_shop/connector.py"]
    assert 'name="big_shop"' in connector
    assert "class BigShopConnector:" in connector
    assert 'own_hosts=("api.big-shop.example",)' in connector
    assert '"x-big-shop-signature"' in files["src/channelsync_big_shop/webhooks.py"]
    assert folder_name("big_shop") == "channelsync-big-shop"


@pytest.mark.parametrize("name", ["Acme", "a-b", "a__b", "_a", "1a", "class", "a" * 31, "", "../x"])
def test_a_name_that_no_package_can_have_is_refused(name: str, shop: Shop) -> None:
    with pytest.raises(BadName, match="is no name for a connector"):
        render(name)
    done = shop.run("connectors", "new", "--into", str(shop.folder), "--", name)
    assert done.code == 1
    assert "is no name for a connector" in done.err


def test_what_is_there_is_never_written_over(shop: Shop) -> None:
    there = shop.folder / "channelsync-acme" / "mine.txt"
    there.parent.mkdir()
    there.write_text("mine")
    done = shop.run("connectors", "new", "acme", "--into", str(shop.folder))
    assert done.code == 1
    assert "exists already: nothing was written" in done.err
    assert [one.name for one in there.parent.iterdir()] == ["mine.txt"]


def test_the_name_of_an_installed_connector_is_taken(shop: Shop) -> None:
    done = shop.run("connectors", "new", "tilling", "--into", str(shop.folder))
    assert done.code == 1
    assert "there is a connector 'tilling' already" in done.err


def test_a_package_of_yours_lies_outside_of_this_checkout(shop: Shop) -> None:
    done = shop.run("connectors", "new", "acme", "--into", str(ROOT))
    assert done.code == 1
    assert "lies in channelsync's own checkout" in done.err
    assert not (ROOT / "channelsync-acme").exists()


def test_the_list_tells_package_and_quality(shop: Shop) -> None:
    from channelsync.plugins.discovery import discover

    shop.registry = discover()
    found = {one["connector"]: one for one in shop.json("connectors", "list")["connectors"]}
    assert {"amazon", "pos", "shopify", "square"} <= found.keys()
    for name, one in found.items():
        quality = quality_of(shop.registry.connectors[name])
        assert quality is not None
        assert one["quality"] == {"tier": quality.tier, "broken": None, **quality.count()}
        assert one["package"].startswith("channelsync ")
    assert "to do" in shop.run("connectors", "list").out


def test_an_unreadable_quality_is_said_and_hides_nothing(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from channelsync.sdk.testing.memory import MemoryConnector

    package = tmp_path / "channelsync_odd"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "quality.yaml").write_text("rules: {}")
    monkeypatch.syspath_prepend(tmp_path)
    odd = type("Odd", (MemoryConnector,), {"__module__": "channelsync_odd"})
    market = next(iter(shop.markets.values()))
    shop.registry = shop.registry.with_connector(odd(market, name="odd"))
    done = shop.run("connectors", "list")
    assert done.code == 0
    assert "unreadable: answer every rule" in " ".join(done.out.split())
