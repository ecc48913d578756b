"""Kept credentials for whoever reads the merchant's file: `kept:NAME`.

A file is read without waiting for anybody, so this asks the store from a thread of its own: once,
when the first reference is met, for all of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import sqlalchemy as sa

from channelsync.configuration.references import ReferenceRefused
from channelsync.engine.vault import CREDENTIALS, VaultLocked, open_vault
from channelsync.security.sealing import SealBroken
from channelsync.settings import Settings, SettingsInvalid
from channelsync.store.database import Database
from channelsync.store.errors import StoreUnavailable
from channelsync.store.tables import kept_secrets

__all__ = ["KeptCredentials", "kept_version"]


class KeptCredentials:
    """The credentials of one reading of the file."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._found: Mapping[str, str] | None = None

    def __call__(self, name: str) -> str:
        """A credential.

        Raises:
            ReferenceRefused: it is not kept, or cannot be opened.
        """
        if self._found is None:
            self._found = self._read()
        if name not in self._found:
            raise ReferenceRefused(
                f"nothing is kept under {name!r}: `channelsync secrets set {name}` keeps it"
            )
        return self._found[name]

    def _read(self) -> Mapping[str, str]:
        url = sa.make_url(self._settings.database)
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
            return {}
        try:
            with ThreadPoolExecutor(1) as aside:
                return aside.submit(asyncio.run, self._load()).result()
        except (VaultLocked, SealBroken, SettingsInvalid) as error:
            raise ReferenceRefused(str(error)) from None
        except (sa.exc.SQLAlchemyError, StoreUnavailable, OSError) as error:
            said = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise ReferenceRefused(f"the store of kept secrets cannot be read: {said}") from None

    async def _load(self) -> Mapping[str, str]:
        database = Database(self._settings.database)
        try:
            async with database.read() as tx:
                vault = open_vault(self._settings, database, time.time)
                found = await vault.all(tx, CREDENTIALS)
        finally:
            await database.close()
        return {name: value.decode() for name, value in found.items()}


async def kept_version(database: Database) -> tuple[object, ...]:
    """What is another once any credential is."""
    rows = kept_secrets.c
    query = sa.select(sa.func.count(), sa.func.sum(rows.version), sa.func.max(rows.changed_at))
    mine = rows.name.startswith(CREDENTIALS, autoescape=True)
    async with database.read() as tx:
        return tuple((await tx.execute(query.where(mine))).one())
