"""The simulated seller, judged by Square's own client, which we did not write."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest
from square import AsyncSquare
from square.core.api_error import ApiError
from square.utils.webhooks_helper import verify_signature

from channelsync_square.simulator import SquareSimulator
from channelsync_square.times import iso
from tests.support.square import HOOK_URL, SKUS, Clock

BASE = "http://square.test"


class Desk:
    """A seller, and Square's client on it."""

    def __init__(self, version: str = "2025-08-20") -> None:
        self.clock = Clock()
        self.simulator = SquareSimulator(now=self.clock)
        self.shop = self.simulator.shop
        for sku in SKUS:
            self.shop.add_item(sku, 10)
        self.clock.passes(3_600)
        self.version = version
        self.location = self.simulator.location_id
        http = httpx.AsyncClient(transport=self.simulator.transport())
        self.client = self._client(self.simulator.account.access_token, http)
        self.owner = self._client(self.simulator.account.application_token, http)

    def _client(self, token: str, http: httpx.AsyncClient) -> AsyncSquare:
        return AsyncSquare(token=token, base_url=BASE, version=self.version, httpx_client=http)

    def variation(self, sku: str) -> str:
        return self.simulator.world.variation_of(sku).id

    def count(self, sku: str, units: int, **more: object) -> dict[str, object]:
        counted = {
            "catalog_object_id": self.variation(sku),
            "location_id": self.location,
            "state": "IN_STOCK",
            "quantity": str(units),
            "occurred_at": iso(self.clock.at),
        }
        return {"type": "PHYSICAL_COUNT", "physical_count": counted | more}

    def adjust(self, sku: str, units: int, **more: object) -> dict[str, object]:
        moved = {
            "catalog_object_id": self.variation(sku),
            "from_state": "NONE",
            "to_state": "IN_STOCK",
            "quantity": str(units),
            "occurred_at": iso(self.clock.at),
        }
        if self.version >= "2026-07-15":
            moved |= {"from_location_id": self.location, "to_location_id": self.location}
        else:
            moved["location_id"] = self.location
        return {"type": "ADJUSTMENT", "adjustment": moved | more}

    async def write(self, *changes: dict[str, object], key: str = "k", **more: object) -> object:
        return await self.client.inventory.batch_create_changes(
            idempotency_key=key, changes=list(changes), **more
        )


async def test_the_clients_own_methods_read_locations_and_counts() -> None:
    desk = Desk()
    answer = await desk.client.locations.list()
    assert (answer.locations[0].id, answer.locations[0].status) == (desk.location, "ACTIVE")
    desk.shop.sell({"MUG": 3})
    pager = await desk.client.inventory.batch_get_counts(
        location_ids=[desk.location], states=["IN_STOCK"], limit=2
    )
    counts = {one.catalog_object_id: one.quantity async for one in pager}
    assert counts == {desk.variation("MUG"): "7", **{desk.variation(s): "10" for s in SKUS[1:]}}


@pytest.mark.parametrize("version", ["2025-08-20", "2026-09-16"])
async def test_either_shape_of_an_adjustment_is_taken_in_its_version_alone(version: str) -> None:
    desk = Desk(version)
    await desk.write(desk.adjust("MUG", 4))
    assert desk.shop.shown("MUG") == 14
    other = Desk("2026-09-16" if version < "2026" else "2025-08-20")
    wrong = other.adjust("MUG", 4)
    desk.version = other.version
    with pytest.raises(ApiError) as refused:
        await desk.write(wrong, key="other")
    assert refused.value.status_code == 400


async def test_the_documented_example_of_a_late_sale_that_a_count_absorbs() -> None:
    """Square, "How inventory counts work": 100, 97, an offline sale of 2, counted 90, still 90."""
    desk = Desk()
    desk.shop.count("MUG", 100)
    desk.clock.passes(600)
    await desk.write(desk.adjust("MUG", 3, from_state="IN_STOCK", to_state="SOLD"), key="a")
    assert desk.shop.shown("MUG") == 97
    desk.clock.passes(600)
    desk.shop.sell_offline({"MUG": 2})
    desk.clock.passes(600)
    await desk.write(desk.count("MUG", 90), key="b")
    desk.clock.passes(300)
    desk.shop.upload()
    assert desk.shop.shown("MUG") == 90
    desk.clock.passes(300)
    await desk.write(desk.adjust("MUG", 2, from_state="IN_STOCK", to_state="WASTE"), key="c")
    assert desk.shop.shown("MUG") == 88


