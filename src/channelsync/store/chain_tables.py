"""The sealed ledger: one seal a movement, and the heads that were told outside."""

from __future__ import annotations

import sqlalchemy as sa

from channelsync.store.schema import ID, INSTANT, key, metadata
from channelsync.store.stock_tables import movements

__all__ = ["anchors", "seals"]

DIGEST_CHARACTERS = 64

seals = sa.Table(
    "seals",
    metadata,
    sa.Column("position", ID, primary_key=True, autoincrement=False),
    sa.Column("movement_id", sa.ForeignKey(movements.c.id), nullable=False, unique=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("sealed_at", INSTANT, nullable=False),
    sa.CheckConstraint("position > 0", name="position"),
    sa.CheckConstraint(f"length(digest) = {DIGEST_CHARACTERS}", name="digest"),
)

anchors = sa.Table(
    "anchors",
    metadata,
    key(),
    sa.Column("at", INSTANT, nullable=False),
    sa.Column("position", ID, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("trail_position", ID, nullable=False, server_default="0"),
    sa.Column("place", sa.Text, nullable=False),
    sa.Index("ix_anchors_place", "place", "id"),
)
