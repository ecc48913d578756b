"""Units are sent from place to place, and new items made, by form."""

from __future__ import annotations

import json
from typing import Any

from channelsync.domain.permissions import Reach, Role
from channelsync.store import tables
from tests.support.desk import open_page
from tests.support.house import House
from tests.support.signed_in import Door

OFFER = "/change/transfers"
SEND = {"sku": "MUG", "source": "dc", "target": "soho", "units": "10", "reason": "weekend"}


async def told(house: House, action: str) -> list[Any]:
    return [row for row in await house.rows(tables.audit) if row.action == action]


async def on_hand(house: House) -> list[int]:
    return sorted(row.on_hand for row in await house.rows(tables.stock))


async def test_units_leave_and_arrive_in_two_goes_with_what_is_missing(
    house: House, door: Door
) -> None:
    async with door.as_user("ops", Role.OPERATOR) as client:
        page = await open_page(client, f"{OFFER}?sku=CUP/XL")
        assert 'value="CUP/XL"' in page.text
        begun = await page.send(OFFER, SEND)
        assert "The units have left." in begun.text
        again = await page.send(OFFER, SEND)
        assert (again.status, len(await house.rows(tables.transfers))) == (200, 1)
        table = await open_page(client, "/transfers")
        assert 'href="/change/transfers/1"' in table.text
        some = await begun.send(f"{OFFER}/1/receive", arrived="6", reason="the first box")
        assert "4 under way" in some.text
        other = await open_page(client, f"{OFFER}/1")
        rest = {"arrived": "3", "damaged": "1", "reason": "the second box"}
        last = await some.send(f"{OFFER}/1/receive", rest)
        assert "1 damaged" in last.text
        assert not last.has_form(f"{OFFER}/1/receive")
        late = await other.send(f"{OFFER}/1/receive", arrived="1", reason="one more")
        assert (late.status, "the transfer is received" in late.text) == (409, True)
    assert await on_hand(house) == [10, 49, 50]
    assert [row.actor for row in await told(house, "transfer.receive")] == ["user:ops"] * 2
    (entry,) = await told(house, "transfer.begin")
    assert (entry.subject, json.loads(entry.after)["units"]) == ("transfer:1", 10)
    await house.require_clean_books()


async def test_units_on_sale_wait_until_somebody_says_that_they_are_gone(
    house: House, door: Door
) -> None:
    await house.settle_down(60, step=10)
    many = SEND | {"units": "60"}
    async with door.as_user("ops", Role.OPERATOR) as client:
        page = await open_page(client, OFFER)
        waits = await page.send(OFFER, many)
        assert "Reserved. The units leave once" in waits.text
        assert "Channels may still sell" in waits.text
        called_off = await waits.send(f"{OFFER}/1/cancel")
        assert "Cancelled." in called_off.text
        assert not called_off.has_form(f"{OFFER}/1/ship")
        second = await (await open_page(client, OFFER)).send(OFFER, many)
        asked = await second.send(f"{OFFER}/2/ship")
        assert "This cannot be undone" in asked.text
        gone = await asked.send(f"{OFFER}/2/ship")
        assert "The units have left." in gone.text
    shortfalls = await house.rows(tables.shortfalls)
    assert [row.cause for row in shortfalls] == ["transfer"]
    assert [row.subject for row in await told(house, "transfer.cancel")] == ["transfer:1"]
    assert [row.subject for row in await told(house, "transfer.ship")] == ["transfer:2"]


async def test_units_that_channels_gave_back_leave_by_the_button(house: House, door: Door) -> None:
    await house.settle_down(60, step=10)
    async with door.as_user("ops", Role.OPERATOR) as client:
        await (await open_page(client, OFFER)).send(OFFER, SEND | {"units": "60"})
        await house.settle_down(120, step=10)
        page = await open_page(client, f"{OFFER}/1")
        assert "No channel may sell them any more" in page.text
        assert "The units have left." in (await page.send(f"{OFFER}/1/ship")).text
    assert await house.rows(tables.shortfalls) == []
    await house.require_clean_books()


