"""A web half with users: made cheaply, signed in as anybody, in process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from argon2 import PasswordHasher

from channelsync.domain.permissions import EVERYWHERE, Permission, Reach, Role
from channelsync.engine.keys_desk import KeysDesk
from channelsync.engine.notify import Notifying
from channelsync.engine.users_desk import UsersDesk
from channelsync.ports import NoticeRefused
from channelsync.security.passwords import Passwords
from channelsync.security.tokens import csrf_token
from channelsync.web.app import WebOptions, build_app
from channelsync.web.gate import COOKIE
from tests.support.house import House

PASSWORD = "correct horse battery"
SET_UP = "the-link"
KEY = b"k" * 32
ADDRESS = "http://stock.example"
"""Not this machine: nobody is let in for where he sits."""


def cheap_passwords() -> Passwords:
    """Argon2id as in production, with parameters that cost nothing."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@dataclass
class Letterbox:
    """Takes messages to `owner`; `boss` answers as somebody who moved away."""

    taken: list[tuple[str, str, str]] = field(default_factory=list)

    def names(self) -> tuple[str, ...]:
        return ("boss", "owner")

    async def send(self, target: str, title: str, body: str) -> None:
        if target == "boss":
            raise NoticeRefused("Ntfy did not take it (it answered 404)")
        self.taken.append((target, title, body))


@dataclass
class Door:
    """A house behind its door."""

    house: House
    options: dict[str, Any] = field(default_factory=dict)
    letterbox: Letterbox = field(default_factory=Letterbox)

    def __post_init__(self) -> None:
        """Put the application together once: it keeps what it counts."""
        self.passwords = cheap_passwords()
        given: dict[str, Any] = {
            "setup_token": SET_UP,
            "passwords": self.passwords,
            "outgoing_key": KEY,
            "notifying": Notifying(notifier=self.letterbox),
        } | self.options
        self.web_options = WebOptions(**given)
        self.app = build_app(self.house.engine, self.web_options)
        database, now = self.house.engine.database, self.house.engine.now
        self.users = UsersDesk(database, now, self.passwords)
        self.keys = KeysDesk(database, now)

    def client(self, peer: str = "203.0.113.9", base_url: str = ADDRESS) -> httpx.AsyncClient:
        """A stranger's client."""
        transport = httpx.ASGITransport(self.app, client=(peer, 4_711), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=base_url)

    async def add(self, name: str, role: Role, reach: Reach = EVERYWHERE) -> None:
        """A user; the first one is made an admin of the house beforehand."""
        async with self.house.engine.database.read() as tx:
            present = {one.name for one in await self.users.list(tx)}
        if not present:
            await self.users.add("root", PASSWORD, Role.ADMIN, actor="test")
        if name not in present and name != "root":
            await self.users.add(name, PASSWORD, role, actor="test", reach=reach)

    @asynccontextmanager
    async def as_user(
        self, name: str, role: Role, reach: Reach = EVERYWHERE
    ) -> AsyncIterator[httpx.AsyncClient]:
        """A browser that has signed in; its requests bear the second token."""
        await self.add(name, role, reach)
        async with self.client() as client:
            answer = await sign_in(client, name)
            assert answer.status_code == 303, answer.text
            client.headers["x-csrf-token"] = csrf_token(client.cookies[COOKIE])
            yield client

    @asynccontextmanager
    async def as_key(
        self, *scopes: Permission, reach: Reach = EVERYWHERE, days: float = 1.0
    ) -> AsyncIterator[httpx.AsyncClient]:
        """A program with a fresh key."""
        made = await self.keys.create("test", scopes, actor="test", reach=reach, days=days)
        async with self.client() as client:
            client.headers["authorization"] = f"Bearer {made.text}"
            yield client


async def sign_in(
    client: httpx.AsyncClient, name: str, password: str = PASSWORD, **more: str
) -> httpx.Response:
    """What the form sends."""
    form = {"name": name, "password": password, **more}
    return await client.post(
        "/login", data=form, headers={"origin": str(client.base_url).rstrip("/")}
    )
