"""Witness: notices that the books are older than what this machine has already seen of them.

A backup looks exactly like the past, so nothing within it can tell. Beside the books, in the data
folder, stands which movement was the last one seen. Books that do not hold that movement were
restored from before it, and are doubted (`channelsync.engine.restored`) before anything is sent.

What it cannot notice: a data folder restored together with the books, and what happened in the few
seconds between the last look and the loss. `channelsync db restored` is still the way to say it.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.escrow import SettleReason
from channelsync.engine.alarms import clear_alarm, raise_alarm, standing_alarms
from channelsync.engine.audit import note_change
from channelsync.engine.core import Engine
from channelsync.engine.restored import Doubted, doubt_everything
from channelsync.store.audit_chain import Change
from channelsync.store.tables import ListingState, books, listings, movements

__all__ = ["ALARM", "Seen", "Witness"]

_log = structlog.get_logger("channelsync.witness")

ALARM: Final = "books_restored"
SUBJECT: Final = "books"
_WHY: Final = (
    "these books are older than what this machine has seen of them: a backup was restored. Nothing"
    " is raised until every listing is proven anew"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The last that was seen of some books."""

    name: str
    """Which books."""
    epoch: int
    """How often they had been doubted."""
    movement: int
    """The last movement's number; 0: there was none."""
    at: float
    """When that movement happened."""


class Witness:
    """One machine's memory of the books, in a file beside them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: Seen | None = None

    async def look(self, engine: Engine) -> bool:
        """Compare the books with what was seen of them, and remember how they are now.

        Books from before that are doubted as a whole. Returns whether they were.
        """
        seen, now = await asyncio.to_thread(self._recall), await _look(engine)
        if seen is not None and await _is_ahead(engine, seen, now):
            _log.warning("the books are older than what was seen of them", movement=seen.movement)
            await self.doubt(engine, actor="witness")
            return True
        await _relieve(engine)
        await asyncio.to_thread(self._remember, now)
        return False

    async def doubt(self, engine: Engine, *, actor: str) -> Doubted:
        """The books were restored from a backup: doubt them as a whole, and say so."""
        seen, now = await asyncio.to_thread(self._recall), await _look(engine)
        await engine.database.transact(
            lambda tx: raise_alarm(tx, ALARM, SUBJECT, _WHY, now=engine.now())
        )
        doubted = await doubt_everything(engine, actor=actor)
        # Above what any machine remembers, so that no other one doubts the same again.
        epoch = max(now.epoch, seen.epoch if seen is not None else 0) + 1
        change = Change(
            at=engine.now(),
            actor=actor,
            action="books.doubt",
            subject="books",
            before={"epoch": now.epoch},
            after={"epoch": epoch, "channels": doubted.channels, "listings": doubted.listings},
        )
        await engine.database.transact(lambda tx: _advance(tx, epoch, change))
        await asyncio.to_thread(self._remember, await _look(engine))
        return doubted

    def _recall(self) -> Seen | None:
        try:
            return Seen(**json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            _log.warning("what was seen of the books cannot be read", why=str(error))
            return None

    def _remember(self, now: Seen) -> None:
        if now == self._written:
            return
        new = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with new.open("w", encoding="utf-8") as file:
                json.dump(asdict(now), file)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self._path)
        except OSError as error:
            _log.warning("what was seen of the books cannot be kept", why=str(error))
            return
        self._written = now


async def _look(engine: Engine) -> Seen:
    """How the books are now; they are given a name at the first look."""
    async with engine.database.read() as connection:
        seen = await _seen(connection)
    if seen is None:
        await engine.database.transact(lambda tx: _christen(tx, engine.environment.new_id()))
        async with engine.database.read() as connection:
            seen = await _seen(connection)
    if seen is None:
        raise RuntimeError("the books have no name")
    return seen


async def _seen(connection: AsyncConnection) -> Seen | None:
    named = (await connection.execute(sa.select(books))).one_or_none()
    if named is None:
        return None
    last = sa.select(movements.c.id, movements.c.at).order_by(movements.c.id.desc()).limit(1)
    movement = (await connection.execute(last)).one_or_none()
    number, at = (movement.id, movement.at) if movement is not None else (0, 0.0)
    return Seen(name=named.name, epoch=named.epoch, movement=number, at=at)


async def _christen(tx: AsyncConnection, name: str) -> None:
    insert = (sqlite if tx.dialect.name == "sqlite" else postgresql).insert(books)
    await tx.execute(insert.values(one=1, name=name).on_conflict_do_nothing())


async def _advance(tx: AsyncConnection, epoch: int, change: Change) -> None:
    await note_change(tx, change)
    await tx.execute(sa.update(books).where(books.c.epoch < epoch).values(epoch=epoch))


async def _is_ahead(engine: Engine, seen: Seen, now: Seen) -> bool:
    """Whether what was seen is missing from the same books, and nobody has doubted them since."""
    if seen.name != now.name or seen.epoch < now.epoch or not seen.movement:
        return False
    query = sa.select(movements.c.at).where(movements.c.id == seen.movement)
    async with engine.database.read() as connection:
        return bool(await connection.scalar(query) != seen.at)


async def _relieve(engine: Engine) -> None:
    """The alarm ends when every listing is proven again, or out of the game."""
    wanting = sa.select(listings.c.settle_reasons).where(
        listings.c.settle_wanted, listings.c.state == ListingState.ACTIVE
    )
    async with engine.database.read() as connection:
        if not await standing_alarms(connection, ALARM, [SUBJECT]):
            return
        reasons = (await connection.execute(wanting)).scalars()
        if any(SettleReason.ADOPTING in these for these in reasons):
            return
    await engine.database.transact(lambda tx: clear_alarm(tx, ALARM, SUBJECT, now=engine.now()))
