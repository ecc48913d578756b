"""Changes that the audit trail tells of: the change and its entry are one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from channelsync.cli.output import plain
from channelsync.cli.session import Session

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from channelsync.store.database import Database

__all__ = ["Told", "change", "sides_of"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Told(Generic[T]):
    """What a command changed, and what the trail tells of it. No secret may be among it."""

    result: T
    subject: str
    """What it was done to: `item:MUG`, `channel:amazon-us`."""
    before: object = None
    after: object = None


async def change(
    session: Session,
    database: Database,
    action: str,
    use: Callable[[Database], Awaitable[Told[T]]],
) -> T:
    """Do it once, as the person at this shell. What `use` refuses leaves no trace.

    `use` works over a store that is joined to the transaction; it may be run again where the
    database proves that it left nothing behind.
    """
    from channelsync.engine.audit import note_change
    from channelsync.store.audit_chain import Change
    from channelsync.store.database import Joined

    async def act(tx: AsyncConnection) -> T:
        told = await use(Joined(database, tx))
        entry = Change(
            at=session.environment.now(),
            actor=session.actor,
            action=action,
            subject=told.subject,
            before=plain(told.before),
            after=plain(told.after),
        )
        await note_change(tx, entry)
        return told.result

    return await database.transact(act)


def sides_of(more: Mapping[str, object], before: object, after: object) -> dict[str, Any]:
    """Both sides of one number, each with what tells which number it is."""
    return {"before": {**more, "units": before}, "after": {**more, "units": after}}
