"""`doctor` asks the daemon, Redis, the public URL and the marketplaces, and says what they said."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from channelsync.bootstrap import system_environment
from channelsync.cli.doctor.books import books_lines
from channelsync.cli.doctor.lines import Line, Verdict
from channelsync.cli.doctor.outside import daemon_line, outside_lines
from channelsync.cli.session import Outside, Session
from channelsync.cli.times import teller
from channelsync.plugins.discovery import discover
from channelsync.settings import Settings
from tests.support.served import free_port, served
from tests.support.servers import Redis

SHOP = """\
version: 1
locations: {dc: {}}
channels:
  shop:
    connector: shopify
    settings:
      shop: acme.myshopify.com
      access_token: "${DOCTOR_TOKEN}"
      webhook_secret: "${DOCTOR_TOKEN}"
      location_id: gid://shopify/Location/1
      base_url: BASE
"""


def answering(text: str, status: int = 200) -> Starlette:
    async def answer(_request: Request) -> PlainTextResponse:
        return PlainTextResponse(text, status_code=status)

    return Starlette(routes=[Route(path, answer) for path in ("/livez", "/readyz")])


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Asks the outside for these settings and this configuration."""
    monkeypatch.setenv("CHANNELSYNC_CONFIG", str(tmp_path / "channelsync.yaml"))
    monkeypatch.setenv("CHANNELSYNC_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DOCTOR_TOKEN", "shpat_example_of_a_token")

    async def ask(text: str | None = None, **variables: str) -> list[Line]:
        for name, value in variables.items():
            monkeypatch.setenv(f"CHANNELSYNC_{name}", value)
        session = Session(Outside(registry=discover))
        configuration = None
        if text is not None:
            (tmp_path / "channelsync.yaml").write_text(text)
            configuration = session.configuration()
        return await outside_lines(session, configuration)

    return ask


@pytest.mark.parametrize(
    ("text", "verdict"),
    [("ok\n", Verdict.OK), ("not ready\n", Verdict.BROKEN), ("welcome", Verdict.BROKEN)],
)
async def test_what_answers_at_the_daemons_port_is_told(text: str, verdict: Verdict) -> None:
    async with served(answering(text)) as url:
        assert (await daemon_line(Settings(port=port_of(url)))).verdict is verdict


async def test_a_daemon_that_does_not_run_wants_attention() -> None:
    line = await daemon_line(Settings(port=free_port()))
    assert (line.verdict, line.fix) == (
        Verdict.ATTENTION,
        "Start it with `channelsync run`; the other lines hold all the same.",
    )


async def test_the_public_url_is_called_as_marketplaces_call_it(asked: Any) -> None:
    async with served(answering("ok\n")) as url:
        plain, reached = await asked(PUBLIC_URL=url)
    assert (plain.verdict, reached.verdict) == (Verdict.ATTENTION, Verdict.OK)
    async with served(answering("somebody else")) as url:
        assert (await asked(PUBLIC_URL=url))[-1].verdict is Verdict.BROKEN
    gone = (await asked(PUBLIC_URL=f"http://127.0.0.1:{free_port()}"))[-1]
    assert gone.verdict is Verdict.BROKEN
    assert "cannot be reached" in gone.message


async def test_redis_must_answer_and_evict_nothing(redis_server: Redis, asked: Any) -> None:
    [line] = await asked(REDIS_URL=redis_server.url)
    assert (line.verdict, line.message) == (Verdict.OK, "answers and evicts nothing")
    with redis.Redis(unix_socket_path=str(redis_server.socket)) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        try:
            [line] = await asked(REDIS_URL=redis_server.url)
        finally:
            client.config_set("maxmemory-policy", "noeviction")
    assert line.verdict is Verdict.ATTENTION
    [line] = await asked(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    assert "does not answer" in line.message


async def test_a_channel_that_does_not_answer_is_broken_and_says_how_to_try(asked: Any) -> None:
    place = f"127.0.0.1:{free_port()}"
    lines = await asked(SHOP.replace("BASE", f"http://{place}"), ALLOW_HOSTS=place)
    broken = [line for line in lines if line.verdict is Verdict.BROKEN]
    assert {line.area for line in lines} == {"channel shop"}
    assert "could not be reached" in broken[0].message
    assert "channelsync channels test shop" in str(broken[0].fix)
    assert lines[-1].message.startswith("no CHANNELSYNC_PUBLIC_URL")


async def test_postgresql_tells_its_version_and_how_far_the_clocks_differ(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHANNELSYNC_DATABASE_URL", postgres_url)
    monkeypatch.setenv("CHANNELSYNC_DATA_DIR", str(tmp_path))
    found = {line.area: line for line in await books_lines(Session(Outside()), None)}
    assert found["store"].message.startswith("PostgreSQL ")
    assert found["clock"].verdict is Verdict.OK
    assert "differs from the database's by" in found["clock"].message
    monkeypatch.setenv("CHANNELSYNC_DATABASE_URL", postgres_url + "_gone")
    [line] = await books_lines(Session(Outside()), None)
    assert (line.area, line.verdict) == ("store", Verdict.BROKEN)
    assert SecretStr(postgres_url).get_secret_value() not in line.message


async def test_a_command_writes_down_the_database_s_time(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHANNELSYNC_DATABASE_URL", postgres_url)
    monkeypatch.setenv("CHANNELSYNC_DATA_DIR", str(tmp_path))
    wrong = replace(system_environment(), now=lambda: time.time() - 600)
    session = Session(Outside(environment=lambda: wrong))
    said = teller(session, "now")
    async with session.store():
        assert session.now() == pytest.approx(time.time(), abs=30)
        assert said() == pytest.approx(time.time(), abs=30)
