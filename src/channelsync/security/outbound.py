"""Requests to addresses that users name: never into our own network.

A URL is checked when it is given and once more at every request, after its name was resolved: the
request goes to the very address that was checked, so that a name cannot point elsewhere meanwhile
(DNS rebinding). Redirects are not followed. Source: OWASP ASVS 5.0.0, 1.3.6.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

import httpx
from typing_extensions import override

from channelsync.sdk.http import HostRefused, host_allowed, trust

__all__ = ["AddressRefused", "PinnedTransport", "Resolve", "outbound_client", "require_outward"]

ANSWER_SECONDS = 15.0
CONNECT_SECONDS = 5.0
CONNECTIONS_MAX = 16

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""A host's addresses."""


class AddressRefused(Exception):
    """The address is none that events may be sent to; the message says why."""


def require_outward(url: str, allow_hosts: tuple[str, ...] = ()) -> None:
    """Refuse an address that is none, or plainly inside.

    `allow_hosts` are the operator's own exceptions, `host:port`.

    Raises:
        AddressRefused: no https, a user in it, no public host.
    """
    target = _parsed(url)
    if host_allowed(target, allow_hosts):
        return
    if target.scheme != "https":
        raise AddressRefused("the URL must begin with https://")
    host = target.host.rstrip(".").lower()
    is_address = ":" in host or host.replace(".", "").isdecimal() or host.startswith("0x")
    if is_address:
        _require_public(host)
    elif "." not in host or host.endswith((".localhost", ".local", ".internal")):
        raise AddressRefused(f"{host} is no public host")


def _parsed(url: str) -> httpx.URL:
    try:
        parts, target = urlsplit(url), httpx.URL(url)
        port = parts.port
    except (ValueError, httpx.InvalidURL):
        raise AddressRefused("this is no URL: write https://example.com/hook") from None
    if not target.host or port == 0 or target.scheme not in {"http", "https"}:
        raise AddressRefused("this is no URL: write https://example.com/hook")
    if parts.username or parts.password or parts.fragment:
        raise AddressRefused("no user, password or # in the URL")
    return target


def _require_public(address: str) -> None:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        raise AddressRefused(f"{address} is no address: write it in the usual way") from None
    mapped = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    if not found.is_global or found.is_multicast or (mapped and not mapped.is_global):
        raise AddressRefused(f"{address} is no public address")


async def _resolve(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in found]


class PinnedTransport(httpx.AsyncBaseTransport):
    """Resolves, checks every address, and connects to one of those that were checked."""

    def __init__(
        self,
        inner: httpx.AsyncBaseTransport,
        allow_hosts: tuple[str, ...] = (),
        resolve: Resolve = _resolve,
    ) -> None:
        self._inner = inner
        self._allow_hosts = allow_hosts
        self._resolve = resolve

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            require_outward(str(request.url), self._allow_hosts)
            if not host_allowed(request.url, self._allow_hosts):
                await self._pin(request)
        except AddressRefused as error:
            raise HostRefused(str(error), request=request) from None
        return await self._inner.handle_async_request(request)

    async def _pin(self, request: httpx.Request) -> None:
        host = request.url.host
        try:
            found = await self._resolve(host, request.url.port or 443)
        except OSError as error:
            raise httpx.ConnectError(f"{host} is not found", request=request) from error
        for address in found:
            _require_public(address)
        if not found:
            raise httpx.ConnectError(f"{host} is not found", request=request)
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=found[0])

    @override
    async def aclose(self) -> None:
        await self._inner.aclose()


def outbound_client(
    allow_hosts: tuple[str, ...] = (),
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    resolve: Resolve = _resolve,
) -> httpx.AsyncClient:
    """A client for such requests. `transport` replaces the network in tests."""
    limits = httpx.Limits(max_connections=CONNECTIONS_MAX)
    inner = transport or httpx.AsyncHTTPTransport(
        retries=0, limits=limits, trust_env=False, verify=trust()
    )
    return httpx.AsyncClient(
        transport=PinnedTransport(inner, allow_hosts, resolve),
        timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        follow_redirects=False,
        trust_env=False,
    )
