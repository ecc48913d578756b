"""The test button: a message leaves now, its answer comes back, and not too often."""

from __future__ import annotations

from http import HTTPStatus

from channelsync.domain.permissions import Role
from channelsync.store import tables
from tests.support.house import House
from tests.support.signed_in import Door

TEST = "/api/v1/notifications/test"


async def test_every_target_answers_and_the_trail_tells_what(house: House, door: Door) -> None:
    async with door.as_user("mia", Role.MANAGER) as client:
        listed = (await client.get("/api/v1/notifications")).json()
        assert listed == {"items": [], "targets": ["boss", "owner"]}
        answer = await client.post(TEST, json={}, headers={"idempotency-key": "t-1"})
        said = answer.json()
        assert (answer.status_code, said["ok"]) == (HTTPStatus.OK, False)
        assert said["targets"] == [
            {"target": "boss", "ok": False, "message": "Ntfy did not take it (it answered 404)"},
            {"target": "owner", "ok": True, "message": "sent"},
        ]
        again = await client.post(TEST, json={}, headers={"idempotency-key": "t-1"})
        assert again.json() == said
        assert [one[0] for one in door.letterbox.taken] == ["owner"]
        entry = (await house.rows(tables.audit))[-1]
        assert (entry.actor, entry.action) == ("user:mia", "notification.test")
        assert "it answered 404" in entry.after


async def test_who_is_not_there_and_who_asks_too_often_is_told(house: House, door: Door) -> None:
    async with door.as_user("mia", Role.MANAGER) as client:
        nobody = await client.post(TEST, json={"target": "eve"})
        assert (nobody.status_code, "there are boss, owner" in nobody.text) == (404, True)
        said = [(await client.post(TEST, json={"target": "owner"})) for _ in range(5)]
        assert [one.status_code for one in said] == [200] * 4 + [429]
        assert int(said[-1].headers["retry-after"]) <= 30
        house.clock.at += 31.0
        assert (await client.post(TEST, json={"target": "owner"})).status_code == HTTPStatus.OK
    async with door.as_user("opa", Role.OPERATOR) as client:
        assert (await client.post(TEST, json={})).status_code == HTTPStatus.FORBIDDEN
    assert len(door.letterbox.taken) == 5
