"""Every answer has one meaning: to a write, and to everything else."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
from channelsync.sdk.types import Change, ListingRef, Outcome, PushKind
from channelsync_square.connector import SquareConnector
from channelsync_square.settings import SquareSettings
from tests.support.square import Clock, context_for

LISTING = ListingRef(listing_id="1", sku="MUG", external={"variation_id": "V"})


def errors(code: str, category: str = "INVALID_REQUEST_ERROR", **more: str) -> dict[str, Any]:
    return {"errors": [{"category": category, "code": code, "detail": "words", **more}]}


async def channel_answering(response: httpx.Response | Exception, **settings: Any) -> Any:
    def answer(request: httpx.Request) -> httpx.Response:
        if isinstance(response, Exception):
            raise response
        return response

    given = {"access_token": "t", "location_id": "L1"} | settings
    context = context_for(
        SquareSettings.model_validate(given), httpx.MockTransport(answer), Clock()
    )
    return await SquareConnector().open(context)


async def pushed(response: httpx.Response | Exception, units: int = 1) -> list[Any]:
    channel = await channel_answering(response)
    listings = [
        ListingRef(listing_id=str(n), sku=f"S{n}", external={"variation_id": f"V{n}"})
        for n in range(units)
    ]
    changes = [
        Change(push_id=f"p{n}", listing=listing, kind=PushKind.RAISE, units=1)
        for n, listing in enumerate(listings)
    ]
    results: list[Any] = await channel.push(channel.prepare(changes, key="k"))
    return results


REFUSED = [
    (400, errors("BAD_REQUEST")),
    (400, errors("INVALID_VALUE", field="changes[0].adjustment.quantity")),
    (400, errors("INVALID_TIME")),
    (400, errors("IDEMPOTENCY_KEY_REUSED")),
    (404, errors("NOT_FOUND", field="changes[0].adjustment.catalog_object_id")),
]
UNKNOWN: list[tuple[int, Any]] = [
    (200, None),
    (200, [1]),
    (301, None),
    (400, None),
    (400, {"errors": []}),
    (400, errors("A_CODE_OF_TOMORROW")),
    (400, {"errors": [errors("INVALID_VALUE")["errors"][0], errors("NEW")["errors"][0]]}),
    (401, errors("UNAUTHORIZED", "AUTHENTICATION_ERROR")),
    (401, errors("ACCESS_TOKEN_EXPIRED", "AUTHENTICATION_ERROR")),
    (403, errors("INSUFFICIENT_SCOPES", "AUTHENTICATION_ERROR")),
    (404, None),
    (408, None),
    (409, errors("CONFLICT")),
    (429, errors("RATE_LIMITED", "RATE_LIMIT_ERROR")),
    (500, errors("INTERNAL_SERVER_ERROR", "API_ERROR")),
    (500, errors("INVALID_VALUE")),
    (502, None),
    (503, errors("SERVICE_UNAVAILABLE", "API_ERROR")),
    (504, None),
]


def response_of(status: int, body: Any) -> httpx.Response:
    if body is None:
        return httpx.Response(status, content=b"<html>")
    return httpx.Response(status, content=json.dumps(body).encode())


@pytest.mark.parametrize(("status", "body"), REFUSED)
async def test_what_square_looked_at_and_turned_down_did_not_apply(status: int, body: Any) -> None:
    [result] = await pushed(response_of(status, body))
    assert result.outcome is Outcome.REFUSED
    assert "words" in result.reason


@pytest.mark.parametrize(("status", "body"), UNKNOWN)
async def test_everything_else_but_a_clean_200_proves_nothing(status: int, body: Any) -> None:
    [result] = await pushed(response_of(status, body))
    assert result.outcome is Outcome.UNKNOWN
    assert result.reason
    assert result.refuse_listing is None


async def test_a_clean_200_applies_whether_it_repeats_the_changes_or_not() -> None:
    bodies: list[dict[str, Any]] = [{"counts": [], "errors": []}, {}]
    for body in bodies:
        assert [one.outcome for one in await pushed(response_of(200, body), 3)] == [
            Outcome.APPLIED
        ] * 3


async def test_only_the_change_that_is_named_is_unfit() -> None:
    body = errors("NOT_FOUND", field="changes[1].adjustment.catalog_object_id")
    results = await pushed(response_of(404, body), 3)
    assert [one.refuse_listing is not None for one in results] == [False, True, False]
    assert {one.outcome for one in results} == {Outcome.REFUSED}


async def test_a_missing_object_that_is_not_named_blames_nobody_of_many() -> None:
    results = await pushed(response_of(404, errors("NOT_FOUND")), 3)
    assert [one.refuse_listing for one in results] == [None] * 3


@pytest.mark.parametrize(
    ("asked", "seconds"), [("7", 7.0), ("99999", 600.0), ("-5", 0.0), ("soon", 2.0)]
)
async def test_what_square_asks_us_to_wait_is_bounded(asked: str, seconds: float) -> None:
    body = json.dumps(errors("RATE_LIMITED", "RATE_LIMIT_ERROR")).encode()
    [result] = await pushed(httpx.Response(429, content=body, headers={"retry-after": asked}))
    assert result.after_seconds == seconds


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (httpx.ConnectError("x"), Outcome.UNSENT),
        (httpx.ConnectTimeout("x"), Outcome.UNSENT),
        (httpx.ReadTimeout("x"), Outcome.UNKNOWN),
        (httpx.WriteError("x"), Outcome.UNKNOWN),
        (httpx.RemoteProtocolError("x"), Outcome.UNKNOWN),
    ],
)
async def test_without_an_answer_only_a_missing_connection_proves_something(
    failure: Exception, outcome: Outcome
) -> None:
    [result] = await pushed(failure)
    assert result.outcome is outcome


READ_ERRORS: list[tuple[int, Mapping[str, Any] | None, type[ConnectorError]]] = [
    (301, None, Misconfigured),
    (400, errors("INVALID_VALUE"), Misconfigured),
    (400, errors("INVALID_CURSOR"), Retryable),
    (400, errors("API_VERSION_INCOMPATIBLE"), Misconfigured),
    (400, errors("A_CODE_OF_TOMORROW"), Retryable),
    (401, errors("UNAUTHORIZED"), NeedsReauthorization),
    (401, None, NeedsReauthorization),
    (403, errors("INSUFFICIENT_SCOPES"), Misconfigured),
    (403, errors("APPLICATION_DISABLED"), Misconfigured),
    (404, None, Misconfigured),
    (409, errors("CONFLICT"), Retryable),
    (429, errors("RATE_LIMITED"), Throttled),
    (429, None, Throttled),
    (500, None, Retryable),
    (503, errors("SERVICE_UNAVAILABLE"), Retryable),
    (200, errors("SERVICE_UNAVAILABLE"), Retryable),
    (200, None, Retryable),
    (200, {"counts": [{"quantity": 5}]}, Retryable),
]


@pytest.mark.parametrize(("status", "body", "error"), READ_ERRORS)
async def test_a_read_raises_by_what_is_to_be_done(
    status: int, body: Any, error: type[ConnectorError]
) -> None:
    channel = await channel_answering(response_of(status, body))
    with pytest.raises(ConnectorError) as raised:
        await channel.read([LISTING])
    assert isinstance(raised.value, error)


async def test_a_foreign_host_is_refused_before_anything_is_sent() -> None:
    channel = await channel_answering(httpx.Response(200), base_url="https://evil.example")
    with pytest.raises(Misconfigured, match=r"evil\.example"):
        await channel.read([LISTING])
    request = channel.prepare(
        [Change(push_id="p", listing=LISTING, kind=PushKind.RAISE, units=1)], key="k"
    )
    with pytest.raises(Misconfigured, match=r"evil\.example"):
        await channel.push(request)


async def test_no_message_holds_the_token() -> None:
    channel = await channel_answering(response_of(401, None), access_token="very-secret")
    with pytest.raises(NeedsReauthorization) as raised:
        await channel.read([LISTING])
    assert "very-secret" not in str(raised.value)
