"""The live page: whole without a script, current with one."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from channelsync.domain.vocabulary import PushSemantics
from channelsync.web.options import Button, Exhibit
from tests.support.house import Build, House, put_stock
from tests.web.conftest import Client

CAS = PushSemantics.KEYED_COMPARE_AND_SET
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}",
    "javascript:alert(1)",
    "\u202egnp.exe",
)


async def shops(build: Build, **stock: int) -> House:
    house = await build(
        stock=stock or {"MUG": 10},
        quotas={"a": 5_000, "b": 3_000},
        semantics={"a": CAS, "b": CAS},
    )
    await house.settle_down(60)
    return house


async def test_the_page_shows_who_may_sell_what(build: Build, visit: Client) -> None:
    client = await visit(await shops(build))
    page = (await client.get("/")).text
    assert "Oversold by us" in page
    row = row_of(page, "MUG")
    assert 'aria-label="a 5, b 3, free 2 of 10 available to promise"' in row
    assert page.count("in step") == 2
    assert "of its target" in page
    assert "nothing wants a person" in page


async def test_a_number_on_its_way_is_told_from_one_that_shows(build: Build, visit: Client) -> None:
    house = await build(
        stock={"MUG": 10},
        quotas={"a": 10_000},
        semantics={"a": PushSemantics.ABSOLUTE},
        declared={"poll_interval_seconds": 20.0, "apply_limit_seconds": 300.0},
    )
    market, client = house.markets["a"], await visit(house)
    market.faults.append("accept_late")
    await house.settle_down(40, step=5)
    page = (await client.get("/")).text
    assert "not applied yet" in page
    assert "1 on their way" in page
    market.apply_late()
    await house.settle_down(80, step=5)
    # A new client: the old one's application would show again what it showed a moment ago.
    page = (await (await visit(house)).get("/")).text
    assert "0 on their way" in page
    assert re.search(r"seen after \d+ s, at most \d+ s", page)
    assert re.search(r"seen after \d+ s, to be proven", page)


async def test_a_long_order_number_is_cut_short_but_told(build: Build, visit: Client) -> None:
    house = await shops(build)
    market = house.markets["a"]
    sold = market.orders.pop(market.sell("MUG", 1) or "")
    long = "gid://market/Order/303-0000364-1796232"
    market.orders[long] = replace(sold, order_id=long)
    await house.settle_down(60)
    page = (await (await visit(house)).get("/")).text
    assert f'title="{long}">…364-1796232<' in page


def row_of(page: str, sku: str) -> str:
    (row,) = re.findall(rf'<tr id="item-\d+-main" data-sku="{sku}".*?</tr>', page, re.DOTALL)
    return str(row)


async def test_an_empty_house_says_the_next_step(build: Build, visit: Client) -> None:
    client = await visit(await build(stock={}, quotas={}, semantics={}))
    page = (await client.get("/")).text
    for words in ("channelsync stock import", "channelsync.yaml", "No orders yet", "No pushes yet"):
        assert words in page


async def test_other_peoples_text_stays_text(build: Build, visit: Client) -> None:
    house = await build(stock={}, quotas={}, semantics={})
    await put_stock(house, [(sku, 1) for sku in HOSTILE])
    client = await visit(house)
    page = (await client.get("/")).text
    assert "alert(1)</script>" not in page
    assert "<img src=x" not in page
    assert "' onmouseover='" not in page
    assert ">49<" not in page
    assert page.count("<tr id=") == len(HOSTILE)


async def test_the_page_keeps_its_own_content_policy(build: Build, visit: Client) -> None:
    house = await shops(build)
    client = await visit(house)
    page = (await client.get("/")).text
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)
    assert not re.search(r"\s(style|on\w+)=", page)
    assert "<style" not in page
    links = re.findall(r'\s(?:src|href|action)="([^"]*)"', page)
    assert links
    assert all(link.startswith(("/", "#")) for link in links)
    for link in {link for link in links if link.startswith("/static/")}:
        asset = await client.get(link)
        assert asset.status_code == 200
        assert not re.search(r"https?://(?!www\.w3\.org/)", asset.text)


async def test_the_search_works_without_a_script(build: Build, visit: Client) -> None:
    client = await visit(await shops(build, MUG=3, CAP=4, **{"50%_OFF": 2}))
    page = (await client.get("/", params={"q": "mu"})).text
    assert page.count("<tr id=") == 1
    row_of(page, "MUG")
    assert (await client.get("/", params={"q": "%"})).text.count("<tr id=") == 1
    nothing = (await client.get("/", params={"q": "nobody"})).text
    assert "No item matches" in nothing
    odd = await client.get("/", params={"q": "<b>" * 100})
    assert odd.status_code == 200
    assert "<b>" not in odd.text


async def test_a_failing_channel_says_why(build: Build, visit: Client) -> None:
    house = await shops(build)
    house.markets["a"].offline = True
    await house.settle_down(120)
    page = (await (await visit(house)).get("/")).text
    assert "failing" in page
    assert "nobody answers" in page


# ------------------------------------------------------------------ events


async def events(client: httpx.AsyncClient, **headers: str) -> AsyncGenerator[dict[str, Any]]:
    """Events of the stream: their id, and the fragments."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.stream("GET", "/events", headers=named) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        event_id = ""
        async for line in stream.aiter_lines():
            if line.startswith("id: "):
                event_id = line.removeprefix("id: ")
            elif line.startswith("data: "):
                yield {"id": event_id, **json.loads(line.removeprefix("data: "))}


