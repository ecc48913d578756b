"""`notify`: whether a message arrives, and what was told; every answer as documented."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from channelsync.bootstrap import Application
from channelsync.cli.shapes import SHAPES
from channelsync.store import tables
from tests.cli.shop import CANONICAL, Shop
from tests.cli.test_reference import differences
from tests.support.room import room_open
from tests.support.served import free_port

TOLD = """\
notifications:
  targets: {owner: "${OWNER_URL}", boss: "${BOSS_URL}"}
  rules:
    - {name: at once, to: [owner], when: [dead_letter]}
"""


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What arrives at the target `owner`; nobody is at home at `boss`."""
    with room_open() as opened:
        monkeypatch.setenv("OWNER_URL", f"json://{opened.address}/secret-path")
        monkeypatch.setenv("BOSS_URL", f"json://127.0.0.1:{free_port()}/secret-path")
        yield opened.posted


def test_a_test_message_arrives_and_who_cannot_be_reached_is_named(
    shop: Shop, room: list[bytes]
) -> None:
    shop.write(CANONICAL + TOLD)
    one = shop.run("notify", "test", "owner")
    assert (one.code, one.out) == (0, "owner: sent\n")
    assert b"channelsync: a test" in room[0]
    both = shop.run("notify", "test", "--json")
    assert both.code == 1
    assert list(differences(SHAPES["notify test"], both.data)) == []
    assert {one["target"]: one["ok"] for one in both.data["targets"]} == {
        "boss": False,
        "owner": True,
    }
    assert [one["message"] for one in both.data["targets"]] == [
        "JSON did not take it (it could not be reached)",
        "sent",
    ]
    assert "secret-path" not in both.out + both.err


def test_a_target_that_is_not_there_is_refused(shop: Shop, room: list[bytes]) -> None:
    assert "there is no target yet" in shop.run("notify", "test").err
    shop.write(CANONICAL + TOLD)
    refused = shop.run("notify", "test", "nobody")
    assert (refused.code, room) == (1, [])
    assert "there are boss, owner" in refused.err


def test_the_daemon_tells_by_the_file_and_the_list_says_so(shop: Shop, room: list[bytes]) -> None:
    assert "Nothing was to be told yet" in shop.run("notify", "list").out
    shop.write(CANONICAL + TOLD)

    async def alarm(application: Application) -> None:
        said = {"kind": "dead_letter", "subject": "delivery/1", "message": "not JSON"}
        async with application.engine.database.write() as tx:
            await tx.execute(sa.insert(tables.alarms).values(said | {"raised_at": shop.clock.at}))

    shop.work(alarm)
    shop.daemon(20)
    [body] = [one for one in room if b"not JSON" in one]
    assert b"channelsync deadletters list" in body
    listed = shop.json("notify", "list")
    assert list(differences(SHAPES["notify list"], listed)) == []
    [row] = listed["notices"]
    assert (row["kind"], row["target"], row["state"]) == ("dead_letter", "owner", "sent")
    assert "dead letter" in shop.run("notify", "list").out
