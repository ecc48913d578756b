"""What is put together later: once, whoever asks first."""

from __future__ import annotations

import asyncio
import threading

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from channelsync.web.later import Later
from tests.support.house import Build
from tests.support.signed_in import Door


class Builder:
    """Counts how often it builds; waits for a word before it is done."""

    def __init__(self) -> None:
        self.built = 0
        self.may_end = threading.Event()

    def __call__(self) -> ASGIApp:
        self.built += 1
        if not self.may_end.wait(timeout=60):
            raise TimeoutError("nobody gave the word")
        return PlainTextResponse("here")


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


async def test_those_who_ask_at_once_wait_for_the_same_and_the_loop_turns_meanwhile() -> None:
    build = Builder()
    async with client_of(Later(build)) as client:
        asking = [asyncio.create_task(client.get("/")) for _ in range(3)]
        await asyncio.sleep(0)
        asking[0].cancel()
        build.may_end.set()
        answers = await asyncio.gather(*asking[1:])
        assert [answer.text for answer in (*answers, await client.get("/"))] == ["here"] * 3
    assert build.built == 1


async def test_what_cannot_be_built_is_told_to_whoever_asks() -> None:
    def fails() -> ASGIApp:
        raise LookupError("a route that nobody listed")

    later = Later(fails)
    for _ in range(2):
        with pytest.raises(LookupError, match="nobody listed"):
            await later.open()


async def test_probes_answer_before_there_is_a_page(build: Build) -> None:
    door = Door(await build(stock={}, quotas={}, semantics={}))
    async with door.client() as client:
        assert (await client.get("/livez")).text == "ok\n"
        assert (await client.get("/webhooks/none")).status_code == 405
        assert not door.app.faces.is_open
        assert (await client.get("/login")).status_code == 303
        assert door.app.faces.is_open
