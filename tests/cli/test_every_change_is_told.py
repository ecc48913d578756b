"""Every command that changes something is in the audit trail, with who, before and after.

A command that is in none of the tables below fails the first test: whoever adds one says here
whether it changes something, and how that is tried.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import pytest
import sqlalchemy as sa

from channelsync.cli.tree import commands
from channelsync.store import tables
from tests.cli.shop import CANONICAL, Shop
from tests.cli.test_channel_commands import execute, lay_down
from tests.support.served import free_port

TOLD = 'notifications: {targets: {boss: "${BOSS_URL}"}}\n'
PASSWORD = "correct horse battery"


@dataclass(frozen=True)
class Tried:
    """One right run of a changing command."""

    command: str
    arguments: tuple[str, ...]
    action: str
    code: int = 0
    then: tuple[str, ...] = ()
    """What else it does."""


CHANGING: tuple[Tried, ...] = (
    Tried("items add", ("CUP",), "item.create"),
    Tried("items rename", ("CUP", "CUPS"), "item.change"),
    Tried("stock set", ("CUPS", "9", "-l", "ny-dc"), "stock.count"),
    Tried("stock set", ("CUPS", "9", "-l", "ny-dc", "--what", "on-order"), "stock.on_order"),
    Tried("stock set", ("CUPS", "1", "-l", "ny-dc", "--what", "safety"), "stock.safety"),
    Tried("stock count", ("CUPS", "8", "-l", "ny-dc"), "stock.count"),
    Tried("stock adjust", ("CUPS", "-1", "-r", "broke", "-l", "ny-dc"), "stock.adjust"),
    Tried("stock safety", ("CUPS", "2", "-l", "ny-dc"), "stock.safety"),
    Tried("stock import", ("{sheet}", "--at", "now", "--create-items"), "stock.import"),
    Tried(
        "stock transfer",
        ("IPHONE-15", "--from", "ny-dc", "--to", "soho", "-n", "9", "--force"),
        "transfer.begin",
    ),
    Tried("transfers receive", ("1", "9"), "transfer.receive"),
    Tried(
        "stock transfer",
        ("IPHONE-15", "--from", "ny-dc", "--to", "soho", "-n", "60"),
        "transfer.begin",
    ),
    Tried("transfers ship", ("2", "--force"), "transfer.ship"),
    Tried(
        "stock transfer",
        ("IPHONE-15", "--from", "ny-dc", "--to", "soho", "-n", "20"),
        "transfer.begin",
    ),
    Tried("transfers cancel", ("3",), "transfer.cancel"),
    Tried("stock return", ("CUPS", "--sellable", "1", "-l", "ny-dc"), "stock.return"),
    Tried(
        "ship", ("shopify-us", "{order}", "--carrier", "D", "--tracking", "1"), "shipment.confirm"
    ),
    Tried("channels pause", ("amazon-us", "-r", "stocktaking"), "channel.pause"),
    Tried("channels resume", ("amazon-us",), "channel.resume"),
    Tried("channels forget", ("old-shop", "--yes"), "channel.forget"),
    Tried("deadletters replay", ("1",), "dead_letter.replay"),
    Tried("deadletters drop", ("2", "--yes"), "dead_letter.drop"),
    Tried("users add", ("ada", "--role", "admin", "--password-file", "{password}"), "user.add"),
    Tried("users password", ("ada", "--password-file", "{password}"), "user.change"),
    Tried("users add", ("bob", "--role", "viewer", "--password-file", "{password}"), "user.add"),
    Tried("users second-factor-off", ("eve", "--yes"), "second_factor.take_off"),
    Tried("users remove", ("bob", "--yes"), "user.remove"),
    Tried("keys create", ("till", "--scope", "read"), "key.create"),
    Tried("keys revoke", ("{key}",), "key.revoke"),
    Tried("secrets set", ("token", "--file", "{password}"), "secret.set"),
    Tried("keys rotate", (), "data_key.rotate", then=("data_key.retire",)),
    Tried("secrets remove", ("token", "--yes"), "secret.remove"),
    Tried("notify test", (), "notification.test", code=1),
    Tried("verify", ("--repair",), "books.repair"),
    Tried("db restored", (), "books.doubt"),
)
"""In an order in which they fit one after the other."""
ELSEWHERE = {
    "db copy": "test_everything_is_there_and_goes_on",
    "db fold": "test_a_fold_is_told_and_its_archive_is_proven",
}
"""What cannot be tried in a shop that is there already, and the test that tries it."""
READING: dict[str, tuple[str, ...]] = {
    "status": (),
    "explain": ("IPHONE-15",),
    "plan": (),
    "orders": (),
    "check": (),
    "doctor": (),
    "stock show": ("IPHONE-15",),
    "stock export": (),
    "items list": (),
    "transfers list": (),
    "returns list": (),
    "holds list": (),
    "channels list": (),
    "channels test": ("shopify-us",),
    "deadletters list": (),
    "connectors list": (),
    "users list": (),
    "keys list": (),
    "secrets list": (),
    "notify list": (),
    "db current": (),
    "db backup": ("{backup}",),
}
"""They change nothing in the books, and it is looked whether that is so."""
NOT_THE_BOOKS = {
    "run": "the daemon tells by itself what it changes",
    "web": "a part of the daemon",
    "worker": "a part of the daemon",
    "demo": "a world of its own, thrown away at the end",
    "db prune": "old rows of the machinery; the books and their evidence stay",
    "db upgrade": "the shape of the tables, not what is in them",
    "simulate": "arithmetic without a store",
    "init": "writes a new file where it stands",
    "connectors new": "writes a new folder where it stands",
}


def test_every_command_is_tried_or_says_why_not() -> None:
    known = {" ".join(one.path) for one in commands()}
    tried = {one.command for one in CHANGING}
    parts = (tried, ELSEWHERE.keys(), READING.keys(), NOT_THE_BOOKS.keys())
    assert set().union(*parts) == known
    assert sum(map(len, parts)) == len(known)


@pytest.fixture
def full(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A shop in which every command finds something to do."""
    monkeypatch.setenv("BOSS_URL", f"json://127.0.0.1:{free_port()}/canary-path")
    places = CANONICAL.replace("ny-dc: {name: New York DC}", "soho: {}\n  ny-dc: {}")
    shop.write(places + TOLD)
    shop.daemon()
    lay_down(shop, 1)
    lay_down(shop, 2)
    execute(
        shop,
        sa.insert(tables.channels).values(
            name="old-shop", connector="shopping", pool="main", state="removed", baseline_at=0.0
        ),
    )
    eve = {"id": 9, "name": "eve", "password_hash": "", "role": "viewer", "created_at": 0.0}
    execute(shop, sa.insert(tables.users).values(eve))
    execute(shop, sa.insert(tables.second_factors).values(user_id=9, since=1.0))
    shop.write(f"{PASSWORD}\n", "password")
    shop.write("sku,location,on_hand,name\nCUPS,ny-dc,6,Cups\nPOT,soho,3,Pot\n", "sheet.csv")
    return shop


