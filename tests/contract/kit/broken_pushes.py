"""Ways to write, read and find offers wrongly."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from msgspec.structs import replace

from channelsync.sdk.errors import NeedsReauthorization, Retryable, Throttled
from channelsync.sdk.types import ChangeResult, Outcome

__all__ = [
    "applies_in_words_only",
    "blames_nobody",
    "calls_home",
    "compares_what_it_believes",
    "cuts_the_catalogue_short",
    "dates_its_questions_late",
    "derives_its_key_from_the_contents",
    "finds_every_sku_fit",
    "forgets_what_was_stale",
    "forgets_which_listing_is_unfit",
    "gives_up_after_one_copy",
    "hammers",
    "invents_a_zero",
    "mixes_rows_up",
    "never_asks_for_a_person",
    "prepares_by_the_clock",
    "raises_in_its_self_test",
    "reads_one_for_all",
    "retries_by_itself",
    "says_refused_when_unanswered",
    "says_unknown_when_nothing_left",
    "sees_no_assumption",
    "stamps_each_copy",
    "takes_401_for_a_no",
    "takes_a_new_key_for_each_copy",
]


def _outcomes(results: Any, was: Outcome, told: Outcome) -> list[ChangeResult]:
    return [replace(one, outcome=told) if one.outcome is was else one for one in results]


async def calls_home(_channel: Any, world: Any, context: Any) -> None:
    """At its opening."""
    with_token = {"authorization": "Bearer x"}
    await context.http.get(f"{world.settings.base_url}/v1/offers", headers=with_token)


async def says_unknown_when_nothing_left(channel: Any, _world: Any, request: Any) -> Any:
    return _outcomes(await channel.push(request), Outcome.UNSENT, Outcome.UNKNOWN)


async def never_asks_for_a_person(channel: Any, _world: Any, cursor: str) -> Any:
    try:
        return await channel.orders_since(cursor)
    except NeedsReauthorization as error:
        raise Retryable("later, perhaps") from error


async def takes_401_for_a_no(channel: Any, _world: Any, request: Any) -> Any:
    results = await channel.push(request)
    if any("401" in one.reason for one in results):
        return _outcomes(results, Outcome.UNKNOWN, Outcome.REFUSED)
    return results


async def raises_in_its_self_test(channel: Any, _world: Any) -> Any:
    results = await channel.test()
    if not all(one.ok for one in results):
        raise Retryable("no answer")
    return results


def prepares_by_the_clock(channel: Any, world: Any, changes: Any, *, key: str) -> Any:
    request = channel.prepare(changes, key=key)
    return replace(request, body=request.body + f"\n{world.clock():.0f}".encode())


async def applies_in_words_only(channel: Any, _world: Any, request: Any) -> Any:
    return [ChangeResult(push_id=one, outcome=Outcome.APPLIED) for one in request.push_ids]


def compares_what_it_believes(channel: Any, _world: Any, changes: Any, *, key: str) -> Any:
    return channel.prepare([replace(one, compare=one.compare or 5) for one in changes], key=key)


async def forgets_what_was_stale(channel: Any, _world: Any, request: Any) -> Any:
    return [replace(one, stale=False) for one in await channel.push(request)]


class _NewKeys:
    """Prepares anew for each copy, as if a copy were another change."""

    @staticmethod
    def prepare(channel: Any, world: Any, changes: Any, *, key: str) -> Any:
        world.memory[key] = changes
        return channel.prepare(changes, key=key)

    @staticmethod
    async def push(channel: Any, world: Any, request: Any) -> Any:
        copies = world.memory["copies"] = world.memory.get("copies", 0) + 1
        changes = world.memory[request.key]
        return await channel.push(channel.prepare(changes, key=f"{request.key}-{copies}"))


takes_a_new_key_for_each_copy: Mapping[str, Callable[..., Any]] = {
    "prepare": _NewKeys.prepare,
    "push": _NewKeys.push,
}


async def gives_up_after_one_copy(channel: Any, world: Any, request: Any) -> Any:
    if world.memory.setdefault("sent", request.key) == request.key and "again" in world.memory:
        return [ChangeResult(push_id=one, outcome=Outcome.UNKNOWN) for one in request.push_ids]
    world.memory["again"] = True
    return await channel.push(request)


def derives_its_key_from_the_contents(channel: Any, _world: Any, changes: Any, *, key: str) -> Any:
    units = "-".join(str(one.units) for one in changes)
    return channel.prepare(changes, key=f"{key}-{units}")


async def stamps_each_copy(channel: Any, world: Any, request: Any) -> Any:
    body = json.loads(request.body)
    body["sent_at"] = world.clock()
    return await channel.push(replace(request, body=json.dumps(body).encode()))


async def retries_by_itself(channel: Any, _world: Any, request: Any) -> Any:
    results = await channel.push(request)
    if any(one.outcome is Outcome.UNKNOWN for one in results):
        return await channel.push(request)
    return results


async def says_refused_when_unanswered(channel: Any, _world: Any, request: Any) -> Any:
    return _outcomes(await channel.push(request), Outcome.UNKNOWN, Outcome.REFUSED)


async def mixes_rows_up(channel: Any, _world: Any, request: Any) -> Any:
    results = await channel.push(request)
    ids = [one.push_id for one in results]
    return [replace(one, push_id=other) for one, other in zip(results, ids[::-1], strict=True)]


async def forgets_which_listing_is_unfit(channel: Any, _world: Any, request: Any) -> Any:
    return [replace(one, refuse_listing=None) for one in await channel.push(request)]


async def reads_one_for_all(channel: Any, _world: Any, listings: Any) -> Any:
    readings = await channel.read(listings)
    return [replace(one, quantity=readings[0].quantity) for one in readings]


async def dates_its_questions_late(channel: Any, _world: Any, listings: Any) -> Any:
    return [replace(one, sent_at=one.received_at) for one in await channel.read(listings)]


async def invents_a_zero(channel: Any, _world: Any, listings: Any) -> Any:
    return [replace(one, quantity=one.quantity or 0) for one in await channel.read(listings)]


async def sees_no_assumption(channel: Any, _world: Any, listings: Any) -> Any:
    return [replace(one, findings=()) for one in await channel.read(listings)]


async def blames_nobody(channel: Any, _world: Any, request: Any) -> Any:
    return list(await channel.push(request))[:-1]


async def cuts_the_catalogue_short(channel: Any, _world: Any) -> Any:
    told = 0
    async for one in channel.listings():
        told += 1
        if told <= 5:
            yield one


async def finds_every_sku_fit(channel: Any, _world: Any) -> Any:
    async for one in channel.listings():
        yield replace(one, refused=None)


async def hammers(channel: Any, _world: Any, cursor: str) -> Any:
    for _ in range(5):
        with suppress(Throttled):
            return await channel.orders_since(cursor)
    return await channel.orders_since(cursor)
