"""The connector against the simulated till's own API, over its real wire."""

from __future__ import annotations

from random import Random
from typing import Any

import httpx
import pytest

from channelsync.sdk.errors import (
    ConnectorError,
    Misconfigured,
    NeedsReauthorization,
    Retryable,
    Throttled,
)
from channelsync.sdk.testing.faults import AnswerFault, FaultPlan
from channelsync.sdk.types import Assumption, Instant, ListingRef
from channelsync_pos.connector import TillChannelWithApi
from channelsync_pos.simulator import TillSimulator
from tests.support.till import NOW, Clock, Shelves, asked_till, simulated_api, simulator


async def opened(till: TillSimulator, clock: Clock, **given: Any) -> TillChannelWithApi:
    return await asked_till(simulated_api(till), clock, **given)


async def poll(
    channel: TillChannelWithApi, cursor: str, shelves: Shelves | None = None
) -> tuple[str, Instant | None]:
    """Page to the end. Returns where to go on, and how far the sales are complete."""
    while True:
        page = await channel.orders_since(cursor)
        if shelves is not None:
            shelves.hear_orders(page.facts, page.voids)
        cursor = page.cursor
        if not page.more:
            return cursor, page.complete_to
        assert page.complete_to is None


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


def scripted(page: dict[str, Any]) -> httpx.AsyncBaseTransport:
    whole = {"as_of": "2026-11-21T10:00:00Z", "events": [], "next": "1", "more": False} | page
    return httpx.MockTransport(lambda _: httpx.Response(200, json=whole))


def status(register_id: str = "T1", sequence: int = 2, **given: Any) -> dict[str, Any]:
    return {
        "register_id": register_id,
        "last_contact": "2026-11-21T09:59:00Z",
        "sequence": sequence,
        "received_to": sequence,
    } | given


SALE = {
    "type": "pos.sale.completed",
    "data": {
        "register_id": "T1",
        "sequence": 2,
        "sale_id": "S2",
        "occurred_at": "2026-11-21T09:58:00Z",
        "lines": [{"line_id": "1", "sku": "MUG", "quantity": "1"}],
    },
}


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "pos.sale.completed", "data": {"register_id": "T1", "sequence": 1}},
        {"type": "pos.gift.wrapped", "data": {"register_id": "T1", "sequence": 1}},
        {"data": {}},
        {"type": "pos.sale.completed", "data": "Ada Canary"},
    ],
)
async def test_an_unreadable_event_hides_no_neighbour_and_is_no_secret(bad: object) -> None:
    page = {"events": [bad, SALE], "registers": [status(received_to=0)]}
    channel = await asked_till(scripted(page), Clock())
    found = await channel.orders_since(channel.first_cursor(NOW))
    assert [fact.order_id for fact in found.facts] == ["T1/S2"]
    assert found.complete_to is None
    finding = (await channel.check_assumptions())[0]
    assert not finding.holds
    assert "could not be read" in finding.why
    assert "anary" not in finding.why


async def test_what_the_server_never_received_is_a_hole_even_before_the_first_number() -> None:
    page = {"events": [SALE], "registers": [status(received_to=0)]}
    channel = await asked_till(scripted(page), Clock())
    assert (await channel.orders_since(channel.first_cursor(NOW))).complete_to is None


async def test_a_retired_register_counts_no_more_once_all_of_it_was_heard() -> None:
    gone = status("T0", 9, last_contact="2026-01-01T00:00:00Z", retired=True)
    page = {"events": [SALE], "registers": [status(received_to=2), gone]}
    channel = await asked_till(scripted(page), Clock(), registers=["T0", "T1"])
    complete_to = (await channel.orders_since(channel.first_cursor(NOW))).complete_to
    assert complete_to == NOW - 60


