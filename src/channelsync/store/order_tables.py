"""Deliveries, order lines and what they moved."""

from __future__ import annotations

import sqlalchemy as sa

from channelsync.store.channel_tables import channels, listings
from channelsync.store.schema import ID, INSTANT, key, metadata, only
from channelsync.store.stock_tables import items, stock

__all__ = [
    "deliveries",
    "inbox",
    "line_events",
    "line_stock",
    "order_lines",
    "order_voids",
    "shortfalls",
]

deliveries = sa.Table(
    "deliveries",
    metadata,
    key(),
    sa.Column("channel", sa.ForeignKey(channels.c.name), nullable=False),
    sa.Column("dedupe_key", sa.Text, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("received_at", INSTANT, nullable=False),
    sa.Column("body_sha256", sa.Text, nullable=False),
    sa.Column("reduced", sa.JSON, nullable=False),
    sa.Column("trace", sa.Text),
    sa.UniqueConstraint("channel", "dedupe_key"),
    sa.Index("ix_deliveries_received", "received_at"),
)

# Deliveries that wait for their intake. Rows of their own: a mark in the delivery would have the
# database write all of it a second time. No foreign key, which would write it once more to lock it.
inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("delivery_id", ID, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

order_lines = sa.Table(
    "order_lines",
    metadata,
    key(),
    sa.Column("channel", sa.ForeignKey(channels.c.name), nullable=False),
    sa.Column("order_id", sa.Text, nullable=False),
    sa.Column("line_id", sa.Text, nullable=False),
    sa.Column("sku", sa.Text),
    sa.Column("external", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("listing_id", sa.ForeignKey(listings.c.id)),
    sa.Column("parked", sa.Text),
    sa.Column("ordered", sa.Integer, nullable=False),
    sa.Column("cancelled", sa.Integer, nullable=False, server_default="0"),
    sa.Column("shipped", sa.Integer, nullable=False, server_default="0"),
    sa.Column("returned", sa.Integer, nullable=False, server_default="0"),
    sa.Column("restocked", sa.Integer, nullable=False, server_default="0"),
    sa.Column("relisted", sa.Integer, nullable=False, server_default="0"),
    sa.Column("version", INSTANT, nullable=False),
    sa.Column("sold_at", INSTANT),
    sa.Column("cancelled_at", INSTANT),
    sa.Column("shipped_at", INSTANT),
    sa.Column("returned_at", INSTANT),
    sa.Column("pending", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("moves_counter", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("cancel_effect", sa.Text, nullable=False),
    sa.Column("location", sa.Text),
    sa.Column("origin", sa.Text, nullable=False, server_default=""),
    # counted before its listing was given another recipe: `line_stock.units` says what it sold
    sa.Column("old_recipe", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("first_heard_at", INSTANT, nullable=False),
    # from the sale until we heard of it; NULL for what was imported, or where the time is unknown
    sa.Column("heard_after", INSTANT),
    sa.Column("heard_at", INSTANT, nullable=False),
    sa.UniqueConstraint("channel", "order_id", "line_id"),
    sa.CheckConstraint(
        "ordered >= 0 AND cancelled >= 0 AND shipped >= 0 AND returned >= 0"
        " AND restocked >= 0 AND relisted >= 0",
        name="counts",
    ),
    sa.Index("ix_order_lines_heard", "first_heard_at"),
    sa.Index("ix_order_lines_listing", "listing_id", "id"),
    sa.Index("ix_order_lines_unknown", "sku", **only("listing_id IS NULL")),
    sa.Index("ix_order_lines_parked", "channel", **only("parked IS NOT NULL")),
)

order_voids = sa.Table(
    "order_voids",
    metadata,
    sa.Column("channel", sa.ForeignKey(channels.c.name), primary_key=True),
    sa.Column("order_id", sa.Text, primary_key=True),
    sa.Column("at", INSTANT, nullable=False),
    sa.Column("cancel_effect", sa.Text, nullable=False),
    sa.Column("heard_at", INSTANT, nullable=False),
)

line_stock = sa.Table(
    "line_stock",
    metadata,
    sa.Column("line_id", sa.ForeignKey(order_lines.c.id), primary_key=True),
    sa.Column("item_id", ID, primary_key=True, autoincrement=False),
    sa.Column("location_id", ID, primary_key=True, autoincrement=False),
    # of the item in one unit of the offer, as it was sold
    sa.Column("units", sa.Integer, nullable=False),
    sa.Column("reserved", sa.Integer, nullable=False, server_default="0"),
    sa.Column("shipped", sa.Integer, nullable=False, server_default="0"),
    sa.CheckConstraint("reserved >= 0 AND shipped >= 0", name="counts"),
    sa.ForeignKeyConstraint(
        ["item_id", "location_id"],
        [stock.c.item_id, stock.c.location_id],
        name="fk_line_stock_stock",
    ),
)

line_events = sa.Table(
    "line_events",
    metadata,
    key(),
    sa.Column("line_id", sa.ForeignKey(order_lines.c.id), nullable=False),
    sa.Column("listing_id", sa.ForeignKey(listings.c.id), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("units", sa.Integer, nullable=False),
    sa.Column("moved_at", INSTANT),
    sa.Column("heard_at", INSTANT, nullable=False),
    sa.CheckConstraint("units > 0", name="units"),
    sa.Index("ix_line_events_listing", "listing_id", "heard_at"),
)

shortfalls = sa.Table(
    "shortfalls",
    metadata,
    key(),
    sa.Column("at", INSTANT, nullable=False),
    sa.Column("channel", sa.ForeignKey(channels.c.name)),
    sa.Column("item_id", sa.ForeignKey(items.c.id), nullable=False),
    sa.Column("listing_id", ID),
    sa.Column("units", sa.Integer, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False, server_default=""),
    sa.CheckConstraint("units > 0", name="units"),
    sa.Index("ix_shortfalls_at", "at"),
)
