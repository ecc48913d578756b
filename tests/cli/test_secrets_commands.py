"""`secrets …` and `keys rotate`: kept, used, never shown; a missing key is said in words."""

from __future__ import annotations

import io

import pytest

from channelsync.cli.shapes import SHAPES
from tests.cli.shop import Shop
from tests.cli.test_doctor import complaints
from tests.cli.test_reference import differences

CANARY = "canary-of-a-webhook-secret"
USING = """\
version: 1
locations: {shop: {}}
channels:
  till:
    connector: pos
    settings: {webhook_secret: "kept:till", location: shop}
allocation: {quotas: {till: 20%}}
"""


def keep(shop: Shop, name: str, value: str) -> None:
    file = shop.write(f"{value}\n", "given")
    said = shop.json("secrets", "set", name, "--file", str(file))
    assert list(differences(SHAPES["secrets set"], said)) == []


def test_a_kept_secret_stands_in_for_a_reference_and_is_never_shown(
    migrated_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = migrated_shop
    from channelsync.plugins.discovery import discover

    def check() -> tuple[int, str]:
        done = shop.run("check", registry=discover)
        return done.code, done.out + done.err

    shop.write(USING)
    code, said = check()
    assert code == 4, said
    assert "nothing is kept under 'till': `channelsync secrets set till` keeps it" in said
    keep(shop, "till", "too short")
    assert check()[0] == 4
    monkeypatch.setattr("sys.stdin", io.StringIO("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"))
    assert shop.run("secrets", "set", "till", "--file", "-").code == 0
    code, said = check()
    assert code == 0, said
    keep(shop, "other", CANARY)
    listed = shop.run("secrets", "list", "--json")
    assert [one["version"] for one in listed.data["secrets"]] == [1, 2]
    assert list(differences(SHAPES["secrets list"], listed.data)) == []
    everything = listed.out + shop.run("secrets", "list").out + shop.run("doctor").out
    assert CANARY not in everything
    assert CANARY.encode() not in shop.database.read_bytes()
    rotated = shop.json("keys", "rotate")
    assert list(differences(SHAPES["keys rotate"], rotated)) == []
    assert (rotated["secrets"], len(rotated["retired"])) == (2, 1)
    assert check()[0] == 0
    assert "nobody can be asked" in shop.run("secrets", "set", "x").err
    assert "is no name" in shop.run("secrets", "set", "../x", "--file", "-").err
    assert "--yes" in shop.run("secrets", "remove", "other").err
    removed = shop.json("secrets", "remove", "other", "--yes")
    assert list(differences(SHAPES["secrets remove"], removed)) == []
    assert "nothing is kept under 'other'" in shop.run("secrets", "remove", "other", "--yes").err


def test_a_missing_or_wrong_key_is_said_with_what_to_do(
    migrated_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = migrated_shop
    shop.write("version: 1\nlocations: {dc: {}}\nchannels: {}\n")
    keep(shop, "token", CANARY)
    assert "kept secrets" not in complaints(shop)
    key = shop.folder / "data" / "secret_key"
    saved = key.read_text()
    key.unlink()  # the folder was lost, the database restored
    assert "is not there" in complaints(shop)["kept secrets"][1]
    assert not key.exists(), "looking makes nothing"
    lost = shop.run("secrets", "set", "token", "--file", str(shop.folder / "given"))
    assert lost.code == 1
    assert "Put the former one back" in lost.err
    verdict, message = complaints(shop)["kept secrets"]
    assert (verdict, "from the backup of it" in message) == ("broken", True)
    monkeypatch.setenv("CHANNELSYNC_SECRET_KEY_OLD", saved)
    verdict, message = complaints(shop)["kept secrets"]
    assert (verdict, "still under the former secret key" in message) == ("attention", True)
    assert shop.run("keys", "rotate").code == 0
    monkeypatch.delenv("CHANNELSYNC_SECRET_KEY_OLD")
    assert "kept secrets" not in complaints(shop)
    assert shop.run("secrets", "set", "token", "--file", str(shop.folder / "given")).code == 0