async def test_a_page_hears_only_what_changed_since_it_was_drawn(
    build: Build, visit: Client
) -> None:
    house = await shops(build, MUG=10, CAP=10)
    client = await visit(house, served=True, refresh_seconds=0.25)
    page = (await client.get("/")).text
    seen = re.findall(r'data-seen="([^"]+)"', page)[0]
    house.markets["a"].sell("MUG")
    await house.settle_down(60)
    stream = events(client, last_event_id=seen)
    event = await anext(stream)
    await stream.aclose()
    rows = [key for key in event if key.startswith("item-")]
    assert len(rows) == 1
    assert 'data-sku="MUG"' in event[rows[0]]
    assert 'data-atp="9"' in event[rows[0]]
    assert "orders" in event
    assert "stage" not in event


async def test_a_page_of_another_life_gets_everything_again(build: Build, visit: Client) -> None:
    house = await shops(build, MUG=10, CAP=10)
    client = await visit(house, served=True)
    stream = events(client, last_event_id="deadbeef-7")
    event = await anext(stream)
    await stream.aclose()
    assert len([key for key in event if key.startswith("item-")]) == 2
    assert {"headline", "channels", "attention", "pushes", "orders"} <= event.keys()


# ------------------------------------------------------------------ a demonstration's buttons


class Booth:
    """A stage with one button."""

    def __init__(self) -> None:
        self.pressed: list[str] = []

    def exhibit(self) -> Exhibit:
        return Exhibit(
            title="A demonstration",
            notes=("shortened",),
            sold=1_234,
            oversold=0,
            oversold_by_tills=2,
            rival="A plain quota pusher",
            rival_sold=1_300,
            rival_oversold=37,
            buttons=(Button(name="break", label="Break it", pressed=bool(self.pressed)),),
            featured="PEN",
        )

    async def press(self, button: str) -> None:
        if button != "break":
            raise KeyError(button)
        self.pressed.append(button)


async def test_a_demonstration_shows_its_rival_and_its_notes(build: Build, visit: Client) -> None:
    client = await visit(await shops(build), stage=Booth())
    page = (await client.get("/")).text
    for words in ("A plain quota pusher", "37", "shortened", "Break it", "2 past its slice"):
        assert words in page


async def test_what_a_demonstration_is_about_stands_first(build: Build, visit: Client) -> None:
    house = await shops(build, MUG=10, PEN=10, ART=10)
    page = (await (await visit(house, stage=Booth())).get("/")).text
    assert re.findall(r'data-sku="(\w+)"', page) == ["PEN", "ART", "MUG"]


@pytest.mark.parametrize(
    ("headers", "status", "pressed"),
    [
        ({"origin": "http://localhost"}, 303, 1),
        ({"sec-fetch-site": "same-origin"}, 303, 1),
        ({}, 403, 0),
        ({"sec-fetch-site": "cross-site"}, 403, 0),
        ({"origin": "http://evil.example"}, 403, 0),
    ],
)
async def test_only_a_page_of_ours_presses_a_button(
    build: Build, visit: Client, headers: dict[str, str], status: int, pressed: int
) -> None:
    booth = Booth()
    client = await visit(await shops(build), stage=booth)
    answer = await client.post("/actions/break", headers=headers)
    assert answer.status_code == status
    assert len(booth.pressed) == pressed


async def test_an_unknown_button_and_a_daemon_without_a_stage_have_none(
    build: Build, visit: Client
) -> None:
    house = await shops(build)
    ours = {"origin": "http://localhost"}
    on_stage = await visit(house, stage=Booth())
    assert (await on_stage.post("/actions/other", headers=ours)).status_code == 404
    plain = await visit(house)
    assert (await plain.post("/actions/break", headers=ours)).status_code == 404
