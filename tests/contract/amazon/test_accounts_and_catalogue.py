"""Tokens, roles, plans and the catalogue, against a simulated account."""

from __future__ import annotations

import asyncio

import pytest

from channelsync.sdk.errors import Misconfigured, NeedsReauthorization, Resting, Retryable
from channelsync_amazon.buckets import Plan
from channelsync_amazon.connector import MANIFEST
from tests.support.amazon import MORNING, open_bench, stocked

DE, FR = "A1PA6795UKMFR9", "A13V1IB3VIYZZH"


async def test_many_calls_fetch_one_token() -> None:
    bench = await stocked("MUG", unlimited=True)
    await asyncio.gather(*(bench.read("MUG") for _ in range(8)))
    assert bench.simulator.account.issued == 1


async def test_a_token_is_renewed_before_its_hour_is_over() -> None:
    bench = await stocked("MUG")
    await bench.read("MUG")
    bench.clock.passes(3_600 - 59)
    await bench.read("MUG")
    assert bench.simulator.account.issued == 2
    assert all(call.status == 200 for call in bench.simulator.server.calls)


async def test_a_token_that_expired_early_is_renewed_and_the_read_made_again() -> None:
    bench = await stocked("MUG")
    await bench.read("MUG")
    bench.simulator.account.expire_tokens()
    bench.clock.passes(31)
    assert (await bench.read("MUG")).quantity == 40
    statuses = [call.status for call in bench.simulator.server.calls]
    assert statuses == [200, 403, 200]


async def test_a_read_without_its_role_names_the_role() -> None:
    bench = await stocked("MUG")
    bench.simulator.account.roles.clear()
    with pytest.raises(NeedsReauthorization, match="Product Listing"):
        await bench.read("MUG")
    with pytest.raises(NeedsReauthorization, match="Inventory and Order Tracking"):
        await bench.facts(MORNING)


async def test_a_withdrawn_authorisation_needs_a_person() -> None:
    bench = await stocked("MUG")
    bench.simulator.account.revoked = True
    with pytest.raises(NeedsReauthorization, match="invalid_grant"):
        await bench.read("MUG")


async def test_an_unreachable_amazon_is_retried_later() -> None:
    bench = await stocked("MUG")
    bench.simulator.faults.offline = True
    with pytest.raises(Retryable, match="could not be reached"):
        await bench.read("MUG")


async def test_the_rate_that_amazon_grants_is_learnt_from_its_answers() -> None:
    bench = await stocked("MUG")
    bench.simulator.quota.set_plan("searchListingsItems", Plan(0.5, 5))
    for _ in range(7):
        await bench.read("MUG")
    began = bench.clock()
    await bench.read("MUG")
    assert bench.clock() - began >= 1.9
    assert all(call.status == 200 for call in bench.simulator.server.calls)


async def test_a_spent_plan_of_searches_rests_and_is_no_failure() -> None:
    bench = await stocked("MUG")
    cursor = bench.channel.first_cursor(MORNING)
    for _ in range(20):
        cursor = (await bench.channel.orders_since(cursor)).cursor
    with pytest.raises(Resting) as rest:
        await bench.channel.orders_since(cursor)
    assert 100 < rest.value.after_seconds < 200
    assert all(call.status == 200 for call in bench.simulator.server.calls)


# ------------------------------------------------------------------ catalogue


async def test_every_offer_is_found_past_the_end_of_paging() -> None:
    bench = await open_bench(unlimited=True)
    for number in range(2_150):
        bench.seller.add_offer(f"SKU-{number:04}", 1, created_at=MORNING - 9_000 + number // 3)
    assert len(await bench.offers()) == 2_150


async def test_more_offers_of_one_second_than_a_search_tells_are_said_not_lost() -> None:
    bench = await open_bench(unlimited=True)
    for number in range(1_050):
        bench.seller.add_offer(f"SKU-{number:04}", 1, created_at=MORNING - 5)
    with pytest.raises(Misconfigured, match="created in one second"):
        await bench.offers()


async def test_a_sku_in_two_marketplaces_is_one_offer_with_one_number() -> None:
    bench = await open_bench(marketplaces=(DE, FR))
    bench.seller.add_offer("MUG", 7)
    bench.seller.add_offer("FRENCH", 3, marketplaces=(FR,))
    offers = await bench.offers()
    assert {sku: one.quantity for sku, one in offers.items()} == {"MUG": 7, "FRENCH": 3}
    assert offers["FRENCH"].external["marketplace_id"] == FR
    assert not any(one.refused for one in offers.values())


# ------------------------------------------------------------------ self test


async def test_a_healthy_account_passes_every_check() -> None:
    bench = await stocked("MUG")
    results = await bench.channel.test()
    assert [one.name for one in results if not one.ok] == []
    assert {one.name for one in results} >= {"credentials", "marketplaces", "listings", "orders"}
    assert all(finding.holds for finding in await bench.channel.check_assumptions())


async def test_what_is_wrong_is_said_check_by_check() -> None:
    bench = await stocked("MUG", marketplace_ids=[FR])
    bench.simulator.account.roles.discard("orders")
    results = {one.name: one for one in await bench.channel.test()}
    assert results["credentials"].ok
    assert FR in results["marketplaces"].message
    assert "Inventory and Order Tracking" in results["orders"].message
    [finding] = await bench.channel.check_assumptions()
    assert not finding.holds


async def test_the_manifest_says_what_amazon_promises() -> None:
    assert MANIFEST.push_semantics == "absolute"
    assert not MANIFEST.confirms_at_once
    assert MANIFEST.apply_limit_seconds >= 600