async def test_a_count_as_of_an_earlier_time_keeps_what_was_sold_since() -> None:
    desk = Desk()
    as_of = iso(desk.clock.at)
    desk.clock.passes(600)
    desk.shop.sell({"MUG": 2})
    await desk.write(desk.count("MUG", 50, occurred_at=as_of), ignore_unchanged_counts=False)
    assert desk.shop.shown("MUG") == 48


async def test_an_unchanged_count_does_not_move_the_time_unless_asked() -> None:
    for ignored, shown in ((True, 8), (False, 10)):
        desk = Desk()
        desk.shop.sell_offline({"MUG": 2})
        desk.clock.passes(600)
        await desk.write(desk.count("MUG", 10), ignore_unchanged_counts=ignored)
        desk.clock.passes(60)
        desk.shop.upload()
        assert desk.shop.shown("MUG") == shown


async def test_one_key_applies_once_and_other_bytes_under_it_are_refused() -> None:
    desk = Desk()
    change = desk.adjust("MUG", 4)
    for _ in range(3):
        await desk.write(change)
    assert desk.shop.shown("MUG") == 14
    with pytest.raises(ApiError) as refused:
        await desk.write(desk.adjust("MUG", 5))
    assert [error.code for error in refused.value.errors] == ["IDEMPOTENCY_KEY_REUSED"]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"occurred_at": "2026-11-20T11:59:59Z"}, "INVALID_TIME"),
        ({"occurred_at": "2026-11-21T13:00:01Z"}, "INVALID_TIME"),
        ({"to_state": "RESERVED_FOR_SALE"}, "INVALID_ENUM_VALUE"),
        ({"quantity": "-1"}, "VALUE_TOO_LOW"),
        ({"quantity": "1.123456"}, "INVALID_VALUE"),
        ({"catalog_object_id": "nothing"}, "NOT_FOUND"),
        ({"location_id": "nowhere"}, "INVALID_VALUE"),
    ],
)
async def test_a_change_that_square_does_not_take_applies_nothing_of_its_batch(
    more: dict[str, object], code: str
) -> None:
    desk = Desk()
    with pytest.raises(ApiError) as refused:
        await desk.write(desk.adjust("MUG", 4), desk.adjust("CUP", 4, **more))
    assert [error.code for error in refused.value.errors] == [code]
    assert refused.value.errors[0].field.startswith("changes[1].")
    assert desk.shop.shown("MUG") == 10


async def test_more_than_a_hundred_changes_are_refused() -> None:
    desk = Desk()
    with pytest.raises(ApiError):
        await desk.write(*(desk.adjust("MUG", 1) for _ in range(101)))


async def test_the_ledger_is_ordered_by_occurrence_and_filtered_by_arrival() -> None:
    desk = Desk()
    desk.shop.sell_offline({"MUG": 1})
    desk.clock.passes(3_600)
    desk.shop.sell({"CUP": 1})
    desk.clock.passes(3_600)
    after = iso(desk.clock.at - 60)
    desk.shop.upload()
    everything = [one async for one in await desk.client.inventory.batch_get_changes(limit=2)]
    occurred = [(one.adjustment or one.physical_count).occurred_at for one in everything]
    assert (len(occurred), occurred) == (5, sorted(occurred))
    late = [one async for one in await desk.client.inventory.batch_get_changes(updated_after=after)]
    assert [one.adjustment.catalog_object_id for one in late] == [desk.variation("MUG")]


async def test_the_catalogue_is_searched_without_case_as_square_does() -> None:
    desk = Desk()
    desk.shop.add_item("mug", 1)
    answer = await desk.client.catalog.search(
        object_types=["ITEM_VARIATION"],
        query={"set_query": {"attribute_name": "sku", "attribute_values": ["Mug"]}},
    )
    assert sorted(one.item_variation_data.sku for one in answer.objects) == ["MUG", "mug"]
    batch = await desk.client.catalog.batch_get(
        object_ids=[desk.variation("CUP"), "nothing"], include_related_objects=True
    )
    assert [one.item_variation_data.sku for one in batch.objects] == ["CUP"]
    assert [one.type for one in batch.related_objects] == ["ITEM"]


