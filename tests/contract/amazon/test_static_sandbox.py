"""Amazon's published static sandbox: replayed, and understood by what reads such answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import pytest
from pydantic import BaseModel

from channelsync.sdk.errors import ConnectorError
from channelsync_amazon.answers import refusal_of, words_of
from channelsync_amazon.mapping import facts_of, view_of, view_of_v0
from channelsync_amazon.simulator.sandbox import BODY, Case, StaticSandbox
from channelsync_amazon.subscriptions import _Destinations, _OneDestination, _OneSubscription
from channelsync_amazon.wire import (
    FeedAnswer,
    FeedDocument,
    ListingItem,
    ListingsPage,
    Participations,
    Submission,
)
from channelsync_amazon.wire_orders import (
    ItemsOfOrderV0,
    OrderAnswer,
    OrderAnswerV0,
    OrdersPage,
    OrdersPageV0,
)

READERS: Final[Mapping[tuple[str, str], type[BaseModel]]] = {
    ("listingsItems_2021-08-01.json", "patchListingsItem"): Submission,
    ("listingsItems_2021-08-01.json", "getListingsItem"): ListingItem,
    ("listingsItems_2021-08-01.json", "searchListingsItems"): ListingsPage,
    ("feeds_2021-06-30.json", "createFeedDocument"): FeedDocument,
    ("feeds_2021-06-30.json", "getFeedDocument"): FeedDocument,
    ("feeds_2021-06-30.json", "createFeed"): FeedAnswer,
    ("feeds_2021-06-30.json", "getFeed"): FeedAnswer,
    ("orders_2026-01-01.json", "searchOrders"): OrdersPage,
    ("orders_2026-01-01.json", "getOrder"): OrderAnswer,
    ("ordersV0.json", "getOrders"): OrdersPageV0,
    ("ordersV0.json", "getOrder"): OrderAnswerV0,
    ("ordersV0.json", "getOrderItems"): ItemsOfOrderV0,
    ("notifications.json", "getDestinations"): _Destinations,
    ("notifications.json", "createDestination"): _OneDestination,
    ("notifications.json", "getSubscription"): _OneSubscription,
    ("notifications.json", "createSubscription"): _OneSubscription,
    ("sellers.json", "getMarketplaceParticipations"): Participations,
}


OVERSHADOWED: Final = ["updateVerificationStatus", "getAccount"]


def cases(folder: Path) -> list[dict[str, Any]]:
    place = folder / "amazon" / "models" / "sandbox_cases.json"
    found: list[dict[str, Any]] = json.loads(place.read_text(encoding="utf-8"))
    return [one for one in found if (one["model"], one["operationId"]) in READERS]


@pytest.mark.contracts
def test_every_good_answer_is_understood(contracts_folder: Path) -> None:
    good = [one for one in cases(contracts_folder) if one["status"] < 300]
    assert {(one["model"], one["operationId"]) for one in good} >= {
        ("listingsItems_2021-08-01.json", "patchListingsItem"),
        ("orders_2026-01-01.json", "searchOrders"),
        ("ordersV0.json", "getOrderItems"),
        ("feeds_2021-06-30.json", "getFeed"),
    }
    for one in good:
        reader = READERS[one["model"], one["operationId"]]
        assert isinstance(reader.model_validate(one["response"]), reader)


@pytest.mark.contracts
def test_every_order_becomes_facts_of_its_lines(contracts_folder: Path) -> None:
    told = 0
    for one in cases(contracts_folder):
        if one["status"] >= 300:
            continue
        reader = READERS[one["model"], one["operationId"]]
        answer = reader.model_validate(one["response"])
        orders = answer.orders if isinstance(answer, OrdersPage) else ()
        orders = (answer.order,) if isinstance(answer, OrderAnswer) else orders
        for order in orders:
            if (view := view_of(order)) is not None:
                facts = facts_of(view)
                assert len(facts) == sum(item.quantity_ordered > 0 for item in order.order_items)
                told += 1
        if isinstance(answer, OrderAnswerV0):
            view_of_v0(answer.payload, ())
            told += 1
    assert told > 3


@pytest.mark.contracts
def test_every_refusal_is_one_of_those_we_know(contracts_folder: Path) -> None:
    bad = [one for one in cases(contracts_folder) if one["status"] >= 400]
    assert bad
    for one in bad:
        assert issubclass(refusal_of(one["status"]).read, ConnectorError)
        assert words_of(one["response"])


def sandbox(folder: Path) -> list[Case]:
    place = folder / "amazon" / "models" / "sandbox_cases.json"
    return [Case.published(one) for one in json.loads(place.read_text(encoding="utf-8"))]


def asked(case: Case) -> httpx.Request:
    """The request that a case is published for."""
    stated = {name: value for name, value in case.stated.items() if name not in BODY}
    body = next((value for name, value in case.stated.items() if name in BODY), None)
    path = re.sub(r"\{(\w+)\}", lambda name: quote(str(stated.pop(name[1], "any")), ""), case.path)
    query = {
        name: ",".join(map(str, value)) if isinstance(value, list) else value
        for name, value in stated.items()
    }
    return httpx.Request(case.method, f"https://sandbox.example{path}", params=query, json=body)


@pytest.mark.contracts
async def test_every_published_request_gets_its_published_answer(contracts_folder: Path) -> None:
    published = sandbox(contracts_folder)
    assert len(published) == 82
    others: list[Case] = []
    transport = httpx.ASGITransport(app=StaticSandbox(published).app)
    async with httpx.AsyncClient(transport=transport) as client:
        for case in published:
            answer = await client.send(asked(case))
            if (answer.status_code, answer.json()) != (case.status, case.answer):
                others.append(case)
    # Of two that state nothing, or of which one's body contains the other's, the first answers.
    assert [case.operation for case in others] == OVERSHADOWED


@pytest.mark.contracts
async def test_a_request_that_is_not_published_is_refused(contracts_folder: Path) -> None:
    transport = httpx.ASGITransport(app=StaticSandbox(sandbox(contracts_folder)).app)
    async with httpx.AsyncClient(transport=transport) as client:
        answer = await client.get("https://sandbox.example/orders/2026-01-01/orders/no-such-order")
    assert answer.status_code == 400
    assert "Could not match" in answer.text
