"""`db fold` moves the past into a file, and `verify --archive` proves it.

As docs/how-to/production/growth.md shows it.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from channelsync.cli.shapes import SHAPES
from channelsync.engine.fold import DAY_SECONDS
from tests.cli.shop import Shop
from tests.cli.test_reference import differences


@pytest.fixture
def old_shop(shop: Shop) -> Shop:
    """It has sold, and more than a year has passed since; the daemon worked a little meanwhile."""
    shop.daemon(120)
    shop.clock.at += 450 * DAY_SECONDS
    shop.daemon(60)
    assert shop.run("stock", "adjust", "IPHONE-15", "+1", "-l", "ny-dc", "-r", "found").code == 0
    shop.daemon(60)
    return shop


def before(shop: Shop, days: float = 410) -> str:
    return datetime.fromtimestamp(shop.clock.at - days * DAY_SECONDS, UTC).isoformat()


def test_a_fold_is_told_and_its_archive_is_proven(old_shop: Shop) -> None:
    levels = old_shop.json("stock", "show", "IPHONE-15")
    archive = old_shop.folder / "old.jsonl.gz"
    arguments = ("db", "fold", "--before", before(old_shop), "--archive", str(archive))
    answer = old_shop.json(*arguments)
    assert list(differences(SHAPES["db fold"], answer)) == []
    done = answer["folded"]
    assert done["archived"] > done["remaining"] > 0
    assert old_shop.json("stock", "show", "IPHONE-15") == levels
    shown = old_shop.run("verify", "--archive", str(archive))
    assert shown.code == 0
    assert f"{done['archived']} movements of before" in shown.out
    assert f"{archive}: {done['archived']} movements, as they were sealed." in shown.out
    ledger = old_shop.json("verify", "--archive", str(archive))
    assert list(differences(SHAPES["verify"], ledger)) == []
    assert [one["position"] for one in ledger["ledger"]["folds"]] == [done["position"]]
    assert ledger["archives"][0]["breaks"] == []
    assert old_shop.run(*arguments[:-1], str(old_shop.folder / "new.gz")).out.startswith(
        "nothing of before"
    )


def test_what_a_fold_says(old_shop: Shop) -> None:
    archive = old_shop.folder / "old.jsonl.gz"
    done = old_shop.run("db", "fold", "--before", before(old_shop), "--archive", str(archive))
    assert done.code == 0
    assert "moved into an archive;" in done.out
    explained = old_shop.run("explain", "IPHONE-15").out
    assert "older movements, in an archive" in explained
    assert f"Keep {archive}: `channelsync verify --archive` proves it." in done.out


def test_heads_from_before_the_fold_are_looked_for_in_the_archive(old_shop: Shop) -> None:
    ledger = old_shop.json("verify")["ledger"]
    archive = old_shop.folder / "old.jsonl.gz"
    old_shop.run("db", "fold", "--before", before(old_shop), "--archive", str(archive))
    heads = old_shop.write(
        f'{{"position": 1, "digest": "{"0" * 64}"}}\n{ledger["position"]}:{ledger["digest"]}\n',
        "heads.jsonl",
    )
    done = old_shop.run("verify", "--anchor", str(heads))
    assert done.code == 0
    assert "1 anchor not compared: of movements in an archive" in done.out
    done = old_shop.run("verify", "--anchor", str(heads), "--archive", str(archive))
    assert done.code == 3
    assert "position 1 was told outside with another digest" in done.out


def test_what_cannot_be_folded_is_refused(old_shop: Shop) -> None:
    archive = old_shop.folder / "old.jsonl.gz"
    recent = old_shop.run(
        "db", "fold", "--before", before(old_shop, 300), "--archive", str(archive)
    )
    assert (recent.code, "is too recent: movements of the last 400 days stay" in recent.err) == (
        1,
        True,
    )
    archive.write_text("mine")
    there = old_shop.run("db", "fold", "--before", before(old_shop), "--archive", str(archive))
    assert there.code == 1
    assert "exists already: name a new file" in there.err
    none = old_shop.run("verify", "--archive", str(archive))
    assert none.code == 1
    assert "cannot be read as an archive" in none.err


def test_the_past_that_is_gone_is_not_made_up(old_shop: Shop) -> None:
    asked = ("stock", "show", "IPHONE-15", "--at", before(old_shop, 440))
    assert old_shop.run(*asked).code == 0
    archive = old_shop.folder / "old.jsonl.gz"
    old_shop.run("db", "fold", "--before", before(old_shop), "--archive", str(archive))
    done = old_shop.run(*asked)
    assert done.code == 1
    assert "is too long ago: movements before" in done.err
