"""Tables: pages without gaps, files of the same rows, filters, and nothing out of reach."""

from __future__ import annotations

import csv
import io
import re
from html import unescape
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from channelsync.domain.permissions import Reach, Role
from channelsync.store import tables
from channelsync.web.dashboard import pages_of_tables
from channelsync.web.dashboard.books import TABLES
from channelsync.web.dashboard.channels import CHANNELS_TABLE
from channelsync.web.dashboard.dashboard import ALL_TABLES
from channelsync.web.dashboard.words import coded
from tests.support.house import House
from tests.support.signed_in import Door

pytestmark = pytest.mark.asyncio(loop_scope="session")

ALL = ALL_TABLES
KEPT = Reach(channels=frozenset({"amazon-us"}), locations=frozenset({"dc"}))


async def page_of(client: httpx.AsyncClient, path: str, **query: Any) -> str:
    answer = await client.get(path, params=query or None)
    assert answer.status_code == 200, answer.text
    return answer.text


async def file_of(client: httpx.AsyncClient, path: str, **query: Any) -> list[list[str]]:
    answer = await client.get(f"{path}.csv", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


def rows_of(page: str) -> list[str]:
    """The first cell of every row, as text."""
    return [
        unescape(re.sub(r"<[^>]*>", "", cell)).strip()
        for cell in re.findall(r"<tr><t[hd][^>]*>(.*?)</t[hd]>", page.partition("<tbody>")[2])
    ]


async def test_every_table_has_a_page_and_a_file_with_the_same_rows(
    client: httpx.AsyncClient,
) -> None:
    for table in ALL:
        page, [heading, *lines] = (
            await page_of(client, table.path),
            await file_of(client, table.path),
        )
        assert heading == [column.label for column in table.columns]
        shown = page.count("<article") if table.path == "/channels" else len(rows_of(page))
        assert shown == min(len(lines), pages_of_tables.ROWS), table.path
        if not lines:
            assert f'<p class="empty">{unescape(coded(table.empty))}' in unescape(page)


async def test_pages_miss_nothing_and_repeat_nothing(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages_of_tables, "ROWS", 4)
    monkeypatch.setattr(pages_of_tables, "FILE_ROWS", 3)
    for path in ("/items", "/stock", "/movements", "/pushes", "/listings"):
        found = await all_pages(client, path)
        _, *lines = await file_of(client, path)
        assert len(found) == len(lines) > 8, path
        if path in {"/items", "/movements"}:
            assert found == [line[0] for line in lines]


async def all_pages(client: httpx.AsyncClient, path: str) -> list[str]:
    found: list[str] = []
    address = path
    for _ in range(100):
        page = await page_of(client, address)
        found += rows_of(page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        if following is None:
            break
        address = unescape(following[1])
    return found


FILTERS: tuple[tuple[str, dict[str, str], int], ...] = (
    ("/items", {"q": "mug"}, 1),
    ("/items", {"q": "%"}, 0),
    ("/stock", {"location": "soho", "sku": "MUG"}, 1),
    ("/orders", {"channel": "amazon-us"}, 2),
    ("/orders", {"state": "parked"}, 0),
    ("/movements", {"kind": "sale", "sku": "MUG"}, 2),
    ("/listings", {"sku": "MUG", "state": "active"}, 3),
    ("/pushes", {"sku": "MUG", "channel": "soho-till"}, 1),
    ("/pushes", {"state": "open"}, 0),
    ("/alarms", {"state": "open"}, 0),
    ("/audit", {"action": "nothing.ever"}, 0),
)


async def test_filters_are_in_the_address_and_in_the_file(client: httpx.AsyncClient) -> None:
    for path, query, count in FILTERS:
        page = await page_of(client, path, **query)
        assert len(rows_of(page)) == count, (path, query)
        assert len(await file_of(client, path, **query)) == count + 1
        for name, value in query.items():
            typed, chosen = f'name="{name}"[^>]*value="{value}"', f'value="{value}" selected'
            assert re.search(f"{typed}|{chosen}", page)
        assert ("Nothing matches" in page) is (count == 0)


async def test_an_address_that_makes_no_sense_is_refused_in_words(
    client: httpx.AsyncClient,
) -> None:
    for path, status in (
        ("/orders?after=x", 422),
        ("/pushes?after=5", 422),
        ("/pushes?after=x~y", 422),
        ("/movements?after=999999999999999999999999", 422),
        ("/items/NOPE", 404),
    ):
        answer = await client.get(path, headers={"accept": "text/html"})
        assert answer.status_code == status, path
        assert "<h1>" in answer.text


async def test_nobody_sees_what_is_out_of_his_reach(door: Door) -> None:
    async with door.as_user("half", Role.MANAGER, KEPT) as client:
        for table in (*TABLES, CHANNELS_TABLE):
            page, lines = await page_of(client, table.path), await file_of(client, table.path)
            for foreign in ("shopify-us", "soho"):
                # Who moved units of a location within reach is said, wherever he comes from.
                shown = page.partition("<main")[2].replace(f"order:{foreign}", "")
                assert not re.search(rf"\b{foreign}\b", shown), (table.path, foreign)
                assert not any(foreign == cell for line in lines for cell in line)
        for out in (
            "/orders?channel=shopify-us",
            "/stock?location=soho",
            "/stock.csv?location=soho",
        ):
            assert (await client.get(out)).status_code == 404
        mug = [line for line in await file_of(client, "/items") if line[0] == "MUG"]
        assert mug == [["MUG", "Blue mug", "main", "60", "4", "1", "55", "47"]]
        assert "Free" not in (await page_of(client, "/items")).partition("<thead>")[2][:600]
        overview = await page_of(client, "/")
        assert "shopify-us" not in overview
        assert "figures of the whole house lie beyond that" in overview
        for closed, status in (
            ("/events", 403),
            ("/channels/shopify-us", 404),
            (f"/pushes/{await foreign_push(door)}", 404),
        ):
            assert (await client.get(closed)).status_code == status
        item = await page_of(client, "/items/MUG")
        assert "soho" not in item.partition("<main")[2]
        assert "lies beyond it" in item
        assert (await client.get("/audit")).status_code == 403


async def foreign_push(door: Door) -> str:
    pushes = await door.house.rows(tables.pushes)
    return next(str(push.id) for push in pushes if push.channel == "shopify-us")


async def test_a_channel_and_a_push_tell_all_about_themselves(
    client: httpx.AsyncClient, door: Door
) -> None:
    cards = await page_of(client, "/channels")
    assert "no trouble within" in cards or "trouble in" in cards
    till = await page_of(client, "/channels/soho-till")
    assert "the till is being repaired" in till
    assert "requests a second" in till
    assert "itself refuses to sell past its number" in till
    push = await page_of(client, f"/pushes/{await foreign_push(door)}")
    assert re.search(r'<span class="strong">applied</span>', push)
    assert "of its target" in push


async def test_what_a_spreadsheet_would_run_is_only_text(
    client: httpx.AsyncClient, window: House
) -> None:
    async with window.engine.database.write() as tx:
        named = sa.update(tables.items).where(tables.items.c.sku == "BOWL")
        await tx.execute(named.values(name='=HYPERLINK("http://evil.example")'))
    [bowl] = [line for line in await file_of(client, "/items") if line[0] == "BOWL"]
    assert bowl[1] == '\'=HYPERLINK("http://evil.example")'


async def test_the_audit_trail_is_verified_on_its_page(
    client: httpx.AsyncClient, window: House
) -> None:
    assert "Verify the trail" in await page_of(client, "/audit")
    assert "as it was written" in await page_of(client, "/audit/check")
    first = sa.update(tables.audit).where(tables.audit.c.position == 1)
    async with window.engine.database.write() as tx:
        actor = (await tx.execute(sa.select(tables.audit.c.actor).limit(1))).scalar_one()
        await tx.execute(first.values(actor="nobody"))
    told = await page_of(client, "/audit/check")
    assert "not as it was written" in told
    assert "entry 1" in told
    async with window.engine.database.write() as tx:
        await tx.execute(first.values(actor=actor))