def filled_in(shop: Shop) -> Callable[[str], str]:
    order = next(one for one in shop.markets["shopping"].orders.values() if not one.shipped)

    def fill(word: str) -> str:
        places = {
            "{sheet}": str(shop.folder / "sheet.csv"),
            "{password}": str(shop.folder / "password"),
            "{backup}": str(shop.folder / "backup.db"),
            "{order}": order.order_id,
        }
        if word == "{key}":
            return str(shop.json("keys", "list")["keys"][0]["id"])
        return places.get(word, word)

    return fill


@dataclass(frozen=True)
class Entry:
    """One entry of the trail."""

    actor: str
    action: str
    subject: str
    before: object
    after: object


def trail(shop: Shop) -> list[Entry]:
    with closing(sqlite3.connect(shop.database)) as opened:
        query = "SELECT actor, action, subject, before, after FROM audit ORDER BY position"
        return [
            Entry(*row[:3], *(side and json.loads(side) for side in row[3:]))
            for row in opened.execute(query)
        ]


def test_every_change_is_told_with_who_before_and_after_and_nothing_else_is(full: Shop) -> None:
    fill = filled_in(full)
    what_reads_changes_nothing(full, fill)
    a_number_is_told_as_it_was_and_as_it_is(full)
    what_is_refused_is_not_told(full)
    for tried in CHANGING:
        if tried.action == "books.repair":
            execute(full, sa.text("UPDATE stock SET on_hand = on_hand + 1"))
        before = trail(full)
        done = full.run(*tried.command.split(), *map(fill, tried.arguments))
        assert done.code == tried.code, (tried, done)
        told = trail(full)[len(before) :]
        assert [one.action for one in told] == [tried.action, *tried.then], tried
        assert told[0].actor.startswith("cli"), tried
        assert told[0].subject, tried
        assert told[0].before is not None or told[0].after is not None, tried
        assert told[0].before != told[0].after, tried
    whole = str(trail(full))
    assert PASSWORD not in whole
    assert "canary-path" not in whole
    assert full.run("verify").code == 0


def a_number_is_told_as_it_was_and_as_it_is(full: Shop) -> None:
    full.json("stock", "adjust", "IPHONE-15", "-3", "-r", "broke", "-l", "ny-dc")
    what = {"quantity": "on_hand", "reason": "broke"}
    assert replace(trail(full)[-1], actor="cli") == Entry(
        actor="cli",
        action="stock.adjust",
        subject="stock:ny-dc/IPHONE-15",
        before={**what, "units": 100},
        after={**what, "units": 97},
    )


def what_is_refused_is_not_told(full: Shop) -> None:
    before = trail(full)
    assert full.run("stock", "adjust", "NONE", "-3", "-r", "broke", "-l", "ny-dc").code == 1
    assert full.run("channels", "resume", "amazon-us").code == 1
    assert full.run("transfers", "ship", "7").code == 1
    assert full.run("stock", "import", str(full.folder / "password")).code == 1
    sheet = str(full.folder / "sheet.csv")
    assert full.run("stock", "import", sheet, "--dry-run", "--create-items").code == 0
    assert trail(full) == before


def contents(shop: Shop) -> Iterator[tuple[object, ...]]:
    with closing(sqlite3.connect(shop.database)) as opened:
        for table in tables.metadata.sorted_tables:
            yield table.name, *opened.execute(f"SELECT * FROM {table.name}")  # noqa: S608 - ours


def what_reads_changes_nothing(full: Shop, fill: Callable[[str], str]) -> None:
    before = list(contents(full))
    for command, arguments in READING.items():
        done = full.run(*command.split(), *map(fill, arguments))
        assert done.code in {0, 2} or command == "doctor", (command, done)
        assert list(contents(full)) == before, command
