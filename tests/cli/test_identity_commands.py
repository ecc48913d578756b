"""`users` and `keys` from the shell."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing

import pytest

from tests.cli.shop import Shop

PASSWORD = "correct horse battery"


def trail(shop: Shop) -> list[tuple[str, str, str]]:
    with closing(sqlite3.connect(shop.database)) as opened:
        query = "SELECT actor, action, subject FROM audit ORDER BY position"
        return list(opened.execute(query))


def test_users_come_and_go(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    first = shop.run("users", "add", "Ada", "--role", "admin", "--password-file", "-")
    assert first.code == 0
    secret = ("--password-file", str(shop.write(f"{PASSWORD}\n", "secret")))
    assert shop.run("users", "add", "bob", "--role", "viewer", *secret).code == 0
    assert [one["name"] for one in shop.json("users", "list")["users"]] == ["ada", "bob"]
    assert "ada" in shop.run("users", "list").out
    taken = shop.run("users", "add", "bob", "--role", "viewer", *secret)
    assert (taken.code, "already" in taken.err) == (1, True)
    last = shop.run("users", "remove", "ada", "--yes")
    assert (last.code, "last admin" in last.err) == (1, True)
    unsure = shop.run("users", "remove", "bob")
    assert (unsure.code, "--yes" in unsure.err) == (1, True)
    assert shop.run("users", "remove", "bob", "--yes").code == 0
    near = shop.run("users", "password", "adaa", *secret)
    assert "did you mean 'ada'" in near.err
    actions = [action for _, action, _ in trail(shop) if action.startswith("user")]
    assert actions == ["user.add", "user.add", "user.remove"]


def test_item_10_somebody_who_has_locked_himself_out_is_helped_from_the_shell(
    shop: Shop,
) -> None:
    secret = ("--password-file", str(shop.write(f"{PASSWORD}\n", "secret")))
    assert shop.run("users", "add", "ada", "--role", "admin", *secret).code == 0
    none = shop.run("users", "second-factor-off", "ada", "--yes")
    assert (none.code, "ada has no second factor" in none.err) == (1, True)
    with closing(sqlite3.connect(shop.database)) as opened, opened:
        opened.execute("INSERT INTO second_factors (user_id, since) VALUES (1, 1000)")
    assert shop.json("users", "list")["users"][0]["second_factor_since"] is not None
    unsure = shop.run("users", "second-factor-off", "ada")
    assert (unsure.code, "password alone will let in" in unsure.err) == (1, True)
    # Neither the secret key nor a code is asked for.
    done = shop.run("users", "second-factor-off", "ada", "--yes")
    assert done.out == "ada has no second factor any more\n"
    assert shop.json("users", "list")["users"][0]["second_factor_since"] is None
    assert trail(shop)[-1][1:] == ("second_factor.take_off", "user:ada")


def test_a_password_is_never_asked_for_where_nobody_can_answer(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    done = shop.run("users", "add", "ada", "--role", "admin")
    assert (done.code, "--password-file" in done.err) == (1, True)
    weak = ("--password-file", str(shop.write("short\n", "secret")))
    done = shop.run("users", "add", "ada", "--role", "admin", *weak)
    assert (done.code, "too short" in done.err) == (1, True)


def test_a_key_is_shown_once(shop: Shop) -> None:
    made = shop.run("keys", "create", "web shop", "--scope", "holds:write")
    text = made.out.split()[0]
    assert text.startswith("csk_")
    listed = shop.run("keys", "list")
    assert "web shop" in listed.out
    assert text.split("_")[2] not in listed.out
    key_id = text.split("_")[1]
    assert shop.run("keys", "revoke", key_id).code == 0
    assert "revoked" in shop.run("keys", "list").out
    assert shop.run("keys", "revoke", key_id).code == 1
    wrong = shop.run("keys", "create", "x", "--scope", "read", "--channel", "amazon-uss")
    assert "there is no channel 'amazon-uss'" in wrong.err
