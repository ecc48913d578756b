"""Order lines as the channels told them, newest first."""

from __future__ import annotations

from dataclasses import dataclass, fields

from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.browse import Wanted, lines_page

__all__ = ["LineView", "view_lines"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LineView:
    """One order line, in listing units."""

    channel: str
    order: str
    line: str
    sku: str | None
    """As the channel spells it; None where it told none."""
    ordered: int
    cancelled: int
    shipped: int
    returned: int
    state: str
    parked: str | None
    """Why it is not counted yet; None once it is."""
    sold_at: Instant | None
    first_heard_at: Instant
    heard_at: Instant
    """When it was last heard of."""


async def view_lines(
    tx: AsyncConnection,
    *,
    channel: str | None = None,
    sku: str | None = None,
    parked: bool = False,
    limit: int = 20,
) -> tuple[LineView, ...]:
    """The newest lines; with `parked` only those that wait to be counted.

    With `sku` those that sold the item, alone or in a bundle, and those told under that name whose
    offer nobody knows.
    """
    wanted = Wanted(limit=limit, channel=channel, sku=sku, kind="parked" if parked else None)
    names = [field.name for field in fields(LineView)]
    return tuple(
        LineView(**{name: row[name] for name in names}) for row in await lines_page(tx, wanted)
    )
