"""Callers gathered: what many ask for at once becomes one transaction after the other.

A checkout's rush meets at one item. A transaction each would have all of them wait for that item's
lock, every one with a connection of its own, until there is none left. So those that come while a
transaction is under way share the next one. There is no timer: a lone caller begins at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.engine.recipes import neighbours_of
from channelsync.store import tables
from channelsync.store.database import Database
from channelsync.store.errors import OutcomeUnknown, is_passing
from channelsync.store.locks import in_parts, lock_items
from channelsync.store.many import among
from channelsync.store.stock_queries import find_items

__all__ = ["Claims", "Gatherer", "Together"]

TOGETHER_MAX: Final = 250
"""Callers in one transaction: the first of them waits for the last. What a transaction costs by
itself is more than what fifty callers add to it."""

T = TypeVar("T")
Asked = TypeVar("Asked")

Together = Callable[[AsyncConnection, Sequence[Asked]], Awaitable[Sequence[T]]]
"""Does for many at once what each of them asked for, and answers in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a caller is going to lock."""

    hold_ids: tuple[str, ...] = ()
    skus: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class _Caller:
    act: Callable[[AsyncConnection], Awaitable[Any]] | None
    claims: Claims
    answer: asyncio.Future[Any]
    context: Context | None = None
    """The caller's, in which an act of one's own runs."""
    together: Together[Any, Any] | None = None
    """What does it for all callers that name the same, where there is no act of one's own."""
    asked: Any = None


@dataclass(slots=True)
class Gatherer:
    """Runs the acts of one process, one transaction at a time."""

    database: Database
    together_max: int = TOGETHER_MAX
    _waiting: list[_Caller] = field(default_factory=list)
    _working: asyncio.Task[None] | None = None

    async def run(self, act: Callable[[AsyncConnection], Awaitable[T]], claims: Claims) -> T:
        """Do `act` in a transaction that others share; returns what it returns, once committed.

        An act that raises is done again, in smaller and smaller company until it is alone: a
        refusal that is meant as an answer is better returned.

        Raises:
            Exception: whatever `act` raises alone; nothing of it is kept.
        """
        answer: T = await self._answer(_Caller(act, claims, _future(), copy_context()))
        return answer

    async def run_together(self, together: Together[Asked, T], asked: Asked, claims: Claims) -> T:
        """The same for callers of one kind, whose statements are shared as well.

        Raises:
            Exception: whatever `together` raises for this caller alone; nothing of it is kept.
        """
        caller = _Caller(None, claims, _future(), together=together, asked=asked)
        answer: T = await self._answer(caller)
        return answer

    async def _answer(self, caller: _Caller) -> Any:
        self._waiting.append(caller)
        if self._working is None:
            self._working = asyncio.create_task(self._run_all(), name="gatherer")
        return await caller.answer

    async def _run_all(self) -> None:
        try:
            while self._waiting:
                together = [
                    one for one in self._waiting[: self.together_max] if not one.answer.done()
                ]
                del self._waiting[: self.together_max]
                if together:
                    await self._run(together)
        finally:
            self._working = None
            for one in self._waiting:  # the process is being stopped
                one.answer.cancel()

    async def _run(self, together: Sequence[_Caller]) -> None:
        try:
            answers = await self.database.transact(lambda tx: _act_all(tx, together))
        except Exception as error:  # noqa: BLE001 - whoever asked must hear of it
            await self._run_apart(together, error)
            return
        for one, answer in zip(together, answers, strict=True):
            if not one.answer.done():  # the caller may have hung up
                one.answer.set_result(answer)

    async def _run_apart(self, together: Sequence[_Caller], error: Exception) -> None:
        """One act that fails must not take its neighbours along."""
        certain = not isinstance(error, OutcomeUnknown) and not is_passing(error)
        if len(together) > 1 and certain:
            middle = len(together) // 2
            await self._run(together[:middle])
            await self._run(together[middle:])
            return
        for one in together:
            if not one.answer.done():
                one.answer.set_exception(error)


async def _act_all(tx: AsyncConnection, together: Sequence[_Caller]) -> list[Any]:
    answers: dict[_Caller, Any] = {}
    kinds = list(dict.fromkeys(one.together for one in together))
    # Those of one kind lock what they need together, in the order of everybody else.
    if len(kinds) > 1 or (kinds[0] is None and len(together) > 1):
        await _lock_ahead(tx, [one.claims for one in together])
    for kind in kinds:
        if kind is None:
            continue
        alike = [one for one in together if one.together == kind]
        told = await kind(tx, [one.asked for one in alike])
        answers |= dict(zip(alike, told, strict=True))
    loop = asyncio.get_running_loop()
    for one in together:
        if one.act is not None:
            # Each in its caller's context, so that traces and logs tell of the right request.
            answers[one] = await loop.create_task(_run(one.act, tx), context=one.context)
    return [answers[one] for one in together]


async def _run(act: Callable[[AsyncConnection], Awaitable[Any]], tx: AsyncConnection) -> Any:
    return await act(tx)


def _future() -> asyncio.Future[Any]:
    return asyncio.get_running_loop().create_future()


async def _lock_ahead(tx: AsyncConnection, claims: Iterable[Claims]) -> None:
    """Lock what all of them will lock, in the order of everybody else: holds, then items."""
    if tx.dialect.name == "sqlite":
        return
    hold_ids = sorted({hold_id for one in claims for hold_id in one.hold_ids})
    holds, held = tables.holds.c, tables.hold_lines.c
    item_ids: set[int] = set()
    for part in in_parts(hold_ids):
        lock = sa.select(holds.id).where(among(tx, holds.id, part)).order_by(holds.id)
        await tx.execute(lock.with_for_update())
        kept = sa.select(held.item_id).where(among(tx, held.hold_id, part)).distinct()
        item_ids |= set((await tx.execute(kept)).scalars())
    named = await find_items(tx, sorted({sku for one in claims for sku in one.skus}))
    item_ids |= {item.id for item in named.values()}
    if item_ids:
        await lock_items(tx, await neighbours_of(tx, item_ids))