async def test_orders_are_searched_by_change_and_sorted_as_filtered() -> None:
    desk = Desk()
    first = desk.shop.sell({"MUG": 1})
    desk.clock.passes(600)
    second = desk.shop.order_online("CUP")
    query = {
        "filter": {"date_time_filter": {"updated_at": {"start_at": iso(desk.clock.at - 60)}}},
        "sort": {"sort_field": "UPDATED_AT", "sort_order": "ASC"},
    }
    found = await desk.client.orders.search(location_ids=[desk.location], query=query)
    assert [one.id for one in found.orders] == [second]
    both = await desk.client.orders.batch_get(order_ids=[first, "nothing", second])
    assert [(one.id, one.state) for one in both.orders] == [(first, "COMPLETED"), (second, "OPEN")]
    wrong = query | {"sort": {"sort_field": "CREATED_AT"}}
    with pytest.raises(ApiError):
        await desk.client.orders.search(location_ids=[desk.location], query=wrong)


async def test_missing_rights_and_revoked_tokens_are_refused_in_words_the_client_knows() -> None:
    desk = Desk()
    desk.simulator.account.scopes.discard("ORDERS_READ")
    with pytest.raises(ApiError) as refused:
        await desk.client.orders.search(location_ids=[desk.location])
    assert (refused.value.status_code, refused.value.errors[0].code) == (403, "INSUFFICIENT_SCOPES")
    desk.simulator.account.revoked = True
    with pytest.raises(ApiError) as revoked:
        await desk.client.locations.list()
    assert revoked.value.status_code == 401


# ------------------------------------------------------------------ webhooks


async def subscribed(desk: Desk, *types: str) -> str:
    made = await desk.owner.webhooks.subscriptions.create(
        idempotency_key="hook",
        subscription={"name": "n", "event_types": list(types), "notification_url": HOOK_URL},
    )
    key: str = made.subscription.signature_key
    return key


async def test_deliveries_are_signed_as_squares_own_verifier_has_it() -> None:
    desk = Desk()
    key = await subscribed(desk, "inventory.count.updated")
    desk.shop.sell({"MUG": 1})
    [(url, body, headers)] = desk.simulator.deliveries.pending_requests()
    signature = headers["x-square-hmacsha256-signature"]
    for address, good in ((url, True), (url + "/", False)):
        assert good is verify_signature(
            request_body=body.decode(),
            signature_header=signature,
            signature_key=key,
            notification_url=address,
        )


async def test_a_sale_at_the_till_publishes_no_order_and_an_online_order_does() -> None:
    desk = Desk()
    types = ("order.created", "payment.created", "payment.updated", "inventory.count.updated")
    await subscribed(desk, *types)
    told = [told_types(desk, lambda: desk.shop.sell({"MUG": 1}))]
    told.append(told_types(desk, lambda: desk.shop.order_online("MUG")))
    assert told == [
        ["inventory.count.updated", "payment.created", "payment.updated"],
        ["inventory.count.updated", "order.created"],
    ]


def told_types(desk: Desk, happens: Callable[[], object]) -> list[str]:
    happens()
    requests = desk.simulator.deliveries.pending_requests()
    return sorted(json.loads(body)["type"] for _, body, _ in requests)


async def test_deliveries_are_repeated_for_a_day_and_then_dropped() -> None:
    desk = Desk()
    await subscribed(desk, "inventory.count.updated")
    tries = 0

    def refuse(request: httpx.Request) -> httpx.Response:
        nonlocal tries
        tries += 1
        return httpx.Response(500 if tries < 4 else 302)

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as client:
        desk.simulator.deliveries.client = client
        desk.shop.sell({"MUG": 1})
        assert await desk.simulator.deliveries.drain() == 0
    assert tries == len(desk.simulator.deliveries.pauses) + 1
    assert sum(desk.simulator.deliveries.pauses) <= 86_400
    assert desk.simulator.faults.injected == {"delivery_dropped": 1}


async def test_subscriptions_are_the_applications_and_not_the_sellers() -> None:
    desk = Desk()
    await subscribed(desk, "order.created")
    listed = [one async for one in await desk.owner.webhooks.subscriptions.list()]
    assert [one.notification_url for one in listed] == [HOOK_URL]
    tested = await desk.owner.webhooks.subscriptions.test(subscription_id=listed[0].id)
    assert tested.subscription_test_result.status_code == 200
    assert desk.simulator.deliveries.waiting == 1
    await desk.owner.webhooks.subscriptions.delete(subscription_id=listed[0].id)
    assert desk.simulator.world.subscriptions == {}
    with pytest.raises(ApiError) as refused:
        await desk.client.webhooks.subscriptions.create(
            subscription={"name": "n", "notification_url": HOOK_URL}
        )
    assert refused.value.status_code == 401
