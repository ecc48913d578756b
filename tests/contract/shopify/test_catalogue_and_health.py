"""Discovery, subscriptions and the channel's test of itself, against the simulated shop."""

from __future__ import annotations

import pytest

from channelsync.sdk import connector as capabilities
from channelsync.sdk.errors import Misconfigured
from channelsync.sdk.types import Assumption, CheckResult, RemoteListing
from channelsync_shopify import connector
from channelsync_shopify.settings import ShopifySettings
from channelsync_shopify.simulator import SCOPES
from channelsync_shopify.webhooks import TOPICS
from tests.support.shopify import HOOK_URL, Bench, open_bench


@pytest.fixture
async def bench() -> Bench:
    return await open_bench()


async def offers(bench: Bench) -> dict[str, RemoteListing]:
    return {one.external["variant_id"]: one async for one in bench.channel.listings()}


async def refusal_of(bench: Bench, sku: str) -> str:
    [found] = [one async for one in bench.channel.listings() if one.sku == sku]
    return found.refused or ""


def test_the_connector_declares_what_its_channel_can_do() -> None:
    manifest = connector.manifest
    assert manifest.name == "shopify"
    assert manifest.settings_model is ShopifySettings
    assert (manifest.batch_size, manifest.batch_atomic) == (250, True)
    assert manifest.raises_without_compare
    assert (manifest.key_life_seconds, manifest.quarantine_seconds) == (86_400, 1_800)


async def test_a_channel_has_every_capability_that_its_semantics_need(bench: Bench) -> None:
    channel = bench.channel
    for capability in (
        capabilities.Pushes,
        capabilities.Reads,
        capabilities.FetchesOrders,
        capabilities.Discovers,
        capabilities.ReceivesWebhooks,
        capabilities.Subscribes,
        capabilities.TestsItself,
    ):
        assert isinstance(channel, capability)
    await channel.close()


async def test_a_fit_offer_is_found_with_its_identifiers_and_number(bench: Bench) -> None:
    bench.shop.add_item("MUG", 7, title="A mug")
    [found] = (await offers(bench)).values()
    assert (found.sku, found.quantity, found.title, found.refused) == ("MUG", 7, "A mug", None)
    assert found.external == bench.listing("MUG").external


async def test_offers_are_paged(bench: Bench) -> None:
    for number in range(230):
        bench.shop.add_item(f"SKU-{number}", 1)
    assert len(await offers(bench)) == 230


async def test_unfit_offers_are_listed_with_the_reason(bench: Bench) -> None:
    shop = bench.shop
    attic = shop.add_location("Attic", online=False)
    shop.add_item("CONTINUES", 1)
    shop.set_policy("CONTINUES", "CONTINUE")
    shop.add_item("UNTRACKED", 1, tracked=False)
    shop.add_item("BUNDLE", 1).variants[0].bundle = True
    shop.add_item("INACTIVE", 1)
    shop.deactivate("INACTIVE")
    shop.add_item("ELSEWHERE", 1, location=attic)
    shop.add_item("TWICE", 1)
    shop.add_item("TWICE", 1)
    shop.add_item(None, 1)
    for sku, word in (
        ("CONTINUES", "out of stock"),
        ("UNTRACKED", "not track"),
        ("BUNDLE", "components"),
        ("INACTIVE", "not active"),
        ("ELSEWHERE", "never stocked"),
        ("", "no SKU"),
    ):
        assert word in await refusal_of(bench, sku)
    twins = [one async for one in bench.channel.listings() if one.sku == "TWICE"]
    assert len(twins) == 2
    assert all("2 inventory items share the SKU 'TWICE'" in (one.refused or "") for one in twins)


async def test_skus_that_differ_in_case_are_two(bench: Bench) -> None:
    bench.shop.add_item("mug", 1)
    bench.shop.add_item("MUG", 1)
    assert [one.refused for one in (await offers(bench)).values()] == [None, None]


async def test_variants_that_share_one_counter_are_one_listing(bench: Bench) -> None:
    item = bench.shop.add_item("MUG", 3)
    second = bench.shop.add_variant(item)
    [found] = (await offers(bench)).values()
    assert found.refused is None
    second.policy = "CONTINUE"
    assert "out of stock" in await refusal_of(bench, "MUG")


async def test_a_catalogue_larger_than_the_budget_is_walked_to_its_end(bench: Bench) -> None:
    for number in range(350):
        bench.shop.add_item(f"SKU-{number}", 1)
    bucket = bench.simulator.server.bucket
    bucket.take(bucket.maximum)
    began = bench.clock()
    assert len(await offers(bench)) == 350
    assert bench.clock() > began


