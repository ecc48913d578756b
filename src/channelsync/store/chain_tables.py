"""The sealed ledger: one seal a movement, where it was folded, and the heads told outside."""

from __future__ import annotations

import sqlalchemy as sa

from channelsync.store.schema import ID, INSTANT, key, metadata
from channelsync.store.stock_tables import movements

__all__ = ["anchors", "folds", "seals"]

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

folds = sa.Table(
    "folds",
    metadata,
    key(),
    # every movement that was folded happened before
    sa.Column("before_at", INSTANT, nullable=False),
    # the last seal of those, with which the chain begins now
    sa.Column("position", ID, nullable=False, unique=True),
    sa.Column("movement_id", ID, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    # how many movements were put into the archive, and what stays in their place
    sa.Column("archived", ID, nullable=False),
    sa.Column("remaining", ID, nullable=False),
    sa.Column("remaining_digest", sa.Text, nullable=False),
    # listings of which every movement is still needed
    sa.Column("kept_listings", sa.JSON, nullable=False),
    sa.Column("begun_at", INSTANT, nullable=False),
    sa.Column("ended_at", INSTANT),
    sa.CheckConstraint("position > 0", name="position"),
    sa.CheckConstraint(f"length(digest) = {DIGEST_CHARACTERS}", name="digest"),
    sa.CheckConstraint(f"length(remaining_digest) = {DIGEST_CHARACTERS}", name="remaining_digest"),
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
