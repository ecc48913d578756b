"""The connector against the simulated till's own API, over its real wire."""

from __future__ import annotations

from random import Random
from typing import Any

import httpx
import pytest

from channelsync.sdk.errors import (
    NeedsReauthorization,
    Retryable,
)
from channelsync.sdk.testing.faults import AnswerFault, FaultPlan
from channelsync.sdk.types import Assumption, ListingRef
from channelsync_pos.connector import TillChannelWithApi
from channelsync_pos.simulator import TillSimulator
from tests.support.till import NOW, Clock, Shelves, asked_till, poll, simulated_api, simulator


async def opened(till: TillSimulator, clock: Clock, **given: Any) -> TillChannelWithApi:
    return await asked_till(simulated_api(till), clock, **given)


async def test_polling_finds_every_sale_once_whatever_the_pages() -> None:
    clock = Clock()
    till = simulator(clock, registers=("T1", "T2"))
    channel = await opened(till, clock)
    for _ in range(1_203):
        till.sell("MUG", 1 + till.rng.randrange(3))
    shelves = Shelves()
    cursor, complete_to = await poll(channel, channel.first_cursor(NOW), shelves)
    assert shelves.net_units() == {"MUG": till.net_units("MUG")}
    assert len(shelves.lines) == 1_203
    assert complete_to == NOW
    again = await channel.orders_since(cursor)
    assert (again.facts, again.more) == ((), False)


async def test_a_cursor_used_twice_says_the_same_twice() -> None:
    clock = Clock()
    till = simulator(clock)
    channel = await opened(till, clock)
    till.sell("MUG")
    cursor, _ = await poll(channel, channel.first_cursor(NOW))
    till.sell("CAP")
    first, second = await channel.orders_since(cursor), await channel.orders_since(cursor)
    assert first == second
    assert [fact.sku for fact in first.facts] == ["CAP"]


async def test_following_begins_with_what_was_uploaded_since_not_with_what_was_sold_since() -> None:
    clock = Clock()
    till = simulator(clock, registers=("T1", "T2"))
    till.sell("OLD", register="T1")
    till.go_offline("T2")
    till.sell("LATE", register="T2")
    clock.advance(3_600)
    channel = await opened(till, clock)
    cursor = channel.first_cursor(clock())
    clock.advance(60)
    till.come_back("T2")
    page = await channel.orders_since(cursor)
    assert [fact.sku for fact in page.facts] == ["LATE"]
    assert page.facts[0].sold_at == NOW
    assert page.facts[0].origin == "till, offline"
    assert page.complete_to == clock()


async def test_an_offline_register_holds_the_claim_until_it_comes_back() -> None:
    clock = Clock()
    till = simulator(clock, registers=("T1", "T2"))
    channel = await opened(till, clock)
    cursor, complete_to = await poll(channel, channel.first_cursor(NOW))
    assert complete_to == NOW
    till.go_offline("T2")
    clock.advance(600)
    till.sell("MUG", 2, register="T2")
    till.sell("MUG", 1, register="T1")
    shelves = Shelves()
    cursor, complete_to = await poll(channel, cursor, shelves)
    assert complete_to == NOW
    assert shelves.net_units() == {"MUG": 1}
    clock.advance(600)
    till.come_back("T2")
    cursor, complete_to = await poll(channel, cursor, shelves)
    assert complete_to == clock()
    assert shelves.net_units() == {"MUG": 3}


async def test_a_lost_upload_holds_the_claim_until_it_is_sent_again() -> None:
    clock = Clock()
    till = simulator(clock)
    channel = await opened(till, clock)
    shelves = Shelves()
    cursor, _ = await poll(channel, channel.first_cursor(NOW))
    till.sell("MUG")
    cursor, complete_to = await poll(channel, cursor, shelves)
    assert complete_to == NOW
    clock.advance(10)
    till.lose_uploads("T1")
    till.sell("MUG", 5)
    clock.advance(10)
    till.beat()
    cursor, complete_to = await poll(channel, cursor, shelves)
    assert complete_to == NOW
    assert shelves.net_units() == {"MUG": 1}
    finding = (await channel.check_assumptions())[0]
    assert finding.assumption is Assumption.FEED_COMPLETE
    assert not finding.holds
    assert "T1 has not uploaded its event 2" in finding.why
    assert till.resend("T1", 2) == 2
    cursor, complete_to = await poll(channel, cursor, shelves)
    assert complete_to == clock()
    assert shelves.net_units() == {"MUG": 6}
    assert (await channel.check_assumptions())[0].holds


async def test_a_silent_register_breaks_the_assumption_after_its_limit() -> None:
    clock = Clock()
    till = simulator(clock, registers=("T1", "T2"))
    channel = await opened(till, clock, quiet_limit_seconds=300)
    till.go_offline("T2")
    clock.advance(300)
    assert (await channel.check_assumptions())[0].holds
    clock.advance(1)
    finding = (await channel.check_assumptions())[0]
    assert not finding.holds
    assert "T2 was last in contact at 2026-11-21T10:00:00Z" in finding.why


