"""Ways to tell orders, webhooks and batches wrongly."""

from __future__ import annotations

import logging
from typing import Any

from msgspec.structs import replace

from channelsync.sdk.errors import BadDelivery, Retryable, Unauthentic
from channelsync.sdk.types import CancelEffect, OrderPage, SubscriptionReport

__all__ = [
    "believes_everybody",
    "dates_sales_by_its_own_clock",
    "drops_a_fact",
    "fails_in_its_own_words",
    "forgets_cancels_by_id",
    "gives_each_copy_its_own_key",
    "gives_everything_one_key",
    "keeps_the_whole_body",
    "leaves_old_subscriptions",
    "lets_anybody_post",
    "logs_the_body",
    "looks_at_young_orders_only",
    "numbers_rows_by_the_clock",
    "overlooks_voids",
    "parses_by_the_clock",
    "parses_in_its_own_words",
    "passes_over_failures",
    "quotes_the_body",
    "quotes_the_row",
    "runs_ahead",
    "says_never_relisted",
    "shows_nothing",
    "subscribes_once",
    "tells_each_fact_once",
    "tells_what_is_left",
    "thinks_nothing_was_shipped",
]

LONG_SECONDS = 86_400.0


def _facts(page: OrderPage, **changes: Any) -> OrderPage:
    return replace(page, facts=tuple(replace(fact, **changes) for fact in page.facts))


async def drops_a_fact(channel: Any, _world: Any, cursor: str) -> Any:
    page = await channel.orders_since(cursor)
    return replace(page, facts=page.facts[:-1]) if page.more else page


async def looks_at_young_orders_only(channel: Any, world: Any, cursor: str) -> Any:
    page = await channel.orders_since(cursor)
    young = [one for one in page.facts if world.clock() - one.sold_at < LONG_SECONDS]
    return replace(page, facts=tuple(young))


async def tells_each_fact_once(channel: Any, world: Any, cursor: str) -> Any:
    page = await channel.orders_since(cursor)
    new = tuple(one for one in page.facts if repr(one) not in world.memory)
    world.memory.update(dict.fromkeys(repr(one) for one in page.facts))
    return replace(page, facts=new)


async def passes_over_failures(channel: Any, _world: Any, cursor: str) -> Any:
    try:
        return await channel.orders_since(cursor)
    except Retryable:
        return OrderPage(facts=(), cursor=cursor, more=False)


async def forgets_cancels_by_id(channel: Any, _world: Any, order_ids: Any) -> Any:
    return _facts(await channel.orders_by_id(order_ids), cancelled=0)


async def tells_what_is_left(channel: Any, _world: Any, cursor: str) -> Any:
    """A quantity that falls, where a count that only grows is meant."""
    page = await channel.orders_since(cursor)
    left = [replace(one, ordered=one.ordered - one.cancelled, cancelled=0) for one in page.facts]
    return replace(page, facts=tuple(left))


def thinks_nothing_was_shipped(channel: Any, _world: Any, delivery: Any) -> Any:
    parsed = channel.parse(delivery)
    return replace(parsed, facts=tuple(replace(one, shipped=0) for one in parsed.facts))


async def runs_ahead(channel: Any, world: Any, cursor: str) -> Any:
    page = await channel.orders_since(cursor)
    return page if page.more else replace(page, complete_to=world.clock())


async def dates_sales_by_its_own_clock(channel: Any, world: Any, order_ids: Any) -> Any:
    return _facts(await channel.orders_by_id(order_ids), sold_at=world.clock())


async def says_never_relisted(channel: Any, _world: Any, order_ids: Any) -> Any:
    page = await channel.orders_by_id(order_ids)
    return _facts(page, cancel_effect=CancelEffect.NOT_RELISTED)


# -------------------------------------------------------------------- webhooks


def gives_each_copy_its_own_key(channel: Any, world: Any, request: Any) -> Any:
    world.memory["n"] = world.memory.get("n", 0) + 1
    return replace(channel.verify_webhook(request), dedupe_key=f"key-{world.memory['n']}")


def gives_everything_one_key(channel: Any, _world: Any, request: Any) -> Any:
    return replace(channel.verify_webhook(request), dedupe_key="key")


def believes_everybody(channel: Any, world: Any, request: Any) -> Any:
    try:
        return channel.verify_webhook(request)
    except Unauthentic:
        return channel.verify_webhook(world.signed(request.body))


def fails_in_its_own_words(channel: Any, _world: Any, request: Any) -> Any:
    try:
        return channel.verify_webhook(request)
    except BadDelivery as error:
        raise KeyError("order") from error


def parses_by_the_clock(channel: Any, world: Any, delivery: Any) -> Any:
    parsed = channel.parse(delivery)
    at = world.clock()
    return replace(parsed, facts=tuple(replace(one, version=at) for one in parsed.facts))


def parses_in_its_own_words(channel: Any, _world: Any, delivery: Any) -> Any:
    try:
        return channel.parse(delivery)
    except BadDelivery as error:
        raise TypeError("no order") from error


async def subscribes_once(channel: Any, world: Any, url: str) -> Any:
    if "report" not in world.memory:
        world.memory["report"] = await channel.ensure_subscriptions(url)
        return world.memory["report"]
    return SubscriptionReport(kept=world.memory["report"].created)


async def leaves_old_subscriptions(channel: Any, world: Any, url: str) -> Any:
    before = dict(world.acme.hooks)
    report = await channel.ensure_subscriptions(url)
    world.acme.hooks.update(before)
    return report


def keeps_the_whole_body(channel: Any, _world: Any, request: Any) -> Any:
    delivery = channel.verify_webhook(request)
    return replace(delivery, reduced={**delivery.reduced, "raw": request.body.decode()})


def logs_the_body(channel: Any, _world: Any, request: Any) -> Any:
    logging.getLogger("acme").debug("received %s", request.body.decode())
    return channel.verify_webhook(request)


def quotes_the_body(channel: Any, _world: Any, request: Any) -> Any:
    try:
        return channel.verify_webhook(request)
    except BadDelivery as error:
        raise BadDelivery(f"{error} in {request.body.decode()}") from None


# -------------------------------------------------------------------- tills


def numbers_rows_by_the_clock(channel: Any, world: Any, data: Any) -> Any:
    delivery = channel.accept_sale(data)
    return replace(delivery, dedupe_key=f"{delivery.dedupe_key}@{world.clock()}")


def overlooks_voids(channel: Any, _world: Any, delivery: Any) -> Any:
    return replace(channel.parse(delivery), voids=())


def quotes_the_row(channel: Any, _world: Any, data: Any) -> Any:
    try:
        return channel.accept_sale(data)
    except BadDelivery as error:
        raise BadDelivery(f"{error} in {data}") from None


def lets_anybody_post(_channel: Any, _world: Any, _request: Any) -> None:
    return None


async def shows_nothing(_channel: Any, _world: Any, _quantities: Any) -> None:
    return None
