"""From an empty folder to a configuration that is right."""

from __future__ import annotations

import json
import stat

import pytest

from channelsync.configuration.schema import schema_text
from channelsync.plugins.discovery import discover
from channelsync.resources import resource_folder
from channelsync.store import migrate
from tests.cli.shop import Shop


def test_init_writes_the_example_and_the_schema_beside_it(bare: Shop) -> None:
    bare.registry = discover()
    assert bare.run("init").code == 0
    example = resource_folder("config") / "example.yaml"
    assert bare.config.read_text(encoding="utf-8") == example.read_text(encoding="utf-8")
    schema = (bare.folder / "channelsync.schema.json").read_text(encoding="utf-8")
    assert schema == schema_text(bare.registry.manifests)


def test_the_example_is_valid_once_its_secrets_are_given(
    bare: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare.registry = discover()
    bare.run("init")
    assert bare.run("check").code == 4
    for name in ("SHOPIFY_TOKEN", "SHOPIFY_WEBHOOK_SECRET", "TILL_WEBHOOK_SECRET"):
        monkeypatch.setenv(name, "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo=")
    done = bare.run("check", "--json")
    assert done.code == 0, done
    assert [one["connector"] for one in done.data["channels"]] == ["shopify", "pos"]


def test_init_never_overwrites_silently(bare: Shop) -> None:
    bare.write("mine: true\n")
    refused = bare.run("init")
    assert (refused.code, refused.err) == (
        1,
        f"channelsync: {bare.config} exists already: nothing was written. --force overwrites it\n",
    )
    assert bare.config.read_text() == "mine: true\n"
    assert not (bare.folder / "channelsync.schema.json").exists()
    assert bare.run("init", "--force").code == 0
    assert bare.config.read_text() != "mine: true\n"


def test_init_writes_where_it_is_told_to(bare: Shop) -> None:
    target = bare.folder / "shop" / "stock.yaml"
    assert bare.run("init", "--path", str(target), "--json").data == {
        "configuration": str(target),
        "schema": str(target.with_name("channelsync.schema.json")),
    }
    assert target.exists()


def test_a_missing_configuration_points_to_init(bare: Shop) -> None:
    done = bare.run("check")
    assert done.code == 4
    assert "make one with: channelsync init" in done.err


def test_a_connector_that_is_broken_is_listed_with_the_reason(bare: Shop) -> None:
    from types import MappingProxyType

    from channelsync.plugins.registry import Registry

    bare.registry = Registry(broken=MappingProxyType({"etsy": "it does not load"}))
    assert bare.json("connectors", "list") == {
        "connectors": [
            {
                "connector": "etsy",
                "title": "",
                "package": None,
                "push_semantics": None,
                "enforces": None,
                "quality": None,
                "broken": "it does not load",
            }
        ]
    }
    assert "broken: it does not load" in bare.run("connectors", "list").out


def test_the_database_is_made_and_its_schema_named(bare: Shop) -> None:
    bare.write("version: 1\n")
    assert bare.json("db", "current") == {"schema": None, "program": migrate.head()}
    assert bare.json("db", "upgrade") == {"was": None, "schema": migrate.head()}
    assert bare.run("db", "upgrade").out == f"the schema is {migrate.head()}\n"
    assert bare.run("db", "current").out == (
        f"database: {migrate.head()}; this program: {migrate.head()}\n"
    )


def test_a_backup_is_whole_private_and_never_written_over_another(shop: Shop) -> None:
    target = shop.folder / "backup.db"
    made = shop.json("db", "backup", str(target))
    assert made == {"path": str(target), "size_bytes": target.stat().st_size}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    again = shop.run("db", "backup", str(target))
    assert (again.code, again.err) == (
        1,
        f"channelsync: {target} exists already: name a new file\n",
    )
    target.replace(shop.database)
    assert json.loads(shop.run("items", "list", "--json").out)["items"][0]["sku"] == "IPHONE-15"