async def test_an_expected_register_that_nobody_knows_breaks_it_too() -> None:
    clock = Clock()
    till = simulator(clock, registers=("T1",))
    channel = await opened(till, clock, registers=["T1", "T9"])
    finding = (await channel.check_assumptions())[0]
    assert finding.why == "register T9 was never heard of"
    assert (await channel.orders_since(channel.first_cursor(NOW))).complete_to is None


async def test_pages_carry_counts_and_numbers_too() -> None:
    clock = Clock()
    till = simulator(clock)
    channel = await opened(till, clock)
    till.count({"MUG": 7})
    till.beat()
    page = await channel.orders_since(channel.first_cursor(NOW))
    assert [(count.sku, count.on_hand) for count in page.counts] == [("MUG", 7)]
    assert [one.sequence for one in page.sequences] == [1, 2]


async def test_some_sales_and_returns_can_be_asked_for_by_id() -> None:
    clock = Clock()
    till = simulator(clock)
    channel = await opened(till, clock)
    kept, voided, returned = (till.sell("MUG", 2) for _ in range(3))
    till.sell("MUG")
    till.void(voided)
    return_id = till.take_back("MUG", sale_id=returned)
    orders = [f"T1/{one}" for one in (kept, voided, returned)]
    page = await channel.orders_by_id([*orders, f"T1/returns/{return_id}", "T1/none"])
    assert (page.cursor, page.more, page.complete_to) == ("", False, None)
    assert {fact.order_id for fact in page.facts} == {*orders, f"T1/returns/{return_id}"}
    assert [void.order_id for void in page.voids] == [f"T1/{voided}"]
    many = await channel.orders_by_id([f"T1/none-{number}" for number in range(120)])
    assert many.facts == ()


async def test_polling_survives_every_fault_of_the_api() -> None:
    clock = Clock()
    each = AnswerFault(
        throttled=0.1,
        server_error_before=0.1,
        server_error_after=0.1,
        timeout_before=0.1,
        timeout_after=0.1,
    )
    faults = FaultPlan(answers=each)
    till = simulator(clock, faults=faults, rng=Random(11))
    channel = await opened(till, clock)
    shelves, cursor, failures = Shelves(), channel.first_cursor(NOW), 0
    for _ in range(200):
        till.sell("MUG")
        try:
            cursor, _ = await poll(channel, cursor, shelves)
        except Retryable:
            failures += 1
    faults.answers = AnswerFault()
    await poll(channel, cursor, shelves)
    assert failures > 50
    assert faults.injected.keys() >= {"throttled", "server_error_after", "timeout_before"}
    assert shelves.net_units() == {"MUG": 200}


async def test_numbers_are_shown_once_an_operation() -> None:
    clock = Clock()
    till = simulator(clock)
    channel = await opened(till, clock)
    listings = [ListingRef(listing_id=str(n), sku=f"SKU-{n}") for n in range(501)]
    await channel.tell([(listing, int(listing.listing_id)) for listing in listings])
    assert till.shown == {f"SKU-{n}": n for n in range(501)}


async def test_a_repeated_operation_answers_as_before_and_changes_nothing() -> None:
    clock = Clock()
    till = simulator(clock)
    item = {"sku": "MUG", "location": "soho", "absolute": "4"}
    told = {"op_id": "op-1", "as_of": "2026-11-21T10:00:00Z", "items": [item]}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(till.app), base_url="http://till.test"
    ) as http:
        first = await http.put("/stock", json=told)
        till.shown["MUG"] = 3
        again = await http.put("/stock", json=told)
        other = await http.put("/stock", json=told | {"items": []})
        odd = await http.put("/stock", json=told | {"items": [item | {"absolute": "-1"}]})
    assert first.json() == again.json() == {"applied": 1}
    assert till.shown == {"MUG": 3}
    assert (other.status_code, odd.status_code) == (409, 400)


async def test_the_token_is_sent_and_needed() -> None:
    clock = Clock()
    till = simulator(clock, api_token="tok")
    good = await opened(till, clock, api_token="tok")
    assert (await good.orders_since(good.first_cursor(NOW))).complete_to == NOW
    for wrong in ({}, {"api_token": "old"}):
        channel = await opened(till, clock, **wrong)
        with pytest.raises(NeedsReauthorization, match="api_token"):
            await channel.orders_since(channel.first_cursor(NOW))


async def test_the_connectors_own_test_tells_what_is_wrong() -> None:
    clock = Clock()
    till = simulator(clock, registers=("T1", "T2"))
    channel = await opened(till, clock, registers=["T3"])
    checks = {one.name: one for one in await channel.test()}
    assert checks["till's API"].ok
    assert checks["clock"].ok
    assert checks["registers"].message == "register T3 was never heard of"
    till.faults.offline = True
    checks = {one.name: one for one in await channel.test()}
    assert not checks["till's API"].ok
    assert "503" in checks["till's API"].message
