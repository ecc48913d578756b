"""`verify` proves the ledger, also against heads that were told outside."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from tests.cli.shop import Shop


def shell(shop: Shop, *statements: str) -> None:
    with closing(sqlite3.connect(shop.database)) as opened, opened:
        for statement in statements:
            opened.execute(statement)


def test_the_ledger_is_sealed_and_its_head_is_shown(shop: Shop) -> None:
    fresh = shop.json("verify")["ledger"]
    assert (fresh["sealed"], fresh["position"], fresh["breaks"]) == (0, 0, [])
    assert fresh["unsealed"] > 0
    assert "movements not sealed yet (since" in shop.run("verify").out
    shop.daemon(60)
    done = shop.run("verify")
    ledger = shop.json("verify")["ledger"]
    assert ledger["unsealed"] == 0
    assert f"Ledger: {ledger['sealed']} movements sealed." in done.out
    assert f"Head: {ledger['position']}:{ledger['digest']}" in done.out


def test_a_tampered_ledger_has_exit_code_3_and_repair_says_what_it_cannot_do(shop: Shop) -> None:
    shop.daemon(60)
    shell(
        shop,
        "DROP TRIGGER movements_no_update",
        "UPDATE movements SET note = 'never happened' WHERE id = 1",
    )
    for arguments in (("verify",), ("verify", "--repair")):
        done = shop.run(*arguments)
        assert done.code == 3
        assert "movement 1 is not what was sealed: it or its seal was changed" in done.out
        assert "Nothing can put this right but a backup" in done.out
    data = shop.run("verify", "--json").data
    assert (data["ok"], data["findings"]) == (False, [])
    assert [one["kind"] for one in data["ledger"]["breaks"]] == ["changed"]


def test_heads_told_outside_are_compared(shop: Shop) -> None:
    shop.daemon(60)
    ledger = shop.json("verify")["ledger"]
    told = f"{ledger['position']}:{ledger['digest']}"
    assert shop.json("verify", "--anchor", told)["ledger"]["anchors"] == 1
    kept = shop.write(f'{{"position": 1, "digest": "{"0" * 64}"}}\n{told}\n', "heads.jsonl")
    done = shop.run("verify", "--anchor", str(kept))
    assert done.code == 3
    assert "position 1 was told outside with another digest" in done.out
    assert "2 anchors compared" in done.out
    later = shop.run("verify", "--anchor", f"{ledger['position'] + 5}:{ledger['digest']}")
    assert later.code == 3
    assert "an old backup was restored" in later.out


def test_an_anchor_that_is_none_is_refused(shop: Shop) -> None:
    done = shop.run("verify", "--anchor", "no-such-file.jsonl")
    assert (done.code, done.err) == (
        1,
        (
            "channelsync: there is no head of a ledger in it: give a file of JSON lines as they"
            " were told, or POSITION:DIGEST\n"
        ),
    )
    shop.write("", "cp1252.txt").write_bytes(b"\xe9\xff")
    assert "is no UTF-8 text" in shop.run("verify", "--anchor", str(shop.folder / "cp1252.txt")).err
    assert "cannot be read: Is a directory" in shop.run("verify", "--anchor", str(shop.folder)).err
