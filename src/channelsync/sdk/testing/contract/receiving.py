"""Webhooks: only genuine ones, each once, reduced to what may be stored; subscriptions mended."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec.structs import replace

from channelsync.sdk.connector import ReceivesWebhooks, Subscribes
from channelsync.sdk.errors import BadDelivery, Unauthentic
from channelsync.sdk.testing.contract.bench import Bench
from channelsync.sdk.testing.contract.breaking import ContractBroken, expect
from channelsync.sdk.testing.contract.clauses import Clauses, clause, when
from channelsync.sdk.testing.contract.story import a_story
from channelsync.sdk.testing.contract.world import HOOK_URL
from channelsync.sdk.types import Delivery, Parsed, WebhookRequest

__all__ = ["ReceivingClauses"]

ODD_BODIES: Final = (
    b"",
    b"{}",
    b"[]",
    b"null",
    b"7",
    b'"text"',
    b"\xff\xfe\x00",
    b"{" * 3_000,
    b'{"type": NaN}',
    b'{"id": 1, "id": 2}',
    b"[" * 3_000 + b"]" * 3_000,
)
ODD_REDUCTIONS: Final[tuple[Mapping[str, Any], ...]] = (
    {},
    {"order": 7},
    {"order": {"lines": None}},
    {"no such thing": [1, 2]},
)
MOVED_URL: Final = "https://other.example.com/webhooks/shop"

signs_urls = when(lambda bench: bench.world.signs_url, "its signature does not cover the URL")


class ReceivingClauses(Clauses):
    """The receiving half."""

    @clause(ReceivesWebhooks, world=("deliveries",))
    async def test_copies_of_a_webhook_have_one_key_and_others_another(self, bench: Bench) -> None:
        """Each event is delivered twice; a copy is known by its key, and news never is a copy."""
        bench.world.faults.deliveries.double = 1.0
        await a_story(bench)
        requests = await bench.world.deliveries()
        expect(requests, "a whole story, and no webhook: deliveries() gives what waits")
        keys = Counter(bench.verified(request).dedupe_key for request in requests)
        expect(
            set(keys.values()) == {2},
            "every webhook was delivered twice, so each dedupe key must occur twice: keys occur"
            f" {sorted(set(keys.values()))} times",
        )

    @clause(ReceivesWebhooks, world=("deliveries",))
    async def test_any_changed_byte_is_refused(self, bench: Bench) -> None:
        """Of the body, of what signs it, and of the URL where that is signed."""
        await a_story(bench)
        for request in (await bench.world.deliveries())[:2]:
            bench.verified(request)
            for forged in _forgeries(request, bench.world.signature_headers):
                _expect_unauthentic(bench, forged)

    @clause(ReceivesWebhooks, rules=(signs_urls,), world=("deliveries",))
    async def test_a_webhook_for_another_url_is_refused(self, bench: Bench) -> None:
        """The signature covers the URL, so a captured webhook is good at one door only."""
        await a_story(bench)
        [request, *_] = await bench.world.deliveries()
        _expect_unauthentic(bench, replace(request, url=MOVED_URL))

    @clause(ReceivesWebhooks, world=("signed",))
    async def test_odd_bodies_raise_nothing_but_what_is_agreed(self, bench: Bench) -> None:
        """Genuine and not understood: `BadDelivery`, a dead letter. Never anything else."""
        for body in ODD_BODIES:
            request = bench.world.signed(body)
            try:
                delivery = bench.channel.verify_webhook(request)
                bench.channel.parse(delivery)
            except BadDelivery:
                continue
            except Exception as error:
                raise ContractBroken(
                    f"the genuine body {body[:30]!r} raised {type(error).__name__}: BadDelivery is"
                    " meant"
                ) from error

    @clause(ReceivesWebhooks, world=("deliveries",))
    async def test_what_is_stored_is_all_that_parsing_needs(self, bench: Bench) -> None:
        """JSON, pure, the same each time; and far from the raw body."""
        await a_story(bench)
        for request in await bench.world.deliveries():
            delivery = bench.channel.verify_webhook(request)
            stored = json.loads(json.dumps(dict(delivery.reduced), allow_nan=False))
            first = bench.channel.parse(replace(delivery, reduced=stored))
            bench.clock.passes(3_600.0)
            expect(isinstance(first, Parsed), f"parse gave {type(first).__name__}")
            expect(
                first == bench.channel.parse(delivery),
                "parse tells something else an hour later: it must be pure",
            )

    @clause(ReceivesWebhooks)
    async def test_a_reduction_that_is_not_understood_is_a_bad_delivery(self, bench: Bench) -> None:
        """One written by another version, or by hand."""
        for reduced in ODD_REDUCTIONS:
            for topic in ("", "no/such/topic", *await _topics(bench)):
                delivery = Delivery(dedupe_key="key", topic=topic, reduced=reduced)
                try:
                    bench.channel.parse(delivery)
                except BadDelivery:
                    continue
                except Exception as error:
                    raise ContractBroken(
                        f"parsing {reduced!r} of topic {topic!r} raised {type(error).__name__}:"
                        " BadDelivery is meant"
                    ) from error

    @clause(Subscribes, ReceivesWebhooks, world=("deliveries", "lose_subscriptions"))
    async def test_lost_subscriptions_are_mended(self, bench: Bench) -> None:
        """Kept as they are, mended where they are gone, told by topic."""
        first = await bench.patiently("ensure_subscriptions", HOOK_URL)
        expect(first.created, "a new channel has no subscriptions, and none was created")
        second = await bench.patiently("ensure_subscriptions", HOOK_URL)
        expect(
            not second.created and not second.removed and set(second.kept) == set(first.created),
            f"nothing had changed, and the second look tells {second}",
        )
        lost = await bench.world.lose_subscriptions()
        third = await bench.patiently("ensure_subscriptions", HOOK_URL)
        expect(
            len(third.created) == lost > 0,
            f"{lost} subscriptions were lost and {len(third.created)} were made again",
        )
        await a_story(bench)
        expect(await bench.world.deliveries(), "mended, and still no webhook comes")

    @clause(Subscribes, ReceivesWebhooks, world=("deliveries",))
    async def test_a_moved_receiver_takes_its_subscriptions_with_it(self, bench: Bench) -> None:
        """The old address is left, so that nothing is delivered twice or to strangers."""
        await bench.patiently("ensure_subscriptions", MOVED_URL)
        await bench.patiently("ensure_subscriptions", HOOK_URL)
        await a_story(bench)
        stray = [one.url for one in await bench.world.deliveries() if one.url != HOOK_URL]
        expect(not stray, f"{len(stray)} webhooks still go to the address that was left")


async def _topics(bench: Bench) -> list[str]:
    if not bench.world.offers("deliveries"):
        return []
    await a_story(bench)
    return sorted({bench.verified(one).topic for one in await bench.world.deliveries()})


def _forgeries(request: WebhookRequest, signed_by: tuple[str, ...]) -> Iterator[WebhookRequest]:
    body = request.body
    for position in range(len(body)):
        changed = bytes([body[position] ^ 1])
        yield replace(request, body=body[:position] + changed + body[position + 1 :])
    yield replace(request, body=body[:-1])
    yield replace(request, body=body + b" ")
    yield replace(request, body=b"")
    yield replace(request, headers={})
    expect(signed_by, "say in World.signature_headers which headers prove a webhook")
    for name in signed_by:
        yield from _forged_headers(request, name)


def _forged_headers(request: WebhookRequest, name: str) -> Iterator[WebhookRequest]:
    value = request.headers[name]
    others = {key: kept for key, kept in request.headers.items() if key != name}
    yield replace(request, headers=others)
    for position, letter in enumerate(value):
        other = "A" if letter != "A" else "B"
        forged = value[:position] + other + value[position + 1 :]
        yield replace(request, headers={**others, name: forged})
    yield replace(request, headers={**others, name: ""})
    yield replace(request, headers={**others, name: "\u00e9\u2028"})


def _expect_unauthentic(bench: Bench, forged: WebhookRequest) -> None:
    try:
        bench.channel.verify_webhook(forged)
    except Unauthentic:
        return
    except Exception as error:
        raise ContractBroken(
            f"a forged webhook raised {type(error).__name__}: Unauthentic, before anything is read"
        ) from error
    raise ContractBroken(
        f"a forged webhook was taken: headers {dict(forged.headers)}, body {forged.body[:60]!r}…"
    )