async def test_what_makes_no_sense_is_told_at_its_field_and_moves_nothing(
    house: House, door: Door
) -> None:
    before = await on_hand(house)
    async with door.as_user("ops", Role.OPERATOR) as client:
        page = await open_page(client, OFFER)
        wrong = {"sku": "MUGG", "target": "dc", "units": "some", "reason": " "}
        refused = await page.send(OFFER, SEND | wrong)
        assert refused.status == 422
        for name in ("sku", "target", "units", "reason"):
            assert f'id="field-{name}-error"' in refused.text
        assert "did you mean &#39;MUG&#39;" in refused.text
        assert 'value="some"' in refused.text
        many = await refused.send(OFFER, SEND | {"units": "999"})
        assert (many.status, "60 units on hand" in many.text) == (422, True)
        assert await house.rows(tables.transfers) == []
        begun = await many.send(OFFER, SEND)
        strange = {"arrived": "x", "lost": "-1", "minutes": "soon", "reason": ""}
        odd = await begun.send(f"{OFFER}/1/receive", strange)
        assert odd.status == 422
        for name in ("arrived", "lost", "minutes", "reason"):
            assert f'id="field-{name}-error"' in odd.text
        early = await odd.send(f"{OFFER}/1/receive", SEND | {"arrived": "1", "lost": "0"})
        assert early.status == 422  # soon is still no number of minutes
        sums = {"arrived": "9", "lost": "2", "minutes": "", "reason": "came"}
        too_many = await odd.send(f"{OFFER}/1/receive", sums)
        assert (too_many.status, "10 units are under way" in too_many.text) == (409, True)
        for nowhere in (f"{OFFER}/9", f"{OFFER}/x"):
            assert (await open_page(client, nowhere)).status == 404
    assert await on_hand(house) == sorted([*before[:-1], before[-1] - 10])


async def test_who_is_kept_to_a_place_neither_sends_nor_sees_beyond_it(
    house: House, door: Door
) -> None:
    async with door.as_user("ops", Role.OPERATOR) as client:
        await (await open_page(client, OFFER)).send(OFFER, SEND)
    async with door.as_user("eve", Role.VIEWER) as viewer:
        seen = await open_page(viewer, f"{OFFER}/1")
        assert (seen.status, seen.has_form(f"{OFFER}/1/receive")) == (200, False)
        assert (await open_page(viewer, OFFER)).status == 403
        assert OFFER not in (await open_page(viewer, "/items/MUG")).text
    kept = Reach(locations=frozenset({"dc"}))
    async with door.as_user("half", Role.OPERATOR, kept) as client:
        assert (await open_page(client, f"{OFFER}/1")).status == 404
        page = await open_page(client, OFFER)
        assert "Two locations within your reach are wanted" in page.text
        count = await open_page(client, "/change/stock?sku=MUG")
        fields = count.form("/change/stock/count").fields
        beyond = await count.post(OFFER, fields | {key: [text] for key, text in SEND.items()})
        assert (beyond.status, "there is no location" in beyond.text) == (404, True)
        taken = await count.post(f"{OFFER}/1/receive", fields | {"arrived": ["10"]})
        assert taken.status == 404
    assert [row.received for row in await house.rows(tables.transfers)] == [0]


async def test_an_item_is_made_once_and_leads_to_its_first_count(house: House, door: Door) -> None:
    async with door.as_user("ops", Role.OPERATOR) as client:
        assert 'href="/change/items"' in (await open_page(client, "/items")).text
        page = await open_page(client, "/change/items")
        mug = {"sku": " MUG-2 ", "name": "Two mugs", "tags": "summer, , gift "}
        made = await page.send("/change/items", mug)
        assert "Made. Count what lies where" in made.text
        assert '<input type="hidden" name="sku" value="MUG-2">' in made.text
        again = await page.send("/change/items", mug)
        assert (again.status, "Made. Count" in again.text) == (200, True)
        fresh = await open_page(client, "/change/items")
        taken = await fresh.send("/change/items", sku="MUG", name="Mug")
        assert taken.status == 422
        assert 'id="field-sku-error"' in taken.text
        assert "there is an item &#39;MUG&#39; already" in taken.text
        unnamed = await fresh.send("/change/items", sku=" ", tags="x" * 200)
        assert unnamed.status == 422
        for name in ("sku", "tags"):
            assert f'id="field-{name}-error"' in unnamed.text
    made_items = [row for row in await house.rows(tables.items) if row.sku == "MUG-2"]
    assert [(row.name, row.tags) for row in made_items] == [("Two mugs", ["gift", "summer"])]
    (entry,) = await told(house, "item.create")
    assert (entry.subject, json.loads(entry.after)["name"]) == ("item:MUG-2", "Two mugs")
    async with door.as_user("eve", Role.VIEWER) as viewer:
        assert "/change/items" not in (await open_page(viewer, "/items")).text
