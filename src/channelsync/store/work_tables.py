"""Work, dead letters, alarms and other machinery."""

from __future__ import annotations

import sqlalchemy as sa

from channelsync.store.schema import ID, INSTANT, key, metadata, one_of, only

__all__ = [
    "alarms",
    "books",
    "configurations",
    "dead_letters",
    "idempotency",
    "pruned",
    "work",
]

work = sa.Table(
    "work",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("want_version", ID, nullable=False, server_default="1"),
    sa.Column("done_version", ID, nullable=False, server_default="0"),
    sa.Column("not_before", INSTANT, nullable=False, server_default="0"),
    sa.Column("lease_until", INSTANT),
    sa.Column("lease_token", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("last_error", sa.Text),
    # what it came of, for whoever wants traces; NULL where nobody does
    sa.Column("trace", sa.Text),
    # Keys that are done stay, and outnumber the due ones: neither index knows them.
    sa.Index("ix_work_due", "kind", "not_before", **only("done_version < want_version")),
    sa.Index("ix_work_leased", "kind", "lease_until", **only("lease_until IS NOT NULL")),
)

dead_letters = sa.Table(
    "dead_letters",
    metadata,
    key(),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("channel", sa.Text),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="dead"),
    sa.Column("ended_at", INSTANT),
    one_of("state", ("dead", "replayed", "dropped")),
    sa.Index("ix_dead_letters_state", "state", "id"),
)

alarms = sa.Table(
    "alarms",
    metadata,
    key(),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("channel", sa.Text),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("raised_at", INSTANT, nullable=False),
    sa.Column("cleared_at", INSTANT),
    sa.Index("uq_alarms_open", "kind", "subject", unique=True, **only("cleared_at IS NULL")),
)

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("body", sa.Text),
    sa.Index("ix_idempotency_created", "created_at"),
)

books = sa.Table(
    "books",
    metadata,
    # One row: which books these are, and how often they were doubted as a whole.
    sa.Column("one", sa.Integer, primary_key=True, server_default="1"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("epoch", ID, nullable=False, server_default="0"),
    sa.CheckConstraint("one = 1", name="one"),
)

configurations = sa.Table(
    "configurations",
    metadata,
    key(),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("applied_at", INSTANT, nullable=False),
    sa.Column("error", sa.Text),
)

pruned = sa.Table(
    "pruned",
    metadata,
    # What was pruned, so that counters go on: by kind, channel and outcome.
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("cause", sa.Text, primary_key=True),
    sa.Column("rows", ID, nullable=False),
)
