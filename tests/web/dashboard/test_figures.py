"""Business figures on their page, and day by day."""

from __future__ import annotations

import re

import httpx
import pytest

from channelsync.domain.permissions import Reach, Role
from channelsync.engine.business_days import DAY_SECONDS, view_days
from channelsync.web.dashboard.figures import chart_of
from tests.support.house import House
from tests.support.signed_in import Door

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_every_day_has_its_sums_and_days_without_any_are_there(window: House) -> None:
    async with window.engine.database.read() as tx:
        days = await view_days(tx, now=window.clock.at, days=7)
        later = await view_days(tx, now=window.clock.at + 2 * DAY_SECONDS, days=7)
    assert [day.sold for day in days] == [0, 0, 0, 0, 0, 0, 6]
    assert [day.oversold for day in days][-1] == 2
    assert days[-1].pushes > 6
    assert days[-1].pushes_a_unit == days[-1].pushes / 6
    assert days[0].pushes_a_unit is None
    assert [day.sold for day in later] == [0, 0, 0, 0, 6, 0, 0]
    assert [day.begins_at % DAY_SECONDS for day in days] == [0.0] * 7
    chart = chart_of("sold", "Units sold", "c0", later)
    assert chart.said == "Units sold: 6 in 7 days, at most 6 on one"
    [(place, top, _, height)] = chart.bars
    assert place == pytest.approx(4 * 100 / 7)
    assert (top, height) == (0.0, 30.0)


async def test_the_page_shows_the_api_s_figures(client: httpx.AsyncClient) -> None:
    told = (await client.get("/api/v1/metrics", params={"days": 7})).json()
    page = (await client.get("/figures", params={"days": 7})).text
    shown = dict(re.findall(r'class="label">([^<]+)</dt><dd class="figure">([^<]+)<', page))
    assert shown["Units sold"] == str(told["units_sold"]) == "6"
    assert shown["Oversell rate"] == f"{int(told['oversell_ratio'] * 1_000) / 10:g} %"
    assert shown["Proof coverage"] == "100 %"
    assert shown["Holds that ran out"] == "–"
    assert page.count("<svg") == 4
    saved = (await client.get("/figures/days.csv", params={"days": 7})).text.splitlines()
    assert len(saved) == 8
    assert re.match(r"2023-11-14,6,0,2,\d+,", saved[1])


async def test_whoever_is_kept_to_a_part_sees_no_sums_of_the_house(door: Door) -> None:
    kept = Reach(channels=frozenset({"amazon-us"}))
    async with door.as_user("part", Role.VIEWER, kept) as client:
        for path in ("/figures", "/figures/days", "/figures/days.csv"):
            assert (await client.get(path)).status_code == 403
        assert "/figures" not in (await client.get("/")).text
