"""How the secrets that the store keeps stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.cli.doctor.lines import Line, attention, broken, fine
from channelsync.cli.output import ago
from channelsync.cli.session import Session
from channelsync.domain.wording import counted
from channelsync.engine.vault import VaultLocked, VaultState, open_vault
from channelsync.security.sealing import SealBroken
from channelsync.settings import SettingsInvalid
from channelsync.store.database import Database
from channelsync.store.tables import data_keys

__all__ = ["vault_lines"]

AREA = "kept secrets"


async def vault_lines(session: Session, database: Database, tx: AsyncConnection) -> Sequence[Line]:
    """Whether they can be opened, and what a rotation has left."""
    now, settings = session.environment.now(), session.settings
    if (await tx.execute(sa.select(data_keys.c.id).limit(1))).first() is None:
        return []
    file = settings.data_dir / "secret_key"
    if settings.secret_key is None and not file.exists():
        fix = f"Put {file} back from its backup; a new one would not open what is kept."
        return [broken(AREA, f"{file}, the key that opens them, is not there", fix)]
    try:
        vault = open_vault(settings, database, session.environment.now)
        state = await vault.state(tx)
        await vault.check(tx)
        await vault.all(tx, "")
    except (VaultLocked, SealBroken, SettingsInvalid) as error:
        fix = "Do what the message says; a daemon that started before works on meanwhile."
        return [broken(AREA, str(error), fix)]
    if left := tuple(_left(state)):
        return left
    number = f"{counted(state.secrets, 'secret')} under the key {state.current}"
    return [fine(AREA, f"{number}, made {ago(state.current_since, now)}")]


def _left(state: VaultState) -> Iterator[Line]:
    fix = "Run `channelsync keys rotate`; it takes along what an interrupted one has left."
    if state.left or state.former:
        named = ", ".join(state.former)
        said = f"{counted(state.left, 'secret')} still under a former key ({named})"
        yield attention(AREA, said, fix)
    if state.wrapped_by_former:
        said = f"{counted(state.wrapped_by_former, 'key')} still under the former secret key"
        then = "then take CHANNELSYNC_SECRET_KEY_OLD away and restart the processes."
        yield attention(AREA, said, f"Run `channelsync keys rotate`; {then}")
