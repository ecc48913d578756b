"""The escrow accounts of listings, loaded, changed by the domain's functions, written at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.errors import InvariantViolated
from channelsync.domain.escrow import Grant
from channelsync.domain.vocabulary import Instant
from channelsync.engine.listing_rows import (
    Listing,
    from_row,
    glimpse,
    glimpsed,
    listing_values,
    push_state,
    push_values,
    selected,
)
from channelsync.engine.recipes import Recipes, items_in, recipes_around, recipes_of
from channelsync.store import tables
from channelsync.store.database import is_writing
from channelsync.store.ledger import ExposureMove, move_exposures
from channelsync.store.locks import in_parts, lock_items
from channelsync.store.many import inserting, updating
from channelsync.store.prepared import Listed, Prepared
from channelsync.store.tables import MovementKind, PushState
from channelsync.tracing import causes_here, written_causes

__all__ = ["Grants", "Listing", "PushNote"]


def _selected(listed: Listed) -> sa.Select[Any]:
    return selected(listed(tables.listings.c.id, "ids")).order_by(tables.listings.c.id)


_LISTINGS: Final = Prepared(_selected)
_LOCKED: Final = Prepared(
    lambda listed: _selected(listed).with_for_update(of=tables.listings, key_share=True)
)
_GLIMPSED: Final = Prepared(
    lambda listed: glimpsed(listed(tables.listings.c.id, "ids")).order_by(tables.listings.c.id)
)
_WRITE_LISTINGS: Final = updating(
    tables.listings,
    *("exposure", "push_seq", "attempts_open", "outstanding_until", "lowered_until"),
    *(
        "swallows_units",
        "settle_reasons",
        "settle_wanted",
        "settled_at",
        "proven_at",
        "settled_from",
    ),
    *("settled_to", "remote", "remote_at", "target", "drain_target", "last_push_at", "demand"),
)
_PUSH_VALUES: Final = (
    *("request_id", "charged", "copies", "refused", "retry_until", "release_after"),
    *("state", "closed_at", "result", "reason"),
)
_WRITE_PUSHES: Final = updating(tables.pushes, *_PUSH_VALUES)
_OPEN_PUSHES: Final = inserting(
    tables.pushes,
    *("id", "listing_id", "channel", "kind", "units", "compare_with", "opened_at"),
    *("shown_before", "cause", "trace"),
    *_PUSH_VALUES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PushNote:
    """What is written beside a push when it opens or closes."""

    cause: str = ""
    result: str = ""
    reason: str = ""


_NO_NOTE: Final = PushNote()


class Grants:
    """A set of listings inside one write transaction.

    `put` keeps the new state in memory and collects the exposure's movements; `flush` writes all
    of it in multi-row statements. Nothing is written twice.
    """

    def __init__(
        self, tx: AsyncConnection, now: Instant, actor: str, *, only_looks: bool = False
    ) -> None:
        """`only_looks`: nothing is written, so that less is read (`listing_rows.glimpse`)."""
        self._tx = tx
        self._only_looks = only_looks
        self._now = now
        self._actor = actor
        self._stored: dict[int, Listing] = {}
        self._current: dict[int, Listing] = {}
        self._moves: list[ExposureMove] = []
        self._opened: dict[str, dict[str, Any]] = {}
        self._pushed: dict[str, dict[str, Any]] = {}
        self._locked: set[int] = set()

    # ------------------------------------------------------------ reading

    async def load(self, listing_ids: Iterable[int]) -> None:
        """Bring listings into the set; those already in it keep their pending changes.

        Where several may write, their items are locked first: from here to the commit nobody else
        changes these accounts, nor what is free of these items.
        """
        wanted = sorted(set(listing_ids) - self._current.keys())
        if not wanted:
            return
        recipes = await recipes_of(self._tx, wanted)
        while await self._lock(items_in(recipes)):
            recipes = await recipes_of(self._tx, wanted)
        await self._bring_in(wanted, recipes)

    async def _bring_in(self, listing_ids: Sequence[int], recipes: Recipes) -> None:
        read = glimpse if self._only_looks else from_row
        for part in in_parts(listing_ids):
            for row in await self._query.rows(self._tx, ids=part):
                listing = read(row, recipes)
                self._stored[listing.id] = self._current[listing.id] = listing

    async def load_items(self, item_ids: Iterable[int], known: Recipes | None = None) -> None:
        """Bring in every listing whose recipe uses one of the items.

        `known` are the recipes of all these, where they were just read in this transaction.
        """
        wanted = set(item_ids)
        recipes = known if known is not None else await recipes_around(self._tx, wanted)
        # A listing of several items changes with each of them: all are locked, in one order.
        while await self._lock(wanted | items_in(recipes)):
            recipes = await recipes_around(self._tx, wanted)
        await self._bring_in(sorted(recipes.keys() - self._current.keys()), recipes)

    @property
    def _takes_turns(self) -> bool:
        return self._tx.dialect.name != "sqlite" and is_writing(self._tx)

    async def _lock(self, item_ids: set[int]) -> bool:
        """Lock what is not locked yet. Returns whether there was anything."""
        fresh = item_ids - self._locked
        if not fresh or not self._takes_turns:
            return False
        await lock_items(self._tx, fresh)
        self._locked |= fresh
        return True

    @property
    def _query(self) -> Prepared:
        if self._only_looks:
            return _GLIMPSED
        return _LOCKED if self._takes_turns else _LISTINGS

    def __getitem__(self, listing_id: int) -> Listing:
        return self._current[listing_id]

    def __contains__(self, listing_id: int) -> bool:
        return listing_id in self._current

    def some(self, listing_ids: Iterable[int]) -> list[Listing]:
        """These listings as they are now, in their order."""
        current = self._current
        return [current[key] for key in listing_ids]

    def all(self) -> list[Listing]:
        """Every listing of the set as it is now, by id."""
        return [self._current[key] for key in sorted(self._current)]

    # ------------------------------------------------------------ changing

    def put(
        self,
        listing_id: int,
        grant: Grant,
        kind: MovementKind,
        *,
        reference: str = "",
        note: PushNote = _NO_NOTE,
        **facts: Any,
    ) -> None:
        """Replace a listing's account; `kind` says why its exposure moved, if it did.

        `facts` is what changes of the listing beside its account.
        """
        before = self._current[listing_id]
        self._move_exposure(before, grant, kind, reference)
        self._note_push(before, grant, note)
        request_id = before.request_id if _same_push(before.grant, grant) else None
        self._current[listing_id] = replace(before, grant=grant, request_id=request_id, **facts)

    def update(self, listing_id: int, **facts: Any) -> None:
        """Change what is known of a listing beside its account."""
        self._current[listing_id] = replace(self._current[listing_id], **facts)

    def _move_exposure(
        self, before: Listing, grant: Grant, kind: MovementKind, reference: str
    ) -> None:
        if before.grant.exposure == grant.exposure:
            return
        if grant.exposure is None:
            raise InvariantViolated(f"listing {before.id}: an exposure cannot become unknown")
        self._moves.append(
            ExposureMove(
                listing_id=before.id,
                delta=grant.exposure - (before.grant.exposure or 0),
                kind=kind,
                actor=self._actor,
                at=self._now,
                reference=reference,
                first_settle=before.grant.exposure is None,
            )
        )

    def _note_push(self, before: Listing, grant: Grant, note: PushNote) -> None:
        old, new = before.grant.push, grant.push
        if old is not None and (new is None or new.push_id != old.push_id):
            self._pushed[old.push_id] = push_values(old) | {
                "request_id": before.request_id,
                "state": PushState.CLOSED,
                "closed_at": self._now,
                "result": note.result or ("settled" if new is None else "overtaken"),
                "reason": note.reason,
            }
        if new is None:
            return
        if old is None or old.push_id != new.push_id:
            self._opened[new.push_id] = {
                "id": new.push_id,
                "listing_id": before.id,
                "channel": before.channel,
                "kind": new.kind,
                "units": new.units,
                "compare_with": new.compare,
                "opened_at": self._now,
                "shown_before": before.remote,
                "cause": note.cause,
                "trace": written_causes(causes_here()[:1]),
            }
        if old != new:
            self._pushed[new.push_id] = push_values(new) | {
                "request_id": before.request_id if _same_push(before.grant, grant) else None,
                "state": push_state(new),
                "closed_at": None,
                "result": note.result or None,
                "reason": note.reason,
            }

    # ------------------------------------------------------------ writing

    async def flush(self) -> None:
        """Write everything that changed, in a fixed order.

        Raises:
            InvariantViolated: they were read to be looked at.
        """
        if self._only_looks:
            raise InvariantViolated("listings that are only looked at cannot be written")
        moved = [one for key, one in sorted(self._current.items()) if one != self._stored[key]]
        await _WRITE_LISTINGS.run(self._tx, [listing_values(listing) for listing in moved])
        await self._write_pushes()
        await move_exposures(self._tx, self._moves)
        self._stored = dict(self._current)
        self._moves, self._opened, self._pushed = [], {}, {}

    async def _write_pushes(self) -> None:
        closed = PushState.CLOSED
        ending = [key for key, row in self._pushed.items() if row["state"] == closed]
        # Closed before opened: a listing has at most one open push at any statement.
        await self._update_pushes(sorted(set(ending) - self._opened.keys()))
        fresh = [row | self._pushed[key] for key, row in sorted(self._opened.items())]
        await _OPEN_PUSHES.run(self._tx, fresh)
        await self._update_pushes(sorted(self._pushed.keys() - set(ending) - self._opened.keys()))

    async def _update_pushes(self, push_ids: list[str]) -> None:
        await _WRITE_PUSHES.run(self._tx, [self._pushed[key] | {"id": key} for key in push_ids])


def _same_push(before: Grant, after: Grant) -> bool:
    if before.push is None or after.push is None:
        return False
    return before.push.push_id == after.push.push_id
