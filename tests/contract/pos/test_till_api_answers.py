"""Answers of a till's API that the simulated one never gives, scripted."""

from __future__ import annotations

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
from tests.support.till import NOW, Clock, asked_till, poll


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