async def test_every_topic_is_subscribed_once(bench: Bench) -> None:
    report = await bench.channel.ensure_subscriptions(HOOK_URL)
    assert set(report.created) == set(TOPICS)
    hooks = bench.simulator.world.subscriptions.values()
    assert sorted(hook.topic for hook in hooks) == sorted(
        topic.replace("/", "_").upper() for topic in TOPICS
    )
    assert {hook.uri for hook in hooks} == {HOOK_URL}
    assert all(len(hook.name or "") <= 50 for hook in hooks)
    again = await bench.channel.ensure_subscriptions(HOOK_URL)
    assert (set(again.kept), again.created, again.removed) == (set(TOPICS), (), ())


async def test_lost_subscriptions_are_mended_and_moved_ones_removed(bench: Bench) -> None:
    await bench.channel.ensure_subscriptions("https://old.example.com/hook")
    hooks = bench.simulator.world.subscriptions
    for number in list(hooks)[:5]:
        del hooks[number]
    report = await bench.channel.ensure_subscriptions(HOOK_URL)
    assert set(report.created) == set(TOPICS)
    assert len(report.removed) == len(TOPICS) - 5
    assert {hook.uri for hook in hooks.values()} == {HOOK_URL}


async def test_anothers_subscriptions_are_left_alone(bench: Bench) -> None:
    other = await open_bench()
    await other.channel.ensure_subscriptions("https://elsewhere.example.com/hook")
    [foreign, *_] = other.simulator.world.subscriptions.values()
    foreign.name = "cs-warehouse-orders-create"
    bench.simulator.world.subscriptions[foreign.number] = foreign
    report = await bench.channel.ensure_subscriptions(HOOK_URL)
    assert report.removed == ()
    assert foreign.number in bench.simulator.world.subscriptions


async def test_an_address_that_shopify_refuses_is_said(bench: Bench) -> None:
    with pytest.raises(Misconfigured, match="Address is invalid"):
        await bench.channel.ensure_subscriptions("sync.example.com/hook")


async def checks(bench: Bench) -> dict[str, CheckResult]:
    return {one.name: one for one in await bench.channel.test()}


async def test_a_sound_channel_passes_its_own_test(bench: Bench) -> None:
    results = await checks(bench)
    assert all(one.ok for one in results.values())
    assert "60 days" in results["old orders"].message
    assert "Main warehouse" in results["location"].message


async def test_missing_rights_are_named() -> None:
    bench = await open_bench(scopes=SCOPES - {"read_orders", "write_inventory"})
    rights = (await checks(bench))["rights"]
    assert not rights.ok
    assert "read_orders" in rights.message
    assert "write_inventory" in rights.message
    findings = {one.assumption: one for one in await bench.channel.check_assumptions()}
    assert not findings[Assumption.FEED_COMPLETE].holds
    assert findings[Assumption.READS_BACK].holds


async def test_a_right_to_write_includes_the_right_to_read() -> None:
    bench = await open_bench(scopes=(SCOPES - {"read_inventory"}))
    assert (await checks(bench))["rights"].ok


async def test_a_wrong_location_is_answered_with_the_right_ones() -> None:
    bench = await open_bench(location_id="99")
    location = (await checks(bench))["location"]
    assert not location.ok
    assert f"Main warehouse ({bench.simulator.location_id})" in location.message


@pytest.mark.parametrize("what", ["active", "online"])
async def test_a_location_that_sells_nothing_is_said(bench: Bench, what: str) -> None:
    setattr(bench.simulator.location, what, False)
    assert not (await checks(bench))["location"].ok
    findings = {one.assumption: one for one in await bench.channel.check_assumptions()}
    assert not findings[Assumption.ENFORCES].holds


async def test_other_locations_that_sell_are_pointed_out(bench: Bench) -> None:
    bench.shop.add_location("Second warehouse")
    assert "Second warehouse" in (await checks(bench))["other locations"].message


async def test_an_unreachable_shop_fails_its_checks_and_raises_nothing(bench: Bench) -> None:
    bench.simulator.faults.offline = True
    results = await checks(bench)
    assert not results["connection"].ok
    assert not results["location"].ok


async def test_a_retired_version_is_noticed_by_its_answers(bench: Bench) -> None:
    bench.simulator.server.versions = ("2027-01", "2027-04")
    version = (await checks(bench))["version"]
    assert not version.ok
    assert "2027-01 instead of 2026-10" in version.message


async def test_another_shops_answers_are_noticed(bench: Bench) -> None:
    bench.simulator.world.shop = "other.myshopify.com"
    assert not (await checks(bench))["connection"].ok
