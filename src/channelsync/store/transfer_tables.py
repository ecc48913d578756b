"""Units between locations, and units that came back from customers."""

from __future__ import annotations

import sqlalchemy as sa

from channelsync.domain.transfers import Difference, TransferState
from channelsync.store.order_tables import order_lines
from channelsync.store.schema import INSTANT, key, metadata, one_of, only
from channelsync.store.stock_tables import items, locations
from channelsync.store.words import InspectionOutcome

__all__ = ["inspections", "transfer_differences", "transfers"]

transfers = sa.Table(
    "transfers",
    metadata,
    key(),
    sa.Column("item_id", sa.ForeignKey(items.c.id), nullable=False),
    sa.Column("source_id", sa.ForeignKey(locations.c.id), nullable=False),
    sa.Column("target_id", sa.ForeignKey(locations.c.id), nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("units", sa.Integer, nullable=False),
    sa.Column("received", sa.Integer, nullable=False, server_default="0"),
    sa.Column("written_off", sa.Integer, nullable=False, server_default="0"),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("shipped_at", INSTANT),
    sa.Column("closed_at", INSTANT),
    one_of("state", TransferState),
    sa.CheckConstraint("source_id <> target_id", name="places"),
    sa.CheckConstraint(
        "units > 0 AND received >= 0 AND written_off >= 0 AND received + written_off <= units",
        name="units",
    ),
    sa.Index("ix_transfers_open", "id", **only("closed_at IS NULL")),
    sqlite_autoincrement=True,
)

transfer_differences = sa.Table(
    "transfer_differences",
    metadata,
    key(),
    sa.Column("transfer_id", sa.ForeignKey(transfers.c.id), nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("units", sa.Integer, nullable=False),
    sa.Column("at", INSTANT, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    one_of("cause", Difference),
    sa.CheckConstraint("units > 0", name="units"),
    sa.Index("ix_transfer_differences_transfer", "transfer_id"),
)

inspections = sa.Table(
    "inspections",
    metadata,
    key(),
    sa.Column("line_id", sa.ForeignKey(order_lines.c.id)),
    sa.Column("item_id", sa.ForeignKey(items.c.id), nullable=False),
    sa.Column("location_id", sa.ForeignKey(locations.c.id), nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("units", sa.Integer, nullable=False),
    sa.Column("by_channel", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("at", INSTANT, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    one_of("outcome", InspectionOutcome),
    sa.CheckConstraint("units > 0", name="units"),
    sa.Index("ix_inspections_line", "line_id", "item_id"),
)
