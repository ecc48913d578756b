"""Nothing of a person and no secret is kept, told or logged."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Awaitable, Iterator, Sequence
from typing import Any, Final

from pydantic import SecretStr
from typing_extensions import override

from channelsync.sdk.connector import (
    Discovers,
    FetchesOrders,
    Pushes,
    Reads,
    ReceivesWebhooks,
    TestsItself,
)
from channelsync.sdk.testing.contract.bench import Bench
from channelsync.sdk.testing.contract.breaking import expect
from channelsync.sdk.testing.contract.clauses import Clauses, clause
from channelsync.sdk.testing.contract.story import a_story
from channelsync.sdk.types import WebhookRequest

__all__ = ["KeepingClauses"]

LEAVES_MAX: Final = 400
FAULTS: Final = ("throttled", "server_error_before", "timeout_after")


class _Ear(logging.Handler):
    """Hears everything that is logged, whatever its level."""

    def __init__(self, heard: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._heard = heard

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(record.getMessage())
        self._heard.append(repr(record.exc_info))


class _Told:
    """Everything that a connector gives away, as text."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def say(self, thing: object) -> None:
        """It was returned."""
        self.texts.append(repr(thing))

    def raised(self, error: BaseException | None) -> None:
        """It was raised, with all that a traceback would show of what led to it."""
        while error is not None:
            self.texts += [str(error), repr(error)]
            hidden = error.__suppress_context__
            error = error.__cause__ or (None if hidden else error.__context__)

    async def of(self, call: Awaitable[object]) -> None:
        """Whatever comes of a call."""
        try:
            self.say(await call)
        except Exception as error:  # noqa: BLE001 - any error's words are what this looks at
            self.raised(error)

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Logs and streams of a block are heard too."""
        root, ear, stream = logging.getLogger(), _Ear(self.texts), io.StringIO()
        level = root.level
        root.addHandler(ear)
        root.setLevel(logging.DEBUG)
        try:
            with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
                yield
        finally:
            root.setLevel(level)
            root.removeHandler(ear)
            self.texts.append(stream.getvalue())

    def found(self, needles: Sequence[str]) -> list[str]:
        """Where a needle stands."""
        return [
            f"{needle!r} in {text[max(text.find(needle) - 60, 0) : text.find(needle) + 60]!r}"
            for text in self.texts
            for needle in needles
            if needle in text
        ]


class KeepingClauses(Clauses):
    """Personal data and secrets."""

    @clause()
    async def test_nothing_of_a_person_and_no_secret_leaves_the_connector(
        self, bench: Bench
    ) -> None:
        """A whole story by every way, with failures; canaries are planted and found nowhere."""
        told = _Told()
        with told.listening():
            requests = await _live(bench, told)
        raw = [one.answer.decode("utf-8", "replace") for one in bench.wire.exchanges]
        raw += [one.body.decode("utf-8", "replace") for one in requests]
        canaries = bench.world.canaries
        expect(
            any(canary in text for canary in canaries for text in raw),
            "no canary stands in anything that the simulator told: plant World.canaries in the"
            " names, addresses and notes of its orders",
        )
        leaks = told.found([*canaries, *_secrets(bench)])
        expect(not leaks, f"{len(leaks)} leaks: {'; '.join(leaks[:3])}")

    @clause(ReceivesWebhooks, world=("deliveries", "signed"))
    async def test_the_words_of_a_refusal_repeat_nothing_of_the_body(self, bench: Bench) -> None:
        """A person's name may stand where nobody expects it: each value in turn is a canary."""
        canary = "Ada Canary, 17 Strange Place"
        await a_story(bench)
        seen: set[str] = set()
        told = _Told()
        with told.listening():
            for request in await bench.world.deliveries():
                if (shape := _shape_of(request)) not in seen:
                    seen.add(shape)
                    _refusals(bench, request, canary, told)
        leaks = told.found([canary])
        expect(not leaks, f"{len(leaks)} refusals repeat the body: {'; '.join(leaks[:3])}")


async def _live(bench: Bench, told: _Told) -> Sequence[WebhookRequest]:
    channel: Any = bench.channel
    story = await a_story(bench)
    for name in (None, *FAULTS):
        if name is None:
            await _ask_everything(bench, told, story.orders)
            continue
        setattr(bench.world.faults.answers, name, 1.0)
        await _ask_everything(bench, told, story.orders)
        setattr(bench.world.faults.answers, name, 0.0)
        bench.clock.passes(600.0)
    if not bench.told_by_webhook or not bench.world.offers("deliveries"):
        return ()
    requests = await bench.world.deliveries()
    for request in requests:
        delivery = channel.verify_webhook(request)
        told.say(delivery)
        told.say(channel.parse(delivery))
    return requests


async def _ask_everything(bench: Bench, told: _Told, orders: Sequence[str]) -> None:
    channel: Any = bench.channel
    listing = bench.world.listing("MUG")
    if isinstance(channel, FetchesOrders):
        await told.of(channel.orders_since(channel.first_cursor(0.0)))
        await told.of(channel.orders_by_id(orders))
    if isinstance(channel, Reads):
        await told.of(channel.read([listing]))
    if isinstance(channel, Discovers):
        await told.of(_listed(channel))
    if isinstance(channel, Pushes):
        request = bench.prepared(bench.change("MUG", held=5, to=7))
        told.say(request)
        await told.of(channel.push(request))
    if isinstance(channel, TestsItself):
        await told.of(channel.test())


async def _listed(channel: Discovers) -> list[object]:
    return [one async for one in channel.listings()]


def _secrets(bench: Bench) -> list[str]:
    """Every secret of the settings, in plain."""
    settings = bench.world.settings
    values = [getattr(settings, name) for name in type(settings).model_fields]
    return [one.get_secret_value() for one in values if isinstance(one, SecretStr)]


def _shape_of(request: WebhookRequest) -> str:
    """Requests of one shape need no second look."""
    try:
        return repr(sorted(path for path, _ in _leaves(json.loads(request.body))))
    except ValueError:
        return repr(request.body)


def _leaves(body: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    if isinstance(body, dict):
        return [leaf for key, value in body.items() for leaf in _leaves(value, (*path, key))]
    if isinstance(body, list):
        return [leaf for at, value in enumerate(body) for leaf in _leaves(value, (*path, at))]
    return [(path, body)]


def _refusals(bench: Bench, request: WebhookRequest, canary: str, told: _Told) -> None:
    for path, _ in _leaves(json.loads(request.body))[:LEAVES_MAX]:
        body = json.loads(request.body)
        inner = body
        for key in path[:-1]:
            inner = inner[key]
        if not path:
            continue
        inner[path[-1]] = canary
        signed = bench.world.signed(json.dumps(body).encode())
        headers = {**request.headers, **signed.headers}
        try:
            bench.channel.verify_webhook(
                WebhookRequest(
                    url=signed.url,
                    headers=headers,
                    body=signed.body,
                    received_at=signed.received_at,
                )
            )
        except Exception as error:  # noqa: BLE001 - any error's words are what this looks at
            told.raised(error)
