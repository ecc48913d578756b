"""Listings as the store keeps them: rows to accounts, and accounts to rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import inf
from operator import attrgetter
from typing import Any, Final

import sqlalchemy as sa

from channelsync.domain.escrow import Grant, Push, SettleReason
from channelsync.domain.vocabulary import Instant, PushKind, PushSemantics
from channelsync.sdk.types import ListingRef
from channelsync.store import tables
from channelsync.store.tables import ListingState, PushState

__all__ = [
    "Listing",
    "changed",
    "from_row",
    "listing_values",
    "push_state",
    "push_values",
    "selected",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One channel's offer, with its account and what is known of it."""

    id: int
    channel: str
    pool: str
    sku: str
    external: Mapping[str, str]
    state: ListingState
    recipe: Mapping[int, int]
    grant: Grant
    target: int = 0
    drain_target: int | None = None
    remote: int | None = None
    remote_at: Instant | None = None
    told: int | None = None
    """What a live channel was last told that it holds."""
    settled_from: Instant | None = None
    settled_to: Instant | None = None
    """The last settling read was true at some instant from the one to the other."""
    settled_at: Instant | None = None
    proven_at: Instant | None = None
    """The last settle that left nothing in doubt."""
    last_push_at: Instant | None = None
    request_id: str | None = None
    """The request that carries the open push."""
    demand: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ref(self) -> ListingRef:
        """The name that its connector knows it by."""
        return ListingRef(listing_id=str(self.id), sku=self.sku, external=self.external)


_FIELDS: Final = tuple(one.name for one in fields(Listing))
_TAKE_APART: Final = attrgetter(*_FIELDS)


def changed(listing: Listing, **facts: Any) -> Listing:
    """What `dataclasses.replace` does, in half of its time: each sale changes a listing."""
    return Listing(**(dict(zip(_FIELDS, _TAKE_APART(listing), strict=True)) | facts))


_OF_LISTING: Final = (
    *("id", "channel", "sku", "external", "state", "target", "drain_target", "remote"),
    *("remote_at", "told", "settled_from", "settled_to", "settled_at", "proven_at"),
    *("last_push_at", "demand"),
)
_OF_GRANT: Final = (
    *("semantics", "exposure", "push_seq", "attempts_open", "outstanding_until"),
    *("lowered_until", "swallows_units", "settle_reasons"),
)
_OF_PUSH: Final = (
    *("id", "request_id", "kind", "units", "compare_with", "state", "charged", "copies"),
    *("refused", "retry_until", "release_after"),
)
# Rows are taken apart by position: a catalogue is loaded by the hundred thousand.
_PUSH_BEGINS: Final = 1 + len(_OF_LISTING) + len(_OF_GRANT)
_SEMANTICS: Final = {one.value: one for one in PushSemantics}
_STATES: Final = {one.value: one for one in ListingState}
_NO_REASONS: Final[frozenset[SettleReason]] = frozenset()


def selected(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Listings with their pool and their open push, in the columns that `from_row` takes."""
    listings, pushes, channels = tables.listings, tables.pushes, tables.channels
    open_push = sa.and_(pushes.c.listing_id == listings.c.id, pushes.c.closed_at.is_(None))
    return (
        sa.select(
            channels.c.pool,
            *(listings.c[name] for name in (*_OF_LISTING, *_OF_GRANT)),
            *(pushes.c[name].label(f"push_{name}") for name in _OF_PUSH),
        )
        .join(channels, channels.c.name == listings.c.channel)
        .outerjoin(pushes, open_push)
        .where(condition)
    )


def from_row(row: Sequence[Any], recipes: Mapping[int, Mapping[int, int]]) -> Listing:
    """A row of `selected` as a listing; `recipes` are by listing id."""
    pool, *of_listing = row[: 1 + len(_OF_LISTING)]
    key, channel, sku, external, state, target, drain_target, remote = of_listing[:8]
    remote_at, told, settled_from, settled_to, settled_at, proven_at = of_listing[8:14]
    last_push_at, demand = of_listing[14:]
    of_push = row[_PUSH_BEGINS:]
    return Listing(
        id=key,
        channel=channel,
        pool=pool,
        sku=sku,
        external=external,
        state=_STATES[state],
        recipe=recipes.get(key, {}),
        grant=_grant(row[1 + len(_OF_LISTING) : _PUSH_BEGINS], _push(of_push)),
        target=target,
        drain_target=drain_target,
        remote=remote,
        remote_at=remote_at,
        told=told,
        settled_from=settled_from,
        settled_to=settled_to,
        settled_at=settled_at,
        proven_at=proven_at,
        last_push_at=last_push_at,
        request_id=of_push[1],
        demand=demand,
    )


def _grant(of_grant: Sequence[Any], push: Push | None) -> Grant:
    semantics, exposure, push_seq, attempts_open, outstanding, lowered, swallows, why = of_grant
    return Grant(
        semantics=_SEMANTICS[semantics],
        exposure=exposure,
        push=push,
        push_seq=push_seq,
        attempts_open=attempts_open,
        outstanding_until=_or_never(outstanding),
        lowered_until=_or_never(lowered),
        swallows_units=swallows,
        settle_reasons=frozenset(map(SettleReason, why)) if why else _NO_REASONS,
    )


def _push(of_push: Sequence[Any]) -> Push | None:
    if of_push[0] is None:
        return None
    key, _, kind, units, compare, state, charged, copies, refused, retry_until, release = of_push
    return Push(
        push_id=key,
        kind=PushKind(kind),
        units=units,
        compare=compare,
        retry_until=retry_until,
        charged=charged,
        copies=copies,
        refused=refused,
        release_after=release,
        closed_to_retry=state == PushState.DOUBTFUL,
    )


def listing_values(listing: Listing) -> dict[str, Any]:
    """What is written of a listing when its account changes."""
    grant = listing.grant
    return {
        "id": listing.id,
        "exposure": grant.exposure,
        "push_seq": grant.push_seq,
        "attempts_open": grant.attempts_open,
        "outstanding_until": _or_null(grant.outstanding_until),
        "lowered_until": _or_null(grant.lowered_until),
        "swallows_units": grant.swallows_units,
        "settle_reasons": sorted(grant.settle_reasons),
        "settle_wanted": bool(grant.settle_reasons) or grant.exposure is None,
        "settled_at": listing.settled_at,
        "proven_at": listing.proven_at,
        "settled_from": listing.settled_from,
        "settled_to": listing.settled_to,
        "remote": listing.remote,
        "remote_at": listing.remote_at,
        "target": listing.target,
        "drain_target": listing.drain_target,
        "last_push_at": listing.last_push_at,
        "demand": dict(listing.demand),
    }


def push_values(push: Push) -> dict[str, Any]:
    """What is written of an open push when it changes."""
    return {
        "charged": push.charged,
        "copies": push.copies,
        "refused": push.refused,
        "retry_until": push.retry_until,
        "release_after": push.release_after,
    }


def push_state(push: Push) -> PushState:
    """The word for where an open push stands."""
    if push.release_after is not None:
        return PushState.QUARANTINE
    if push.closed_to_retry:
        return PushState.DOUBTFUL
    return PushState.SENDING if push.copies else PushState.PLANNED


def _or_never(at: Instant | None) -> Instant:
    return -inf if at is None else at


def _or_null(at: Instant) -> Instant | None:
    return None if at == -inf else at
