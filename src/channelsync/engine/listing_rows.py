"""Listings as the store keeps them: rows to accounts, and accounts to rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from types import MappingProxyType
from typing import Any, Final

import sqlalchemy as sa
from msgspec import Struct

from channelsync.domain.escrow import Grant, Push, SettleReason
from channelsync.domain.vocabulary import Instant, PushKind, PushSemantics
from channelsync.sdk.types import ListingRef
from channelsync.store import tables
from channelsync.store.tables import ListingState, PushState

__all__ = [
    "Listing",
    "from_row",
    "glimpse",
    "glimpsed",
    "listing_values",
    "push_state",
    "push_values",
    "selected",
    "spelled",
]


_NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})


class Listing(Struct, frozen=True, gc=False):
    """One channel's offer, with its account and what is known of it."""

    id: int
    channel: str
    pool: str
    sku: str
    external: Mapping[str, str]
    state: ListingState
    recipe: Mapping[int, int]
    grant: Grant
    request_id: str | None = None
    """The request that carries the open push."""
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
    demand: Mapping[str, Any] = _NOTHING

    @property
    def ref(self) -> ListingRef:
        """The name that its connector knows it by."""
        return ListingRef(listing_id=str(self.id), sku=self.sku, external=self.external)


_NAMED: Final = ("id", "channel", "sku", "external", "state")
_KNOWN: Final = Listing.__struct_fields__[Listing.__struct_fields__.index("target") :]
_OF_GRANT: Final = (
    *("semantics", "exposure", "push_seq", "attempts_open", "outstanding_until"),
    *("lowered_until", "swallows_units", "settle_reasons"),
)
_OF_PUSH: Final = (
    *("id", "request_id", "kind", "units", "compare_with", "state", "charged", "copies"),
    *("refused", "retry_until", "release_after"),
)
# Rows are taken apart by position: a catalogue is loaded by the hundred thousand.
_GRANT_BEGINS: Final = 1 + len(_NAMED) + len(_KNOWN)
_PUSH_BEGINS: Final = _GRANT_BEGINS + len(_OF_GRANT)
_SEMANTICS: Final = {one.value: one for one in PushSemantics}
_STATES: Final = {one.value: one for one in ListingState}
_NO_REASONS: Final[frozenset[SettleReason]] = frozenset()


_GLIMPSED: Final = (
    *("id", "channel", "sku", "state", "drain_target", "remote", "last_push_at", "demand"),
    *("semantics", "exposure", "settle_reasons"),
)
_ACCOUNT_AT: Final = 1 + _GLIMPSED.index("semantics")
_GLIMPSED_OF_PUSH: Final = ("id", "kind", "units", "state", "charged", "copies", "release_after")


def spelled(sku: str) -> sa.ColumnElement[bool]:
    """Listings that their channel knows by this name.

    Asked for by channel as well, be it any: so is their index, and a catalogue is long.
    """
    any_channel = sa.select(tables.channels.c.name)
    return sa.and_(tables.listings.c.channel.in_(any_channel), tables.listings.c.sku == sku)


def selected(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """Listings with their pool and their open push, in the columns that `from_row` takes."""
    return _select((*_NAMED, *_KNOWN, *_OF_GRANT), _OF_PUSH, condition)


def glimpsed(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """The same in the columns that `glimpse` takes."""
    return _select(_GLIMPSED, _GLIMPSED_OF_PUSH, condition)


def _select(
    names: Sequence[str], of_push: Sequence[str], condition: sa.ColumnElement[bool]
) -> sa.Select[Any]:
    listings, pushes, channels = tables.listings, tables.pushes, tables.channels
    open_push = sa.and_(pushes.c.listing_id == listings.c.id, pushes.c.closed_at.is_(None))
    return (
        sa.select(
            channels.c.pool,
            *(listings.c[name] for name in names),
            *(pushes.c[name].label(f"push_{name}") for name in of_push),
        )
        .join(channels, channels.c.name == listings.c.channel)
        .outerjoin(pushes, open_push)
        .where(condition)
    )


def from_row(row: Sequence[Any], recipes: Mapping[int, Mapping[int, int]]) -> Listing:
    """A row of `selected` as a listing; `recipes` are by listing id."""
    pool, key, channel, sku, external, state, *known = row[:_GRANT_BEGINS]
    push = None if row[_PUSH_BEGINS] is None else _push(row[_PUSH_BEGINS:])
    grant = _grant(row[_GRANT_BEGINS:_PUSH_BEGINS], push)
    request_id = row[_PUSH_BEGINS + 1]
    recipe = recipes.get(key, {})
    return Listing(
        key, channel, pool, sku, external, _STATES[state], recipe, grant, request_id, *known
    )


def glimpse(row: Sequence[Any], recipes: Mapping[int, Mapping[int, int]]) -> Listing:
    """A row of `glimpsed` as a listing that is looked at and never written.

    It has what policy goes by. When it was settled, proven and read it does not say, nor what only
    the sender of a push and a settle need: a plan of a catalogue reads half as many values for it.
    """
    pool, key, channel, sku, state, drain_target, remote, last_push_at, demand = row[:_ACCOUNT_AT]
    semantics, exposure, why, push_id, *of_push = row[_ACCOUNT_AT:]
    grant = Grant(
        semantics=_SEMANTICS[semantics],
        exposure=exposure,
        push=None if push_id is None else _glimpse_of_push(push_id, *of_push),
        settle_reasons=frozenset(map(SettleReason, why)) if why else _NO_REASONS,
    )
    return Listing(
        *(key, channel, pool, sku, _NOTHING, _STATES[state], recipes.get(key, _NOTHING), grant),
        drain_target=drain_target,
        remote=remote,
        last_push_at=last_push_at,
        demand=demand,
    )


def _glimpse_of_push(
    key: str,
    kind: str,
    units: int,
    state: str,
    charged: int,
    copies: int,
    release_after: Instant | None,
) -> Push:
    return Push(
        push_id=key,
        kind=PushKind(kind),
        units=units,
        compare=None,
        retry_until=-inf,
        charged=charged,
        copies=copies,
        release_after=release_after,
        closed_to_retry=state == PushState.DOUBTFUL,
    )


def _grant(of_grant: Sequence[Any], push: Push | None) -> Grant:
    semantics, exposure, push_seq, attempts_open, outstanding, lowered, swallows, why = of_grant
    return Grant(
        semantics=_SEMANTICS[semantics],
        exposure=exposure,
        push=push,
        push_seq=push_seq,
        attempts_open=attempts_open,
        outstanding_until=-inf if outstanding is None else outstanding,
        lowered_until=-inf if lowered is None else lowered,
        swallows_units=swallows,
        settle_reasons=frozenset(map(SettleReason, why)) if why else _NO_REASONS,
    )


def _push(of_push: Sequence[Any]) -> Push:
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


def _or_null(at: Instant) -> Instant | None:
    return None if at == -inf else at
