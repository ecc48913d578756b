"""What each answer of Shopify's proves of a push. Every row of the tables is asked for."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import respx

from channelsync.sdk.errors import Misconfigured, NeedsReauthorization
from channelsync.sdk.types import Change, ChangeResult, Outcome, PushKind
from channelsync_shopify.answers import HTTP_REFUSALS, TOP_LEVEL, USER_ERRORS
from tests.support.shopify import Clock
from tests.unit.shopify import scripted
from tests.unit.shopify.scripted import GRAPHQL, TOKEN

REFUSED, UNKNOWN, UNSENT = Outcome.REFUSED, Outcome.UNKNOWN, Outcome.UNSENT

BY_CODE = {
    "CHANGE_FROM_QUANTITY_STALE": (REFUSED, "stale"),
    "COMPARE_QUANTITY_STALE": (REFUSED, "stale"),
    "IDEMPOTENCY_CONCURRENT_REQUEST": (UNKNOWN, ""),
    "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED": (REFUSED, ""),
    "IDEMPOTENCY_KEY_PARAMETER_MISMATCH": (REFUSED, ""),
    "INVALID_INVENTORY_ITEM": (REFUSED, "unfit"),
    "INVALID_LOCATION": (REFUSED, "unfit"),
    "NON_MUTABLE_INVENTORY_ITEM": (REFUSED, "unfit"),
    "ITEM_NOT_STOCKED_AT_LOCATION": (REFUSED, "unfit"),
    "INVALID_NAME": (REFUSED, ""),
    "INVALID_REASON": (REFUSED, ""),
    "INVALID_REFERENCE_DOCUMENT": (REFUSED, ""),
    "INVALID_QUANTITY_NEGATIVE": (REFUSED, ""),
    "INVALID_QUANTITY_TOO_HIGH": (REFUSED, ""),
    "INVALID_QUANTITY_TOO_LOW": (REFUSED, ""),
    "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR": (REFUSED, ""),
    "COMPARE_QUANTITY_REQUIRED": (REFUSED, ""),
    "SERVICE_UNAVAILABLE": (UNKNOWN, ""),
    "ADJUST_QUANTITIES_FAILED": (UNKNOWN, ""),
    "INVALID_QUANTITY_NAME": (REFUSED, ""),
    "INVALID_LEDGER_DOCUMENT": (REFUSED, ""),
    "INTERNAL_LEDGER_DOCUMENT": (REFUSED, ""),
    "INVALID_AVAILABLE_DOCUMENT": (REFUSED, ""),
    "INVALID_QUANTITY_DOCUMENT": (REFUSED, ""),
    "MAX_ONE_LEDGER_DOCUMENT": (REFUSED, ""),
}

BY_TOP_LEVEL_CODE = {
    "THROTTLED": UNKNOWN,
    "INTERNAL_SERVER_ERROR": UNKNOWN,
    "TIMEOUT": UNKNOWN,
    "SHOP_INACTIVE": UNKNOWN,
    "ACCESS_DENIED": REFUSED,
    "MAX_COST_EXCEEDED": REFUSED,
    "BAD_REQUEST": REFUSED,
    "INVALID_FIELD_ARGUMENTS": REFUSED,
    "INVALID_VARIABLE": REFUSED,
    "argumentLiteralsIncompatible": REFUSED,
    "argumentNotAccepted": REFUSED,
    "missingRequiredArguments": REFUSED,
    "missingRequiredInputObjectAttribute": REFUSED,
    "undefinedDirective": REFUSED,
    "undefinedField": REFUSED,
    "undefinedType": REFUSED,
}


async def results_of(answer: httpx.Response | Exception, count: int = 1) -> list[ChangeResult]:
    router = respx.MockRouter()
    route = router.post(GRAPHQL)
    if isinstance(answer, Exception):
        route.mock(side_effect=answer)
    else:
        route.mock(return_value=answer)
    channel = await scripted.open_channel(router)
    results = list(await channel.push(scripted.cuts(channel, count)))
    assert [one.push_id for one in results] == [f"push-{n}" for n in range(1, count + 1)]
    return results


async def results_of_json(answer: Any, count: int = 1) -> list[ChangeResult]:
    return await results_of(httpx.Response(200, json=answer), count)


def test_the_tables_hold_no_row_that_is_not_asked_for_here() -> None:
    assert BY_CODE.keys() == USER_ERRORS.keys()
    assert BY_TOP_LEVEL_CODE.keys() == TOP_LEVEL.keys()


@pytest.mark.parametrize("code", BY_CODE)
async def test_a_user_error_means_what_its_row_says(code: str) -> None:
    outcome, mark = BY_CODE[code]
    [result] = await results_of_json(scripted.set_answer(scripted.user_error(code)))
    assert result.outcome is outcome
    assert result.stale is (mark == "stale")
    assert (result.refuse_listing is not None) is (mark == "unfit")
    assert code in result.reason
    assert (result.after_seconds is not None) is (outcome is UNKNOWN)


@pytest.mark.parametrize("code", BY_CODE)
async def test_only_the_named_entries_of_a_refused_batch_bear_its_mark(code: str) -> None:
    outcome, mark = BY_CODE[code]
    answer = scripted.set_answer(scripted.user_error(code, 1))
    results = await results_of_json(answer, count=3)
    assert {one.outcome for one in results} == {outcome}
    marked = [bool(one.stale or one.refuse_listing) for one in results]
    assert marked == [False, bool(mark), False]
    if outcome is REFUSED:
        assert [one.reason for one in results][::2] == ["batch refused"] * 2


async def test_a_stale_batch_that_names_nobody_is_refused_without_a_mark() -> None:
    answer = scripted.set_answer(scripted.user_error("CHANGE_FROM_QUANTITY_STALE", None))
    results = await results_of_json(answer, count=2)
    assert [(one.outcome, one.stale) for one in results] == [(REFUSED, False)] * 2
    [alone] = await results_of_json(answer)
    assert (alone.outcome, alone.stale) == (REFUSED, True)


async def test_two_stale_entries_are_both_called_stale() -> None:
    code = "CHANGE_FROM_QUANTITY_STALE"
    answer = scripted.set_answer(scripted.user_error(code, 0), scripted.user_error(code, 2))
    results = await results_of_json(answer, count=3)
    assert [one.stale for one in results] == [True, False, True]


async def test_one_undecided_error_leaves_the_whole_batch_undecided() -> None:
    answer = scripted.set_answer(
        scripted.user_error("CHANGE_FROM_QUANTITY_STALE", 0),
        scripted.user_error("SERVICE_UNAVAILABLE", None),
    )
    results = await results_of_json(answer, count=2)
    assert {one.outcome for one in results} == {UNKNOWN}
    assert not any(one.stale for one in results)


@pytest.mark.parametrize("code", ["A_CODE_OF_TOMORROW", None, ""])
async def test_an_unheard_of_user_error_proves_nothing(code: str | None) -> None:
    [result] = await results_of_json(scripted.set_answer(scripted.user_error(code)))
    assert result.outcome is UNKNOWN


async def test_an_answer_without_errors_applied_everything() -> None:
    results = await results_of_json(scripted.set_answer(), count=3)
    assert {one.outcome for one in results} == {Outcome.APPLIED}
    # The quantities of a replayed answer may be newer than the write: they are not passed on.
    assert {one.actual for one in results} == {None}


@pytest.mark.parametrize("code", BY_TOP_LEVEL_CODE)
async def test_a_top_level_error_means_what_its_row_says(code: str) -> None:
    results = await results_of_json(scripted.top_level(code), count=2)
    assert {one.outcome for one in results} == {BY_TOP_LEVEL_CODE[code]}
    assert all(code in one.reason for one in results)


async def test_throttling_waits_for_what_is_missing_in_the_bucket() -> None:
    [result] = await results_of_json(scripted.top_level("THROTTLED"))
    assert result.after_seconds == pytest.approx(2.0)


@pytest.mark.parametrize("code", ["CODE_OF_TOMORROW", None])
async def test_an_unheard_of_top_level_error_proves_nothing(code: str | None) -> None:
    [result] = await results_of_json(scripted.top_level(code))
    assert result.outcome is UNKNOWN


async def test_an_undecided_error_beside_a_refusing_one_decides() -> None:
    answer = scripted.top_level("BAD_REQUEST")
    answer["errors"] += scripted.top_level("INTERNAL_SERVER_ERROR")["errors"]
    [result] = await results_of_json(answer)
    assert result.outcome is UNKNOWN


async def test_a_refusal_beside_a_payload_proves_nothing() -> None:
    [result] = await results_of_json(scripted.set_answer() | scripted.top_level("ACCESS_DENIED"))
    assert result.outcome is UNKNOWN


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        {"data": None},
        {"data": {"inventorySetQuantities": None}},
        {"data": {"inventorySetQuantities": {"inventoryAdjustmentGroup": None}}},
        {"data": {"inventorySetQuantities": {"userErrors": None}}},
        {"data": {"inventorySetQuantities": {"userErrors": ["no object"]}}},
        {"data": {"inventoryAdjustQuantities": {"userErrors": []}}},
        {"errors": "words instead of a list"},
        {"errors": ["words instead of an object"]},
    ],
)
async def test_an_unexpected_shape_proves_nothing(answer: Any) -> None:
    results = await results_of_json(answer, count=2)
    assert {one.outcome for one in results} == {UNKNOWN}


async def test_an_answer_that_is_no_json_proves_nothing() -> None:
    [result] = await results_of(httpx.Response(200, text="<html>maintenance</html>"))
    assert result.outcome is UNKNOWN


@pytest.mark.parametrize("status", [*HTTP_REFUSALS, 302, 418, 500, 502, 504])
async def test_no_status_but_200_proves_anything(status: int) -> None:
    [result] = await results_of(httpx.Response(status, json={"errors": "no"}))
    assert result.outcome is UNKNOWN
    assert str(status) in result.reason


@pytest.mark.parametrize(("given", "wait"), [("7", 7.0), ("7.5", 7.5), ("soon", 2.0), ("-1", 0.0)])
async def test_a_retry_after_is_heeded(given: str, wait: float) -> None:
    [result] = await results_of(httpx.Response(429, headers={"Retry-After": given}))
    assert result.after_seconds == wait


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (httpx.ConnectError("refused"), UNSENT),
        (httpx.ConnectTimeout("slow"), UNSENT),
        (httpx.PoolTimeout("busy"), UNSENT),
        (httpx.ReadTimeout("slow"), UNKNOWN),
        (httpx.WriteTimeout("slow"), UNKNOWN),
        (httpx.ReadError("reset"), UNKNOWN),
        (httpx.WriteError("reset"), UNKNOWN),
        (httpx.RemoteProtocolError("cut off"), UNKNOWN),
    ],
)
async def test_only_a_connection_that_never_stood_proves_that_nothing_left(
    error: Exception, outcome: Outcome
) -> None:
    results = await results_of(error, count=2)
    assert {one.outcome for one in results} == {outcome}


async def test_a_huge_or_compressed_answer_proves_nothing() -> None:
    answer = httpx.Response(200, headers={"Content-Encoding": "gzip"}, content=b"\x1f\x8b")
    [result] = await results_of(httpx.Response(200, headers=answer.headers, stream=answer.stream))
    assert result.outcome is UNKNOWN


async def test_the_token_never_goes_to_another_host() -> None:
    router = respx.MockRouter(assert_all_called=False)
    other = router.post(url__startswith="https://evil.example")
    channel = await scripted.open_channel(
        router, access_token="shpat_1", base_url="https://evil.example"
    )
    with pytest.raises(Misconfigured, match=r"evil\.example"):
        await channel.push(scripted.cuts(channel, 1))
    assert not other.called


async def test_a_permanent_token_that_was_refused_is_not_tried_again_at_once() -> None:
    clock = Clock()
    router = respx.MockRouter()
    route = router.post(GRAPHQL).mock(return_value=httpx.Response(401))
    channel = await scripted.open_channel(router, clock, access_token="shpat_1")
    [first] = await channel.push(scripted.cuts(channel, 1))
    assert first.outcome is UNKNOWN
    with pytest.raises(NeedsReauthorization):
        await channel.push(scripted.cuts(channel, 1))
    assert route.call_count == 1
    clock.passes(61)
    await channel.push(scripted.cuts(channel, 1))
    assert route.call_count == 2


async def test_no_token_means_that_nothing_left_us() -> None:
    router = respx.MockRouter(assert_all_called=False)
    router.post(TOKEN).mock(return_value=httpx.Response(503))
    pushed = router.post(GRAPHQL)
    channel = await scripted.open_channel(router, client_id="id", client_secret="secret")
    [result] = await channel.push(scripted.cuts(channel, 1))
    assert result.outcome is UNSENT
    assert not pushed.called


async def test_a_refused_client_needs_a_person_and_nothing_left_us() -> None:
    router = respx.MockRouter()
    refused = httpx.Response(400, json={"error": "shop_not_permitted"})
    router.post(TOKEN).mock(return_value=refused)
    channel = await scripted.open_channel(router, client_id="id", client_secret="secret")
    with pytest.raises(NeedsReauthorization, match="shop_not_permitted"):
        await channel.push(scripted.cuts(channel, 1))


def change(kind: PushKind, units: int, compare: int | None = None) -> Change:
    return Change(
        push_id="push-1", listing=scripted.listing(1), kind=kind, units=units, compare=compare
    )


@pytest.mark.parametrize(
    "changes",
    [
        [],
        [scripted.raised(number) for number in range(251)],
        [scripted.raised(1), scripted.raised(1)],
        [scripted.raised(1), scripted.cut(2)],
        [change(PushKind.CUT, 1)],
        [change(PushKind.SET, 3)],
        [change(PushKind.ZERO, 0)],
        [change(PushKind.RAISE, 0)],
    ],
)
async def test_what_cannot_be_one_request_is_refused(changes: list[Change]) -> None:
    channel = await scripted.open_channel(respx.MockRouter())
    with pytest.raises(ValueError, match=r"."):
        channel.prepare(changes, key="key")


async def test_the_same_changes_and_key_are_the_same_bytes() -> None:
    channel = await scripted.open_channel(respx.MockRouter())
    first, second = (scripted.cuts(channel, 250) for _ in range(2))
    assert first == second
    assert first.push_ids == tuple(f"push-{number}" for number in range(1, 251))
    assert channel.prepare([scripted.cut(1)], key="other").body != first.body
