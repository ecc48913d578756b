"""What each answer of Shopify's makes of a read."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
import respx

from channelsync.sdk.errors import (
    ConnectorError,
    Misconfigured,
    NeedsReauthorization,
    Retryable,
    Throttled,
)
from channelsync_shopify.answers import HTTP_REFUSALS
from tests.support.shopify import Clock
from tests.unit.shopify import scripted
from tests.unit.shopify.scripted import GRAPHQL, TOKEN

BY_STATUS: dict[int, type[ConnectorError]] = {
    302: Misconfigured,
    400: Misconfigured,
    401: NeedsReauthorization,
    402: Misconfigured,
    403: Misconfigured,
    404: Misconfigured,
    418: Misconfigured,
    423: Misconfigured,
    429: Throttled,
    500: Retryable,
    502: Retryable,
    503: Retryable,
    504: Retryable,
}
BY_CODE: dict[str | None, type[ConnectorError]] = {
    "THROTTLED": Throttled,
    "INTERNAL_SERVER_ERROR": Retryable,
    "TIMEOUT": Retryable,
    "SHOP_INACTIVE": Misconfigured,
    "ACCESS_DENIED": Misconfigured,
    "undefinedField": Misconfigured,
    "CODE_OF_TOMORROW": Retryable,
    None: Retryable,
}
KINDS = (Throttled, Retryable, NeedsReauthorization, Misconfigured)
EMPTY_ORDERS = {"orders": {"nodes": [], "pageInfo": {"hasNextPage": False, "endCursor": None}}}


def data(content: Any) -> httpx.Response:
    return httpx.Response(200, json={"data": content})


async def error_of(answer: httpx.Response | Exception) -> ConnectorError:
    router = respx.MockRouter()
    route = router.post(GRAPHQL)
    if isinstance(answer, Exception):
        route.mock(side_effect=answer)
    else:
        route.mock(return_value=answer)
    channel = await scripted.open_channel(router)
    with pytest.raises(ConnectorError) as raised:
        await channel.orders_since(channel.first_cursor(0))
    return raised.value


def test_every_status_of_the_table_is_asked_for() -> None:
    assert HTTP_REFUSALS.keys() <= BY_STATUS.keys()


@pytest.mark.parametrize("status", BY_STATUS)
async def test_a_status_is_sorted_by_what_must_be_done(status: int) -> None:
    error = await error_of(httpx.Response(status, json={"errors": "no"}))
    assert type(error) is BY_STATUS[status]
    assert str(status) in str(error)


async def test_a_retry_after_is_passed_on() -> None:
    error = await error_of(httpx.Response(429, headers={"Retry-After": "4"}))
    assert isinstance(error, Throttled)
    assert error.after_seconds == 4.0


@pytest.mark.parametrize("code", BY_CODE)
async def test_a_top_level_error_is_sorted_by_what_must_be_done(code: str | None) -> None:
    error = await error_of(httpx.Response(200, json=scripted.top_level(code, "its words")))
    assert next(kind for kind in KINDS if isinstance(error, kind)) is BY_CODE[code]
    assert "its words" in str(error)


async def test_a_read_waits_for_its_budget_and_asks_again() -> None:
    clock = Clock()
    began = clock()
    router = respx.MockRouter()
    throttled = httpx.Response(200, json=scripted.top_level("THROTTLED"))
    router.post(GRAPHQL).mock(side_effect=[throttled, throttled, data(EMPTY_ORDERS)])
    channel = await scripted.open_channel(router, clock, access_token="shpat_1")
    page = await channel.orders_since(channel.first_cursor(0))
    assert page.facts == ()
    assert clock() - began == pytest.approx(4.0)


async def test_a_throttled_read_says_when_the_bucket_holds_enough() -> None:
    error = await error_of(httpx.Response(200, json=scripted.top_level("THROTTLED")))
    assert isinstance(error, Throttled)
    assert error.after_seconds == pytest.approx(2.0)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="no json"),
        httpx.Response(200, json={"data": None}),
        data({"orders": None}),
        data({"orders": {"nodes": [{"id": 1}], "pageInfo": {"hasNextPage": False}}}),
    ],
)
async def test_an_unexpected_shape_is_tried_again_later(answer: httpx.Response) -> None:
    assert type(await error_of(answer)) is Retryable


@pytest.mark.parametrize("error", [httpx.ConnectError("no"), httpx.ReadTimeout("slow")])
async def test_an_unreachable_shop_is_tried_again_later(error: Exception) -> None:
    assert type(await error_of(error)) is Retryable


async def test_a_cursor_of_another_connector_is_refused_with_its_text() -> None:
    channel = await scripted.open_channel(respx.MockRouter())
    with pytest.raises(Misconfigured, match="till-42"):
        await channel.orders_since("till-42")


async def test_a_query_that_is_too_costly_is_asked_for_in_halves() -> None:
    asked: list[int] = []
    too_much = "MAX_COST_EXCEEDED"

    def answer(request: httpx.Request) -> httpx.Response:
        content = json.loads(request.content)
        if "CsOrders(" not in content["query"]:
            return httpx.Response(200, json=scripted.top_level("BAD_REQUEST"))
        ids = content["variables"]["ids"]
        asked.append(len(ids))
        if len(ids) > 1:
            return httpx.Response(200, json={"errors": scripted.top_level(too_much)["errors"]})
        return data({"nodes": [None]})

    router = respx.MockRouter()
    router.post(GRAPHQL).mock(side_effect=answer)
    channel = await scripted.open_channel(router)
    page = await channel.orders_by_id([f"gid://shopify/Order/{number}" for number in range(4)])
    assert asked == [4, 2, 1, 1, 2, 1, 1]
    assert page.facts == ()


class Tokens:
    """A token endpoint that counts, and a shop that accepts only its last token."""

    def __init__(self) -> None:
        self.made = 0
        self.forms: list[str] = []
        self.router = respx.MockRouter(assert_all_called=False)
        self.router.post(TOKEN).mock(side_effect=self.token)
        self.router.post(GRAPHQL).mock(side_effect=self.graphql)
        self.revoked = False

    async def token(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        self.made += 1
        self.forms.append(request.content.decode())
        answer = {"access_token": f"shpat_{self.made}", "scope": "", "expires_in": 1000}
        return httpx.Response(200, json=answer)

    def graphql(self, request: httpx.Request) -> httpx.Response:
        given = request.headers["x-shopify-access-token"]
        if self.revoked or given != f"shpat_{self.made}":
            return httpx.Response(401)
        return data(EMPTY_ORDERS)


CLIENT: dict[str, Any] = {"client_id": "id", "client_secret": "s&cret"}


async def test_one_token_is_fetched_however_many_calls_wait_for_it() -> None:
    tokens = Tokens()
    channel = await scripted.open_channel(tokens.router, **CLIENT)
    cursor = channel.first_cursor(0)
    await asyncio.gather(*(channel.orders_since(cursor) for _ in range(5)))
    assert tokens.made == 1
    form = "grant_type=client_credentials&client_id=id&client_secret=s%26cret"
    assert tokens.forms == [form]


async def test_a_token_is_renewed_at_four_fifths_of_its_life() -> None:
    clock = Clock()
    tokens = Tokens()
    channel = await scripted.open_channel(tokens.router, clock, **CLIENT)
    cursor = channel.first_cursor(0)
    for seconds, made in ((0, 1), (799, 1), (1, 2), (799, 2)):
        clock.passes(seconds)
        await channel.orders_since(cursor)
        assert tokens.made == made


async def test_a_401_fetches_a_new_token_for_the_next_call() -> None:
    clock = Clock()
    tokens = Tokens()
    channel = await scripted.open_channel(tokens.router, clock, **CLIENT)
    cursor = channel.first_cursor(0)
    await channel.orders_since(cursor)
    clock.passes(100)
    tokens.revoked = True
    with pytest.raises(Retryable):
        await channel.orders_since(cursor)
    tokens.revoked = False
    await channel.orders_since(cursor)
    assert tokens.made == 2


async def test_a_401_to_a_token_just_fetched_needs_a_person() -> None:
    tokens = Tokens()
    tokens.revoked = True
    channel = await scripted.open_channel(tokens.router, **CLIENT)
    with pytest.raises(NeedsReauthorization):
        await channel.orders_since(channel.first_cursor(0))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (httpx.Response(400, json={"error": "shop_not_permitted"}), NeedsReauthorization),
        (httpx.Response(401, text="no"), NeedsReauthorization),
        (httpx.Response(429), Retryable),
        (httpx.Response(200, json={"token": "elsewhere"}), Retryable),
        (httpx.ConnectError("no"), Retryable),
    ],
)
async def test_a_token_that_cannot_be_had_is_sorted_by_what_must_be_done(
    answer: httpx.Response | Exception, expected: type[ConnectorError]
) -> None:
    router = respx.MockRouter()
    effect = {"side_effect": answer} if isinstance(answer, Exception) else {"return_value": answer}
    router.post(TOKEN).mock(**effect)
    channel = await scripted.open_channel(router, **CLIENT)
    with pytest.raises(expected) as raised:
        await channel.orders_since(channel.first_cursor(0))
    assert "s&cret" not in str(raised.value)
