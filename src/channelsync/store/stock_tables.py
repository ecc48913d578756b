"""Stock at locations, the ledger, and holds on it."""

from __future__ import annotations

import sqlalchemy as sa

from channelsync.store.schema import ID, INSTANT, ROOM_TO_CHANGE, key, metadata, one_of, only
from channelsync.store.words import MovementKind, Quantity

__all__ = [
    "hold_lines",
    "holds",
    "items",
    "locations",
    "movements",
    "stock",
]

items = sa.Table(
    "items",
    metadata,
    key(),
    sa.Column("sku", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False, server_default=""),
    sa.Column("tags", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("created_at", INSTANT, nullable=False),
)

locations = sa.Table(
    "locations",
    metadata,
    key(),
    sa.Column("code", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False, server_default=""),
    sa.Column("pool", sa.Text, nullable=False),
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
    sa.Column("active", sa.Boolean, nullable=False, server_default=sa.true()),
)

stock = sa.Table(
    "stock",
    metadata,
    sa.Column("item_id", sa.ForeignKey(items.c.id), primary_key=True),
    sa.Column("location_id", sa.ForeignKey(locations.c.id), primary_key=True),
    sa.Column("on_hand", sa.Integer, nullable=False, server_default="0"),
    sa.Column("reserved", sa.Integer, nullable=False, server_default="0"),
    sa.Column("safety_stock", sa.Integer, nullable=False, server_default="0"),
    sa.Column("on_order", sa.Integer, nullable=False, server_default="0"),
    sa.Column("in_transit", sa.Integer, nullable=False, server_default="0"),
    sa.Column("counted_at", INSTANT),
    sa.CheckConstraint("reserved >= 0", name="reserved"),
    sa.CheckConstraint("safety_stock >= 0", name="safety_stock"),
    sa.CheckConstraint("on_order >= 0", name="on_order"),
    sa.CheckConstraint("in_transit >= 0", name="in_transit"),
    postgresql_with=ROOM_TO_CHANGE,
)

movements = sa.Table(
    "movements",
    metadata,
    key(),
    sa.Column("at", INSTANT, nullable=False),
    # when the units moved, where that was before they were booked
    sa.Column("moved_at", INSTANT),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("quantity", sa.Text, nullable=False),
    sa.Column("delta", sa.Integer, nullable=False),
    sa.Column("item_id", ID),
    sa.Column("location_id", ID),
    sa.Column("listing_id", ID),
    sa.Column("reference", sa.Text, nullable=False, server_default=""),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    one_of("kind", MovementKind),
    one_of("quantity", Quantity),
    sa.CheckConstraint(
        "(quantity = 'exposure' AND listing_id IS NOT NULL AND item_id IS NULL"
        " AND location_id IS NULL) OR (quantity <> 'exposure' AND listing_id IS NULL"
        " AND item_id IS NOT NULL AND location_id IS NOT NULL)",
        name="subject",
    ),
    # Of the balance that it changes: one look for item and location, at every movement.
    sa.ForeignKeyConstraint(
        ["item_id", "location_id"],
        [stock.c.item_id, stock.c.location_id],
        name="fk_movements_stock",
    ),
    sa.Index("ix_movements_item", "item_id", "location_id", "id"),
    sa.Index("ix_movements_listing", "listing_id", "id"),
    # What left the house by day: reports look at days, not at the whole ledger.
    sa.Index(
        "ix_movements_shipped",
        "at",
        "delta",
        **only("kind = 'shipment' AND quantity = 'on_hand'"),
    ),
    sqlite_autoincrement=True,
)

holds = sa.Table(
    "holds",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("pool", sa.Text, nullable=False),
    sa.Column("channel", sa.Text),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False, server_default=""),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("expires_at", INSTANT, nullable=False),
    sa.Column("ended_at", INSTANT),
    one_of("state", ("active", "confirmed", "released", "expired")),
    sa.Index("ix_holds_ended", "ended_at", **only("ended_at IS NOT NULL")),
    sa.Index("ix_holds_expiry", "expires_at", **only("state = 'active'")),
)

hold_lines = sa.Table(
    "hold_lines",
    metadata,
    sa.Column("hold_id", sa.ForeignKey(holds.c.id), primary_key=True),
    sa.Column("item_id", sa.ForeignKey(items.c.id), primary_key=True),
    sa.Column("location_id", sa.ForeignKey(locations.c.id), primary_key=True),
    sa.Column("units", sa.Integer, nullable=False),
    sa.CheckConstraint("units > 0", name="units"),
)