async def test_a_page_that_leads_to_itself_is_refused() -> None:
    channel = await asked_till(scripted({"more": True}), Clock())
    second = (await channel.orders_since(channel.first_cursor(NOW))).cursor
    with pytest.raises(Retryable, match="repeats a page"):
        await channel.orders_since(second)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>Welcome</html>"),
        httpx.Response(200, json={"events": []}),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"as_of": "now", "events": [], "next": "1"}),
    ],
)
async def test_another_kind_of_answer_says_that_the_address_is_wrong(
    answer: httpx.Response,
) -> None:
    channel = await asked_till(httpx.MockTransport(lambda _: answer), Clock())
    with pytest.raises(Misconfigured, match="channelsync-pos/1"):
        await channel.orders_since(channel.first_cursor(NOW))


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (301, Misconfigured),
        (400, Misconfigured),
        (401, NeedsReauthorization),
        (403, NeedsReauthorization),
        (404, Misconfigured),
        (408, Retryable),
        (429, Throttled),
        (500, Retryable),
        (503, Retryable),
    ],
)
async def test_every_status_has_its_meaning(code: int, error: type[ConnectorError]) -> None:
    answer = httpx.Response(code, headers={"retry-after": "7"})
    channel = await asked_till(httpx.MockTransport(lambda _: answer), Clock())
    with pytest.raises(error) as refused:
        await channel.orders_since(channel.first_cursor(NOW))
    assert type(refused.value) is error
    assert f"answered {code}" in str(refused.value)
    if isinstance(refused.value, Retryable):
        assert refused.value.after_seconds == 7.0


async def test_no_answer_is_tried_again_and_a_foreign_host_is_not() -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow", request=request)

    clock = Clock()
    channel = await asked_till(httpx.MockTransport(fail), clock)
    with pytest.raises(Retryable, match="ReadTimeout"):
        await channel.orders_since(channel.first_cursor(NOW))
    abroad = await asked_till(httpx.MockTransport(fail), clock, base_url="https://evil.test")
    with pytest.raises(Misconfigured, match="CHANNELSYNC_ALLOW_HOSTS"):
        await abroad.orders_since(abroad.first_cursor(NOW))


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


async def test_a_till_whose_clock_is_wrong_is_told_so() -> None:
    clock = Clock()
    page = {"as_of": "2026-11-21T11:00:00Z", "registers": [status()]}
    channel = await asked_till(scripted(page), clock)
    checks = {one.name: one for one in await channel.test()}
    assert not checks["clock"].ok
    assert "+3600 s" in checks["clock"].message


def beat(register_id: str, sequence: int) -> dict[str, Any]:
    return {
        "type": "pos.register.heartbeat",
        "data": {"register_id": register_id, "sequence": sequence},
    }


def pages(*scripts: dict[str, Any]) -> httpx.AsyncBaseTransport:
    """One answer after the other; the last one stays."""
    answers = list(scripts)

    def answer(request: httpx.Request) -> httpx.Response:
        script = answers.pop(0) if len(answers) > 1 else answers[0]
        whole = {"as_of": "2026-11-21T10:00:00Z", "next": str(len(answers)), "more": False}
        return httpx.Response(200, json=whole | script, request=request)

    return httpx.MockTransport(answer)


async def test_a_register_that_comes_on_a_later_page_is_not_taken_at_the_servers_word() -> None:
    registers = [status("T1", 1), status("T2", 49)]
    unreadable = {"type": "pos.gift.wrapped", "data": {"register_id": "T2", "sequence": 48}}
    later = [beat("T2", 47), unreadable, beat("T2", 49)]
    channel = await asked_till(
        pages(
            {"events": [beat("T1", 1)], "registers": registers, "more": True},
            {"events": later, "registers": registers},
        ),
        Clock(),
    )
    assert (await poll(channel, channel.first_cursor(NOW)))[1] is None


async def test_an_event_that_can_be_read_at_last_is_no_longer_complained_about() -> None:
    registers = [status("T1", 2)]
    unreadable = {"type": "pos.sale.completed", "data": {"register_id": "T1", "sequence": 2}}
    channel = await asked_till(
        pages(
            {"events": [beat("T1", 1), unreadable], "registers": registers, "next": "a"},
            {"events": [], "registers": registers, "next": "a"},
            {"events": [SALE], "registers": registers, "next": "b"},
            {"events": [], "registers": registers, "next": "b"},
        ),
        Clock(),
    )
    cursor, complete_to = await poll(channel, channel.first_cursor(NOW))
    assert complete_to is None
    assert not (await channel.check_assumptions())[0].holds
    _, complete_to = await poll(channel, cursor)
    assert complete_to == NOW - 60
    assert (await channel.check_assumptions())[0].holds
