"""Stock is counted and corrected, and carts' holds given back, by form."""

from __future__ import annotations

import json
from typing import Any

from channelsync.domain.permissions import Reach, Role
from channelsync.store import tables
from tests.support.desk import open_page
from tests.support.house import House
from tests.support.signed_in import Door

PLACE = "/change/stock?sku=MUG&location=soho"


async def on_hand(house: House) -> list[int]:
    return [row.on_hand for row in await house.rows(tables.stock)]


async def told(house: House, action: str) -> list[Any]:
    return [row for row in await house.rows(tables.audit) if row.action == action]


async def test_stock_is_counted_corrected_and_held_back_each_once(house: House, door: Door) -> None:
    async with door.as_user("ops", Role.OPERATOR) as client:
        page = await open_page(client, PLACE)
        assert "In the books now" in page.text
        count = {"on_hand": "37", "minutes": "0", "reason": "stock-taking"}
        counted = await page.send("/change/stock/count", count)
        assert "The count is in the books." in counted.text
        adjusted = await page.send("/change/stock/adjust", delta="-2", reason="broken")
        assert "The change is in the books." in adjusted.text
        again = await page.send("/change/stock/adjust", delta="-2", reason="broken")
        assert again.status == 200
        kept = await page.send("/change/stock/safety-stock", units="4", reason="shown")
        assert "The safety stock is set." in kept.text
    assert 35 in await on_hand(house)
    (entry,) = await told(house, "stock.adjust")
    assert (entry.subject, json.loads(entry.before)["units"]) == ("stock:soho/MUG", 37)
    assert json.loads(entry.after) == {"quantity": "on_hand", "reason": "broken", "units": 35}
    await house.require_clean_books()


async def test_what_cannot_be_counted_is_told_at_its_field_and_changes_nothing(
    house: House, door: Door
) -> None:
    before = await on_hand(house)
    async with door.as_user("ops", Role.OPERATOR) as client:
        page = await open_page(client, PLACE)
        wrong = {"on_hand": "many", "minutes": "-5", "reason": " "}
        refused = await page.send("/change/stock/count", wrong)
        assert refused.status == 422
        for name in ("field-on_hand-error", "field-minutes-error", "count-reason-error"):
            assert f'id="{name}"' in refused.text
        assert 'value="many"' in refused.text
        nothing = await page.send("/change/stock/adjust", delta="0", reason="x")
        assert nothing.status == 422
        too_many = await nothing.send("/change/stock/adjust", delta="-900", reason="all gone")
        assert (too_many.status, "cannot be taken off" in too_many.text) == (422, True)
        below = await page.send("/change/stock/safety-stock", units="-1", reason="x")
        assert (below.status, 'id="field-units-error"' in below.text) == (422, True)
        unknown = await open_page(client, "/change/stock?sku=MUGG")
        assert (unknown.status, "did you mean" in unknown.text) == (404, True)
    kept = Reach(locations=frozenset({"dc"}))
    async with door.as_user("half", Role.OPERATOR, kept) as client:
        assert (await open_page(client, PLACE)).status == 404
        page = await open_page(client, "/change/stock?sku=MUG")
        assert "soho" not in page.text
        beyond = await page.send("/change/stock/adjust", location="soho", delta="1", reason="x")
        assert beyond.status == 404
    assert await on_hand(house) == before


async def test_a_hold_is_kept_longer_and_released_when_one_is_sure(
    house: House, door: Door
) -> None:
    cart = {"owner": "cart", "channel": "a", "lines": [{"sku": "MUG", "units": 1}]}
    async with door.as_user("ops", Role.OPERATOR) as client:
        held = (await client.post("/api/v1/holds", json=cart)).json()
        path = f"/change/holds/{held['id']}"
        page = await open_page(client, path)
        assert "Keep it longer" in page.text
        wrong = await page.send(f"{path}/extend", minutes="soon")
        assert (wrong.status, 'aria-invalid="true"' in wrong.text) == (422, True)
        longer = await page.send(f"{path}/extend", minutes="90")
        assert "Extended." in longer.text
        async with door.as_user("eve", Role.VIEWER) as viewer:
            seen = await open_page(viewer, path)
            assert (seen.status, seen.has_form(f"{path}/release")) == (200, False)
        asked = await longer.send(f"{path}/release")
        assert "This cannot be undone" in asked.text
        done = await asked.send(f"{path}/release")
        assert "Released." in done.text
        assert "Keep it longer" not in done.text
        late = await longer.send(f"{path}/extend", minutes="10")
        assert late.status == 409
        assert (await open_page(client, "/change/holds/none")).status == 404
    kept = Reach(channels=frozenset({"b"}))
    async with door.as_user("half", Role.OPERATOR, kept) as client:
        assert (await open_page(client, path)).status == 404
    (entry,) = await told(house, "hold.release")
    assert json.loads(entry.before)["state"] == "active"
    assert json.loads(entry.after)["state"] == "released"
