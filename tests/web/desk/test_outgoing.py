"""Endpoints for events, and test messages to people."""

from __future__ import annotations

import re

from channelsync.domain.permissions import Role
from channelsync.store import tables
from tests.support.desk import open_page
from tests.support.house import House
from tests.support.signed_in import Door

URL = "https://erp.example.com/hook"


async def test_an_endpoint_is_added_tried_given_a_new_secret_and_removed(
    house: House, door: Door
) -> None:
    async with door.as_user("boss", Role.MANAGER) as client:
        page = await open_page(client, "/endpoints")
        wrong = await page.send("/endpoints", url="")
        assert (wrong.status, 'id="field-url-error"' in wrong.text) == (422, True)
        inner = await page.send("/endpoints", url="http://10.0.0.1/hook")
        assert (inner.status, 'value="http://10.0.0.1/hook"' in inner.text) == (422, True)
        added = await wrong.send("/endpoints", url=URL, types=["alarm.raised"])
        (first,) = re.findall(r"whsec_[\w+/=]+", added.text)
        (endpoint,) = await house.rows(tables.endpoints)
        path = f"/endpoints/{endpoint.id}"
        one = await open_page(client, path)
        assert first not in one.text
        tried = await one.send(f"{path}/test")
        assert "A test event is on its way" in tried.text
        asked = await one.send(f"{path}/rotate")
        rotated = await asked.send(f"{path}/rotate")
        (second,) = re.findall(r"whsec_[\w+/=]+", rotated.text)
        assert second != first
        sure = await one.send(f"{path}/remove")
        gone = await sure.send(f"{path}/remove")
        assert "Removed." in gone.text
        assert (await open_page(client, path)).status == 404
    trail = [row for row in await house.rows(tables.audit) if row.subject.startswith("endpoint:")]
    assert [row.action for row in trail] == [
        "endpoint.add",
        "endpoint.test",
        "endpoint.rotate",
        "endpoint.remove",
    ]
    assert first not in str(trail)


async def test_a_test_message_shows_what_the_target_answered(house: House, door: Door) -> None:
    async with door.as_user("boss", Role.MANAGER) as client:
        page = await open_page(client, "/notifications")
        failed = await page.send("/notifications/test", target="boss")
        assert (failed.status, "it answered 404" in failed.text) == (200, True)
        sent = await failed.send("/notifications/test", target="owner")
        assert "</span> sent</span>" in sent.text
        again = await failed.send("/notifications/test", target="owner")
        assert again.status == 200
        assert [one[0] for one in door.letterbox.taken] == ["owner"]
        nobody = await sent.send("/notifications/test", target="eve")
        assert (nobody.status, "there is no target" in nobody.text) == (404, True)
    entries = [row for row in await house.rows(tables.audit) if row.action == "notification.test"]
    assert [row.actor for row in entries] == ["user:boss", "user:boss"]
    async with door.as_user("ops", Role.OPERATOR) as client:
        assert (await open_page(client, "/notifications")).status == 403
