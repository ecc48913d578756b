"""The statements over dirty keys (`engine.work`), made once: that costs more than running one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from channelsync.store.many import inserting
from channelsync.store.tables import items, work
from channelsync.tracing import CAUSE_CHARACTERS_MAX, CAUSES_MAX

__all__ = [
    "ENDS",
    "HELD_BY",
    "MARK",
    "MARK_EVERY_ITEM",
    "MARK_TRACED",
    "NEXT_DUE",
    "TAKEN",
    "asking_which_are_due",
]

_DUE: Final = work.c.done_version < work.c.want_version
_DONE: Final = (
    sa.update(work)
    .where(
        work.c.kind == sa.bindparam("_kind"),
        work.c.key == sa.bindparam("_key"),
        work.c.lease_token == sa.bindparam("_token"),
    )
    .values(
        done_version=sa.bindparam("_version"),
        lease_until=None,
        lease_token=None,
        attempts=0,
        last_error=None,
    )
)
_DONE_UNTIL: Final = _DONE.values(
    want_version=work.c.want_version + 1,
    not_before=sa.case(
        (
            # marked during the run, for an earlier time
            sa.and_(
                work.c.want_version > sa.bindparam("_version"),
                work.c.not_before < sa.bindparam("_again"),
            ),
            work.c.not_before,
        ),
        else_=sa.bindparam("_again"),
    ),
)
# What came up since it was claimed stays: causes are only ever added behind the others.
_LATER_CAUSES: Final = sa.func.nullif(
    sa.func.substr(work.c.trace, sa.bindparam("_seen", type_=sa.Integer) + 2), ""
)
ENDS: Final = {
    (False, False): _DONE,
    (True, False): _DONE_UNTIL,
    (False, True): _DONE.values(trace=_LATER_CAUSES),
    (True, True): _DONE_UNTIL.values(trace=_LATER_CAUSES),
}
"""How the end of work is written, by whether it is due again by itself and whether it is traced."""


def _marked_again(insert: Any) -> Any:
    return _again(insert, {})


def _traced_again(insert: Any) -> Any:
    """Whatever it comes of already, it comes of this as well."""
    literal = sa.literal_column
    known, more = work.c.trace, insert.excluded.trace
    longest: sa.ColumnElement[int] = literal(str(CAUSES_MAX * CAUSE_CHARACTERS_MAX))
    told = sa.case(
        (known.is_(None), more),
        (known.like(literal("'%'").op("||")(more).op("||")(literal("'%'"))), known),
        (sa.func.length(known) + sa.func.length(more) > longest, known),
        else_=sa.func.coalesce(known.op("||")(literal("' '")).op("||")(more), known),
    )
    return _again(insert, {"trace": told})


def _again(insert: Any, more: Mapping[str, Any]) -> Any:
    waiting = work.c.done_version < work.c.want_version
    earlier = sa.case(
        (sa.and_(waiting, work.c.not_before < insert.excluded.not_before), work.c.not_before),
        else_=insert.excluded.not_before,
    )
    bumped = work.c.want_version + sa.literal_column("1")
    return insert.on_conflict_do_update(
        index_elements=[work.c.kind, work.c.key],
        set_={"want_version": bumped, "not_before": earlier, **more},
    )


MARK: Final = inserting(work, "kind", "key", "not_before", conflict=_marked_again)
MARK_EVERY_ITEM: Final = {
    name: _marked_again(
        dialect.insert(work).from_select(
            ["kind", "key", "not_before"],
            sa.select(
                sa.literal_column("'reconcile'"),
                sa.cast(items.c.id, sa.Text),
                sa.bindparam("_now", type_=work.c.not_before.type),
            )
            # SQLite would take the conflict for a join's condition.
            .where(sa.true())
            .order_by(sa.collate(sa.cast(items.c.id, sa.Text), collation)),
        )
    )
    for name, dialect, collation in (("sqlite", sqlite, "BINARY"), ("postgresql", postgresql, "C"))
}
"""One statement for a catalogue of any size; keys in the order in which all writers lock them."""
MARK_TRACED: Final = inserting(work, "kind", "key", "not_before", "trace", conflict=_traced_again)

_NOW: Final = sa.bindparam("_now", type_=work.c.not_before.type)
_OF_KIND: Final = work.c.kind == sa.bindparam("_kind")
_FREE: Final = sa.or_(work.c.lease_until.is_(None), work.c.lease_until <= _NOW)
_CLAIMABLE: Final = sa.and_(_DUE, work.c.not_before <= _NOW, _FREE)
_FREE_AT: Final = sa.case(
    (work.c.lease_until > work.c.not_before, work.c.lease_until), else_=work.c.not_before
)
NEXT_DUE: Final = sa.select(
    sa.select(work.c.not_before)
    .where(_OF_KIND, _DUE, _FREE)
    .order_by(work.c.not_before)
    .limit(1)
    .scalar_subquery(),
    sa.select(sa.func.min(_FREE_AT))
    .where(_OF_KIND, _DUE, work.c.lease_until > _NOW)
    .scalar_subquery(),
)
TAKEN: Final = (
    sa.update(work)
    .where(
        _OF_KIND,
        work.c.key.in_(
            sa.select(work.c.key)
            .where(_OF_KIND, _CLAIMABLE)
            .order_by(work.c.not_before)
            .limit(sa.bindparam("_limit"))
            .with_for_update(skip_locked=True)
        ),
    )
    .values(lease_until=sa.bindparam("_until"), lease_token=sa.bindparam("_token"))
    .returning(work.c.key, work.c.want_version, work.c.attempts, work.c.trace)
)
HELD_BY: Final = sa.select(work.c.lease_token, work.c.lease_until).where(
    _OF_KIND, work.c.key == sa.bindparam("_key")
)


def asking_which_are_due(kinds: Iterable[str]) -> sa.Select[Any]:
    """One row that says of each kind, under its name, whether a key of it may be claimed now.

    A key of each is looked for, for the due ones may be as many as there are items.
    """
    columns: list[Any] = [
        sa.exists().where(work.c.kind == sa.literal_column(f"'{kind}'"), _CLAIMABLE).label(kind)
        for kind in kinds
    ]
    return sa.select(*columns)
