"""What people are to be told, and which items are short."""

from __future__ import annotations

import sqlalchemy as sa

from channelsync.store.schema import INSTANT, key, metadata, one_of, only
from channelsync.store.stock_tables import items

__all__ = ["low_stock", "notices"]

notices = sa.Table(
    "notices",
    metadata,
    key(),
    # what happened, whose rule wants it told, and to whom: each is told once
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("channel", sa.Text),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("is_over", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("happened_at", INSTANT, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
    sa.Column("due_at", INSTANT, nullable=False),
    # sent once at least, and the answer was lost
    sa.Column("repeated", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("ended_at", INSTANT),
    sa.Column("error", sa.Text),
    sa.UniqueConstraint("event", "rule", "target"),
    one_of("state", ("waiting", "sending", "sent", "given_up")),
    sa.Index("ix_notices_ended", "ended_at", **only("ended_at IS NOT NULL")),
    sa.Index("ix_notices_open", "due_at", **only("ended_at IS NULL")),
)

low_stock = sa.Table(
    "low_stock",
    metadata,
    sa.Column("pool", sa.Text, primary_key=True),
    sa.Column("item_id", sa.ForeignKey(items.c.id), primary_key=True),
    sa.Column("since", INSTANT, nullable=False),
    sa.Column("atp", sa.Integer, nullable=False),
)
