"""What must be asked over the network: the daemon, the marketplaces, Redis, our own address."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from channelsync.bootstrap import lent_by
from channelsync.cli.commands.channels import ask_channel
from channelsync.cli.dashboard import local_url
from channelsync.cli.doctor.lines import Line, attention, broken, fine
from channelsync.cli.session import Session
from channelsync.configuration.configuration import ChannelConfiguration, Configuration
from channelsync.plugins.opening import ChannelUnusable, open_channel
from channelsync.sdk.connector import PullsDeliveries, Subscribes
from channelsync.sdk.http import http_client
from channelsync.settings import Settings

__all__ = ["daemon_line", "outside_lines"]

ANSWER_SECONDS_MAX: Final = 5.0
CHANNEL_SECONDS_MAX: Final = 45.0
START: Final = "Start it with `channelsync run`; the other lines hold all the same."


async def outside_lines(session: Session, configuration: Configuration | None) -> list[Line]:
    """Every line, asked side by side."""
    settings = session.settings
    channels = list(configuration.channels.values()) if configuration else []
    found = await asyncio.gather(
        _public_url(settings), _redis(settings), *(_channel(session, one) for one in channels)
    )
    return [line for lines in found for line in lines]


# ------------------------------------------------------------------ the daemon


async def daemon_line(settings: Settings) -> Line:
    """Whether something answers where the daemon listens."""
    url = local_url(settings)
    if url is None:
        return fine("daemon", "listens on a port that only its log names")
    try:
        answer = await _get(f"{url}/readyz")
    except httpx.HTTPError:
        return attention("daemon", f"nothing answers at {url}", START)
    if answer.text == "ok\n":
        return fine("daemon", f"runs at {url} and is ready")
    if answer.text == "not ready\n":
        fix = "Its other lines here, or its log, name the cause."
        return broken("daemon", f"runs at {url} and is not ready", fix)
    fix = "Give the daemon another port (CHANNELSYNC_PORT), or stop the other program."
    return broken("daemon", f"another program answers at {url}", fix)


async def _public_url(settings: Settings) -> list[Line]:
    area, url = "public URL", settings.public_url
    if url is None:
        return []
    fix = "Let the proxy in front of this machine pass /livez and /webhooks to the daemon."
    lines = []
    if urlsplit(url).scheme == "http":
        said = f"{url} is plain http: marketplaces deliver to https only"
        lines.append(attention(area, said, "Put a proxy with a certificate in front."))
    try:
        answer = await _get(f"{url}/livez")
    except httpx.HTTPError as error:
        said = f"{url} cannot be reached from here: {str(error) or type(error).__name__}"
        return [*lines, broken(area, said, fix)]
    if answer.status_code != HTTPStatus.OK or answer.text != "ok\n":
        said = f"{url}/livez answers {answer.status_code}, and not as channelsync does"
        return [*lines, broken(area, said, fix)]
    return [*lines, fine(area, f"{url} reaches a running channelsync")]


async def _get(url: str) -> httpx.Response:
    patterns = (httpx.URL(url).netloc.decode("ascii"),)
    async with http_client(allowed_hosts=patterns) as client:
        return await client.get(url, timeout=ANSWER_SECONDS_MAX)


# ------------------------------------------------------------------ Redis


async def _redis(settings: Settings) -> list[Line]:
    if settings.redis_url is None:
        return []
    area = "Redis"
    try:
        from redis.asyncio import Redis
        from redis.exceptions import RedisError
    except ModuleNotFoundError:
        return [broken(area, "its packages are missing", "Install channelsync[redis].")]
    client: Any = Redis.from_url(
        settings.redis_url.get_secret_value(), socket_connect_timeout=ANSWER_SECONDS_MAX
    )
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            await client.ping()
            return [await _evicting(client)]
    except (RedisError, OSError, TimeoutError) as error:
        said = f"does not answer ({type(error).__name__}); work is found a few seconds later"
        return [attention(area, said, "Start it, or correct CHANNELSYNC_REDIS_URL.")]
    finally:
        await client.aclose()


async def _evicting(client: Any) -> Line:
    from redis.exceptions import ResponseError

    try:
        found = await client.config_get("maxmemory-policy")
    except ResponseError:  # a hosted Redis does not tell
        return fine("Redis", "answers")
    policy = found.get("maxmemory-policy", "noeviction")
    if policy == "noeviction":
        return fine("Redis", "answers and evicts nothing")
    said = f"evicts keys when its memory is full ({policy}): wake-ups may get lost"
    return attention("Redis", said, "Set `maxmemory-policy noeviction`.")


# ------------------------------------------------------------------ channels


async def _channel(session: Session, wanted: ChannelConfiguration) -> list[Line]:
    area = f"channel {wanted.channel}"
    test = f"Run `channelsync channels test {wanted.channel}` once it is put right."
    try:
        opened = await open_channel(
            session.registry,
            name=wanted.channel,
            connector=wanted.connector,
            settings=wanted.settings,
            lent=lent_by(session.settings, session.environment),
        )
    except ChannelUnusable as error:
        return [broken(area, str(error), "Put its settings right in channelsync.yaml.")]
    try:
        async with asyncio.timeout(CHANNEL_SECONDS_MAX):
            results = await ask_channel(opened.channel, session.environment.now())
    except Exception as error:  # noqa: BLE001 - a connector may fail in any way; it is a line
        return [broken(area, f"its test fails: {str(error) or type(error).__name__}", test)]
    finally:
        await opened.close()
    lines = [broken(area, f"{one.name}: {one.message}", test) for one in results if not one.ok]
    if not lines:
        names = ", ".join(one.name for one in results)
        lines = [fine(area, f"its test passes ({names})")]
    return [*lines, *_unheard(session.settings, opened.channel, area)]


def _unheard(settings: Settings, channel: object, area: str) -> Iterable[Line]:
    pushed = isinstance(channel, Subscribes) and not isinstance(channel, PullsDeliveries)
    if pushed and settings.public_url is None:
        said = "no CHANNELSYNC_PUBLIC_URL: its orders are found by polling alone"
        fix = "Set it to how marketplaces reach this program, such as https://stock.example.com."
        yield attention(area, said, fix)
