"""The ledger: the one way to change a balance.

Every change of a stock number or of an exposure is an append-only row in `movements`, written in
the transaction that changes the number itself. Hence every balance can be rebuilt from movements
(`channelsync.store.verify`). Where old ones were moved into an archive, one movement for each
balance says what they came to (`channelsync.store.folding`):

- `on_hand`, `reserved`, `safety_stock`, `on_order`, `in_transit` of an item at a location, and the
  exposure of a listing, are each the sum of their deltas;
- an exposure is NULL ("never settled") exactly while the listing has no movement of a kind in
  `SETTLING_KINDS`. The first of them is therefore written even when its delta is 0;
- what an open push could give back is covered by the charges whose `reference` is its id.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Final

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.errors import InvariantViolated
from channelsync.domain.vocabulary import Instant
from channelsync.store.locks import lock_items
from channelsync.store.many import inserting, updating
from channelsync.store.tables import MovementKind, Quantity, movements, stock

__all__ = [
    "SETTLING_KINDS",
    "STOCK_QUANTITIES",
    "ExposureMove",
    "StockMove",
    "append_movements",
    "make_stock_rows",
    "move_exposure",
    "move_exposures",
    "move_stock",
]

STOCK_QUANTITIES: Final = (
    Quantity.ON_HAND,
    Quantity.RESERVED,
    Quantity.SAFETY_STOCK,
    Quantity.ON_ORDER,
    Quantity.IN_TRANSIT,
)
"""The balances of an item at a location, named as the columns of `stock`."""

SETTLING_KINDS: Final = frozenset(
    {MovementKind.SETTLE, MovementKind.SLICE, MovementKind.BASELINE, MovementKind.OPENING}
)
"""Kinds of exposure movement that make the exposure of a listing known, or carry one that was."""

_DELTA_OF: Final = {name: f"{name}_delta" for name in STOCK_QUANTITIES}
_DELTAS: Final = {name: sa.Integer() for name in _DELTA_OF.values()}
_NO_DELTAS: Final = dict.fromkeys(_DELTAS, 0)
_ADD_DELTAS: Final = updating(
    stock,
    *_DELTAS,
    by=("item_id", "location_id"),
    values=lambda given: {name: stock.c[name] + given[delta] for name, delta in _DELTA_OF.items()},
    types=_DELTAS,
)
_INSERT_MISSING: Final = inserting(
    stock, "item_id", "location_id", conflict=lambda insert: insert.on_conflict_do_nothing()
)
_APPEND: Final = inserting(
    movements,
    *("at", "moved_at", "kind", "quantity", "delta", "item_id", "location_id", "listing_id"),
    *("reference", "actor", "note"),
)


class StockMove(Struct, frozen=True, kw_only=True):
    """One change of one stock number of one item at one location, in item units."""

    item_id: int
    location_id: int
    quantity: Quantity
    delta: int
    kind: MovementKind
    actor: str
    """Who: `order:shopify-us`, `cli:root`, `csv:stock.csv:12`."""
    at: Instant
    reference: str = ""
    """What it belongs to: an order line, a hold, a count."""
    note: str = ""
    moved_at: Instant | None = None
    """When the units themselves came or went; None: when they were booked. A count taken later has
    seen it. Where nobody can tell, what came is given its earliest possible instant and what went
    its latest, so that a count entered afterwards never promises a unit twice."""

    def __post_init__(self) -> None:
        if self.quantity not in STOCK_QUANTITIES:
            raise InvariantViolated(f"{self.quantity} belongs to a listing, not to stock")


class ExposureMove(Struct, frozen=True, kw_only=True):
    """One change of the exposure of one listing, in listing units."""

    listing_id: int
    delta: int
    kind: MovementKind
    actor: str
    at: Instant
    reference: str = ""
    """What it belongs to: an order line, a reading. A charge and an uncharge name their push."""
    note: str = ""
    first_settle: bool = False
    """It makes the exposure known (it was NULL): kept even with delta 0."""

    def __post_init__(self) -> None:
        if self.first_settle and self.kind not in SETTLING_KINDS:
            raise InvariantViolated(f"a movement of kind {self.kind} settles nothing")


async def move_stock(
    tx: AsyncConnection, moves: Sequence[StockMove], *, kept: Container[tuple[int, int]] = ()
) -> None:
    """Apply `moves` to the stock rows and write them down, in their order.

    Rows are made where missing, and locked in one order (item, then location), so that two
    transactions cannot wait for each other. Moves of the same row are added up first; moves of 0
    units leave no trace. `kept`: items and locations whose rows are known to be there.

    Raises:
        InvariantViolated: a number other than `on_hand` would fall below 0, or an item or location
            does not exist. The transaction must be rolled back.
    """
    wanted = [move for move in moves if move.delta]
    if not wanted:
        return
    rows = _rows(wanted)
    await lock_items(tx, (row["item_id"] for row in rows))
    try:
        places = [(row["item_id"], row["location_id"]) for row in rows]
        await make_stock_rows(tx, (place for place in places if place not in kept))
        await _ADD_DELTAS.run(tx, rows)
        await _append(tx, wanted)
    except sa.exc.IntegrityError as error:
        raise InvariantViolated(
            f"these movements do not fit the books ({error.orig}): "
            + "; ".join(_spoken(move) for move in wanted)
        ) from error


async def move_exposure(
    tx: AsyncConnection,
    listing_id: int,
    *,
    delta: int,
    kind: MovementKind,
    actor: str,
    at: Instant,
    reference: str = "",
    first_settle: bool = False,
) -> None:
    """Write down that the exposure of one listing changes by `delta`; see `move_exposures`."""
    move = ExposureMove(
        listing_id=listing_id,
        delta=delta,
        kind=kind,
        actor=actor,
        at=at,
        reference=reference,
        first_settle=first_settle,
    )
    await move_exposures(tx, (move,))


async def append_movements(tx: AsyncConnection, moves: Iterable[StockMove | ExposureMove]) -> None:
    """Write movements alone, those of 0 units as well, and leave every balance as it is.

    For repairs only: there the balance is set to what the ledger says once these are written. One
    that is missing is made, with 0 units, for a movement is always one of a balance.
    """
    every = list(moves)
    of_stock = [move for move in every if isinstance(move, StockMove)]
    await make_stock_rows(tx, ((move.item_id, move.location_id) for move in of_stock))
    await _append(tx, every)


async def make_stock_rows(tx: AsyncConnection, places: Iterable[tuple[int, int]]) -> None:
    """Make the rows of these items at these locations, where there are none, with 0 units."""
    rows = [{"item_id": item, "location_id": place} for item, place in sorted(set(places))]
    await _INSERT_MISSING.run(tx, rows)


async def move_exposures(tx: AsyncConnection, moves: Iterable[ExposureMove]) -> None:
    """Write down changes of exposures, in their order. Moves of 0 leave no trace, first settles do.

    The caller writes the listings' rows, which hold the rest of the escrow account as well, in the
    same transaction.
    """
    await _append(tx, (move for move in moves if move.delta or move.first_settle))


async def _append(tx: AsyncConnection, moves: Iterable[StockMove | ExposureMove]) -> None:
    await _APPEND.run(tx, [_record(move) for move in moves])


def _rows(moves: Iterable[StockMove]) -> list[dict[str, int]]:
    """One row of added-up deltas for every stock row, in lock order."""
    rows: dict[tuple[int, int], dict[str, int]] = {}
    for move in moves:
        key = (move.item_id, move.location_id)
        if (row := rows.get(key)) is None:
            row = rows[key] = {"item_id": move.item_id, "location_id": move.location_id}
            row |= _NO_DELTAS
        row[_DELTA_OF[move.quantity]] += move.delta
    return [row for _, row in sorted(rows.items())]


def _record(move: StockMove | ExposureMove) -> dict[str, object]:
    if isinstance(move, StockMove):
        quantity, item_id, location_id = move.quantity, move.item_id, move.location_id
        listing_id, moved_at = None, move.moved_at
    else:
        quantity, item_id, location_id = Quantity.EXPOSURE, None, None
        listing_id, moved_at = move.listing_id, None
    return {
        "quantity": quantity,
        "item_id": item_id,
        "location_id": location_id,
        "listing_id": listing_id,
        "moved_at": moved_at,
        "at": move.at,
        "kind": move.kind,
        "delta": move.delta,
        "reference": move.reference,
        "actor": move.actor,
        "note": move.note,
    }


def _spoken(move: StockMove) -> str:
    return (
        f"{move.quantity} {move.delta:+d} of item {move.item_id} at location {move.location_id}"
        f" ({move.kind} by {move.actor})"
    )
