"""`doctor` sees what is wrong, says what to do, and is silent about what is well."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.bootstrap import Application
from channelsync.cli.doctor.house import configuration_line, house_lines
from channelsync.cli.doctor.lines import Line, Verdict, worst
from channelsync.cli.doctor.wires import wire_lines
from channelsync.cli.session import Options, Outside, Session
from channelsync.domain.escrow import SettleReason
from channelsync.settings import Settings
from channelsync.store import tables
from tests.cli.shop import CANONICAL, Shop

OFFLINE = ("doctor", "--offline")
CANNOT_BE_PREVENTED = {"disk"}
"""Areas that depend on the machine that the tests run on."""


def with_user(shop: Shop) -> None:
    secret = shop.write("correct horse battery\n", "secret")
    given = ("--role", "admin", "--password-file", str(secret))
    assert shop.run("users", "add", "ada", *given).code == 0


def change(shop: Shop, *statements: sa.Executable) -> None:
    """Write into the books what only bad luck brings about."""

    async def run(application: Application) -> None:
        async def write(tx: AsyncConnection) -> None:
            for statement in statements:
                await tx.execute(statement)

        await application.engine.database.transact(write)

    shop.work(run)


def looked(shop: Shop, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = shop.run(*(arguments or OFFLINE), "--json").data["checks"]
    return [one for one in found if one["area"] not in CANNOT_BE_PREVENTED]


def complaints(shop: Shop) -> dict[str, tuple[str, str]]:
    """Area: verdict and message of what is not well; each has its fix."""
    found = [one for one in looked(shop) if one["verdict"] != "ok"]
    assert all(one["fix"] for one in found)
    return {one["area"]: (one["verdict"], one["message"]) for one in found}


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may look into, as far as its own files let them."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_house_in_order_has_nothing_but_ticks(shop: Shop) -> None:
    shop.daemon(60)
    assert complaints(shop).keys() == {"users"}, "the set-up link is still open"
    assert "/repairs" not in shop.run("status").out
    assert shop.run(*OFFLINE).code == 2
    with_user(shop)
    done = shop.run(*OFFLINE)
    assert done.code == 0, done
    assert "all is well" in done.out
    assert "✓ guarantee: 3 of 3 listings proven" in done.out
    assert "!" not in done.out
    online = looked(shop, "doctor")
    tested = [one["message"] for one in online if one["area"] == "channel amazon-us"]
    assert "its test passes (orders)" in tested


def test_a_wrong_file_is_broken_and_the_rest_is_looked_at_all_the_same(shop: Shop) -> None:
    shop.write("version: 1\nchanels: {}\n")
    done = shop.run(*OFFLINE)
    assert done.code == 1
    assert "✗ configuration:" in done.out
    assert "channelsync check" in done.out
    assert "✓ store: SQLite" in done.out


def test_a_database_that_is_not_there_or_too_new_is_one_broken_line(bare: Shop) -> None:
    bare.write("version: 1\nlocations: {shop: {}}\n")
    done = bare.run(*OFFLINE)
    assert done.code == 1
    assert "✗ store: there is no database at" in done.out
    assert not bare.database.exists(), "looking makes nothing"


def test_a_database_of_a_newer_program_is_one_broken_line(shop: Shop) -> None:
    change(shop, sa.text("UPDATE alembic_version SET version_num = '9999'"))
    assert "schema 9999" in complaints(shop)["store"][1]


def test_what_the_books_know_is_said_with_its_fix_and_its_page(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.daemon(60)
    now = shop.clock.at
    made = shop.run("keys", "create", "web shop", "--scope", "holds:write", "--days", "3")
    assert made.code == 0
    channel = tables.channels.c.name
    assumption = {
        "channel": "amazon-us",
        "assumption": "enforces",
        "holds": False,
        "why": "oversell is allowed",
        "since": now,
        "checked_at": now,
    }
    letter = {"kind": "delivery", "reference": "1", "reason": "no", "created_at": now}
    alarm = {"subject": "amazon-us", "message": "your account is under review", "raised_at": now}
    change(
        shop,
        sa.insert(tables.dead_letters).values(letter),
        sa.insert(tables.alarms).values(alarm | {"kind": "channel_notice"}),
        sa.delete(tables.assumptions).where(tables.assumptions.c.assumption == "enforces"),
        sa.insert(tables.assumptions).values(assumption | {"listing_id": 1}),
        sa.update(tables.channels)
        .where(channel == "amazon-us")
        .values(failing_since=now - 7_200, last_error="no answer"),
        sa.update(tables.channels).where(channel == "shopify-us").values(paused_reason="moving"),
        sa.update(tables.channels)
        .where(channel == "soho-till")
        .values(last_poll_at=now - 90_000, last_delivery_at=None),
        sa.update(tables.listings)
        .where(tables.listings.c.channel == "soho-till")
        .values(settle_wanted=True, settle_reasons=[SettleReason.DRIFT]),
    )
    found = complaints(shop)
    assert found["channel amazon-us"] == ("broken", "failing since 2 h ago: no answer")
    assert found["channel shopify-us"] == ("attention", "stopped: moving")
    assert found["channel soho-till"][0] == "broken"
    assert "heard last 1 d ago" in found["channel soho-till"][1]
    assert found["dead letters"][1].startswith("1 dead letter")
    assert found["drift"][1].startswith("1 listing")
    assert found["guarantee"] == ("attention", "2 of 3 listings proven")
    assert found["alarm"] == (
        "attention",
        "a marketplace sent word: your account is under review",
    )
    assert found["credentials"][1].startswith("the API key web shop (")
    here = "http://127.0.0.1:8484/repairs"
    pages = {one["area"]: one["page"] for one in looked(shop) if one["verdict"] != "ok"}
    elsewhere = {area for area, page in pages.items() if page is None}
    assert elsewhere == {"users", "credentials"}, "these are no repairs"
    assert {page for area, page in pages.items() if area not in elsewhere} == {here}
    assert f"    Or with a button: {here}" in shop.run(*OFFLINE).out.splitlines()
    monkeypatch.setenv("CHANNELSYNC_PUBLIC_URL", "https://stock.example.com/")
    told = "with a button for each: https://stock.example.com/repairs"
    assert told in shop.run("status").out


def test_work_that_nobody_does_is_broken(shop: Shop) -> None:
    change(shop, sa.insert(tables.work).values(kind="seal", key="ledger", not_before=1.0))
    verdict, message = complaints(shop)["work"]
    assert verdict == "broken"
    assert "nobody does it" in message


def test_a_clock_that_went_back_is_broken(shop: Shop) -> None:
    shop.clock.at -= 3_600
    verdict, message = complaints(shop)["clock"]
    assert verdict == "broken"
    assert "the clock went back" in message


def test_a_credential_that_ends_is_said_before_and_after(shop: Shop) -> None:
    till = "soho-till: {connector: tilling"
    for day, verdict in (("2023-11-20", "attention"), ("2023-11-01", "broken")):
        shop.write(CANONICAL.replace(till, f"{till}, credentials_expire: {day}"))
        assert complaints(shop)["credentials"][0] == verdict
    shop.write(CANONICAL.replace(till, f"{till}, credentials_expire: 2024-11-01"))
    assert "credentials" not in complaints(shop)


def test_an_old_backup_wants_attention_and_a_fresh_one_is_said(shop: Shop) -> None:
    assert shop.run("db", "backup", str(shop.folder / "copy.db")).code == 0
    shop.clock.at += 3_600
    [line] = [one for one in looked(shop) if one["area"] == "backup"]
    assert (line["verdict"], line["message"]) == (
        "ok",
        f"the last one was made 1 h ago: {shop.folder / 'copy.db'}",
    )
    shop.clock.at += 8 * 86_400
    (shop.folder / "copy.db").unlink()
    verdict, message = complaints(shop)["backup"]
    assert verdict == "attention"
    assert message.endswith("which is no longer there")


def test_a_misspelt_variable_wants_attention(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANNELSYNC_PUBLIC_ULR", "https://stock.example.com")
    assert "did you mean CHANNELSYNC_PUBLIC_URL" in complaints(shop)["settings"][1]


def house_of(folder: Path, shop: Shop) -> list[Line]:
    options = Options(config=shop.config, data_dir=folder)
    session = Session(Outside(lambda: shop.registry, shop.environment), options)
    _, configuration = configuration_line(session)
    return list(house_lines(session, configuration))


def test_secrets_that_everybody_may_read_or_change_are_told_apart(
    shop: Shop, open_folder: Path
) -> None:
    key = open_folder / "secret_key"
    key.write_text("0" * 64)
    for mode, verdict in (
        (0o600, Verdict.OK),
        (0o644, Verdict.ATTENTION),
        (0o666, Verdict.BROKEN),
    ):
        key.chmod(mode)
        [line] = [one for one in house_of(open_folder, shop) if one.area == "secrets"]
        assert line.verdict is verdict
        assert (line.fix is None) is (verdict is Verdict.OK)
    open_folder.chmod(0o700)
    [line] = [one for one in house_of(open_folder, shop) if one.area == "secrets"]
    assert line.verdict is Verdict.OK, "nobody else gets into the folder"


def test_the_worst_line_decides() -> None:
    def line(verdict: Verdict) -> Line:
        return Line(area="x", verdict=verdict, message="y")

    assert worst([]) is Verdict.OK
    assert worst([line(Verdict.BROKEN), line(Verdict.ATTENTION)]) is Verdict.BROKEN
    assert worst([line(Verdict.OK), line(Verdict.ATTENTION)]) is Verdict.ATTENTION


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"database_url": "postgresql://u:p@db.example/x"}, ["database on db.example"]),
        ({"database_url": "postgresql://u:p@db.example/x?ssl=require"}, []),
        ({"database_url": "postgresql://u:p@127.0.0.1/x"}, []),
        ({"database_url": "postgresql:///x?host=/run/postgresql"}, []),
        ({"redis_url": "redis://:p@cache.example:6379/0"}, ["Redis on cache.example"]),
        ({"redis_url": "rediss://:p@cache.example:6379/0"}, []),
        ({"redis_url": "unix:///run/redis.sock"}, []),
        ({"host": "192.0.2.7"}, ["listen on 192.0.2.7"]),
        ({"host": "192.0.2.7", "public_url": "https://stock.example"}, []),
        ({"host": "::1"}, []),
    ],
)
def test_item_23_what_leaves_readably_is_told(variables: dict[str, Any], said: list[str]) -> None:
    found = [one for one in wire_lines(Settings(**variables)) if one.verdict != "ok"]
    assert len(found) == len(said)
    for line, text in zip(found, said, strict=True):
        assert text in line.message
        assert "p@" not in line.message
        assert line.fix
