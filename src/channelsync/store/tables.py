"""Every table, with the constraints that guard the books a second time.

Instants are POSIX seconds (double precision). Quantities are whole units. Listing quantities
(`exposure`, pushes, order lines) are in listing units; stock and movements of stock in item units.
Enumerations are stored as their text and checked.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import sqlalchemy as sa

from channelsync.domain.vocabulary import PushKind, PushSemantics

__all__ = [
    "ChannelState",
    "ListingState",
    "MovementKind",
    "PushState",
    "Quantity",
    "alarms",
    "assumptions",
    "attempts",
    "channels",
    "configurations",
    "dead_letters",
    "deliveries",
    "hold_lines",
    "holds",
    "idempotency",
    "items",
    "line_events",
    "line_stock",
    "listings",
    "locations",
    "metadata",
    "movements",
    "order_lines",
    "order_voids",
    "pushes",
    "readings",
    "recipes",
    "registers",
    "requests",
    "shortfalls",
    "stock",
    "work",
]


class ChannelState(StrEnum):
    """Where a channel is on its way into (or out of) the books."""

    ADOPTING = "adopting"
    ACTIVE = "active"
    REMOVED = "removed"
    """No longer configured; its exposure stays until it is zeroed and settled."""


class ListingState(StrEnum):
    """Whether a listing takes part."""

    ACTIVE = "active"
    REFUSED = "refused"
    """Found, yet unfit; `refusal` says why."""
    GONE = "gone"
    """No longer found on the channel."""


class PushState(StrEnum):
    """Life of a push. Everything but `closed` is open; a listing has at most one open push."""

    PLANNED = "planned"
    """Charged and waiting for its request."""
    SENDING = "sending"
    """Its request is fixed; copies may be under way."""
    QUARANTINE = "quarantine"
    """A proven cut, not released yet."""
    DOUBTFUL = "doubtful"
    """No more copies; only a settle closes it."""
    CLOSED = "closed"


class Quantity(StrEnum):
    """Which number a movement changes."""

    ON_HAND = "on_hand"
    RESERVED = "reserved"
    SAFETY_STOCK = "safety_stock"
    ON_ORDER = "on_order"
    EXPOSURE = "exposure"


class MovementKind(StrEnum):
    """Why a movement happened."""

    BASELINE = "baseline"
    COUNT = "count"
    ADJUSTMENT = "adjustment"
    SAFETY_STOCK = "safety_stock"
    SALE = "sale"
    CANCEL = "cancel"
    SHIPMENT = "shipment"
    RETURN = "return"
    RELIST = "relist"
    HOLD = "hold"
    HOLD_RELEASE = "hold_release"
    HOLD_EXPIRY = "hold_expiry"
    CHARGE = "charge"
    UNCHARGE = "uncharge"
    CUT_RELEASE = "cut_release"
    SETTLE = "settle"
    SLICE = "slice"
    REPAIR = "repair"


metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_ID = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_INSTANT: sa.Double[float] = sa.Double()


def _key() -> sa.Column[int]:
    return sa.Column("id", _ID, primary_key=True, autoincrement=True)


def _one_of(column: str, values: Iterable[str]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=column)


# ---------------------------------------------------------------- stock

items = sa.Table(
    "items",
    metadata,
    _key(),
    sa.Column("sku", sa.Text, nullable=False, unique=True),
    sa.Column("name", sa.Text, nullable=False, server_default=""),
    sa.Column("tags", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("created_at", _INSTANT, nullable=False),
)

locations = sa.Table(
    "locations",
    metadata,
    _key(),
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
    sa.Column("counted_at", _INSTANT),
    sa.CheckConstraint("reserved >= 0", name="reserved"),
    sa.CheckConstraint("safety_stock >= 0", name="safety_stock"),
    sa.CheckConstraint("on_order >= 0", name="on_order"),
)

movements = sa.Table(
    "movements",
    metadata,
    _key(),
    sa.Column("at", _INSTANT, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("quantity", sa.Text, nullable=False),
    sa.Column("delta", sa.Integer, nullable=False),
    sa.Column("item_id", sa.ForeignKey(items.c.id)),
    sa.Column("location_id", sa.ForeignKey(locations.c.id)),
    sa.Column("listing_id", _ID),
    sa.Column("reference", sa.Text, nullable=False, server_default=""),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    _one_of("kind", MovementKind),
    _one_of("quantity", Quantity),
    sa.CheckConstraint(
        "(quantity = 'exposure' AND listing_id IS NOT NULL AND item_id IS NULL"
        " AND location_id IS NULL) OR (quantity <> 'exposure' AND listing_id IS NULL"
        " AND item_id IS NOT NULL AND location_id IS NOT NULL)",
        name="subject",
    ),
    sa.Index("ix_movements_item", "item_id", "location_id", "id"),
    sa.Index("ix_movements_listing", "listing_id", "id"),
    sqlite_autoincrement=True,
)

# ---------------------------------------------------------------- channels and listings

channels = sa.Table(
    "channels",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("connector", sa.Text, nullable=False),
    sa.Column("pool", sa.Text, nullable=False),
    sa.Column("mode", sa.Text, nullable=False, server_default="live"),
    sa.Column("state", sa.Text, nullable=False, server_default="adopting"),
    sa.Column("paused_reason", sa.Text),
    sa.Column("baseline_at", _INSTANT, nullable=False),
    sa.Column("cursor", sa.Text),
    sa.Column("watermark", _INSTANT),
    sa.Column("watermark_lag", _INSTANT, nullable=False, server_default="0"),
    sa.Column("orders_imported", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("discovered_at", _INSTANT),
    sa.Column("subscribed_at", _INSTANT),
    sa.Column("last_delivery_at", _INSTANT),
    sa.Column("last_poll_at", _INSTANT),
    sa.Column("last_push_at", _INSTANT),
    sa.Column("failing_since", _INSTANT),
    sa.Column("last_error", sa.Text),
    _one_of("mode", ("live", "shadow", "paused")),
    _one_of("state", ChannelState),
)

listings = sa.Table(
    "listings",
    metadata,
    _key(),
    sa.Column("channel", sa.ForeignKey(channels.c.name), nullable=False),
    sa.Column("sku", sa.Text, nullable=False),
    sa.Column("title", sa.Text, nullable=False, server_default=""),
    sa.Column("external", sa.JSON, nullable=False, server_default="{}"),
    sa.Column("state", sa.Text, nullable=False, server_default="active"),
    sa.Column("refusal", sa.Text),
    sa.Column("semantics", sa.Text, nullable=False),
    # the escrow account; NULL exposure: never settled, counts as "all"
    sa.Column("exposure", sa.Integer),
    sa.Column("push_seq", sa.Integer, nullable=False, server_default="0"),
    sa.Column("attempts_open", sa.Integer, nullable=False, server_default="0"),
    sa.Column("outstanding_until", _INSTANT),
    sa.Column("lowered_until", _INSTANT),
    sa.Column("swallows_units", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("settle_reasons", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("settle_wanted", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("settled_at", _INSTANT),
    sa.Column("settled_from", _INSTANT),
    # what it showed last, and what policy wants of it
    sa.Column("remote", sa.Integer),
    sa.Column("remote_at", _INSTANT),
    sa.Column("target", sa.Integer, nullable=False, server_default="0"),
    sa.Column("drain_target", sa.Integer),
    sa.Column("last_push_at", _INSTANT),
    # demand, as domain.demand keeps it
    sa.Column("demand", sa.JSON, nullable=False, server_default="{}"),
    sa.UniqueConstraint("channel", "sku"),
    sa.CheckConstraint("exposure IS NULL OR exposure >= 0", name="exposure"),
    sa.CheckConstraint("attempts_open >= 0", name="attempts_open"),
    sa.CheckConstraint("target >= 0", name="target"),
    _one_of("state", ListingState),
    _one_of("semantics", PushSemantics),
    sa.Index(
        "ix_listings_settle",
        "channel",
        sqlite_where=sa.text("settle_wanted"),
        postgresql_where=sa.text("settle_wanted"),
    ),
)

recipes = sa.Table(
    "recipes",
    metadata,
    sa.Column("listing_id", sa.ForeignKey(listings.c.id), primary_key=True),
    sa.Column("item_id", sa.ForeignKey(items.c.id), primary_key=True),
    sa.Column("units", sa.Integer, nullable=False),
    sa.CheckConstraint("units > 0", name="units"),
    sa.Index("ix_recipes_item", "item_id"),
)

readings = sa.Table(
    "readings",
    metadata,
    sa.Column("listing_id", sa.ForeignKey(listings.c.id), primary_key=True),
    sa.Column("quantity", sa.Integer, nullable=False),
    sa.Column("sent_at", _INSTANT, nullable=False),
    sa.Column("received_at", _INSTANT, nullable=False),
    sa.Column("push_seq", sa.Integer, nullable=False),
)

assumptions = sa.Table(
    "assumptions",
    metadata,
    sa.Column("channel", sa.ForeignKey(channels.c.name), primary_key=True),
    sa.Column("listing_id", _ID, primary_key=True, server_default="0"),
    sa.Column("assumption", sa.Text, primary_key=True),
    sa.Column("holds", sa.Boolean, nullable=False),
    sa.Column("why", sa.Text, nullable=False, server_default=""),
    sa.Column("since", _INSTANT, nullable=False),
    sa.Column("checked_at", _INSTANT, nullable=False),
)

registers = sa.Table(
    "registers",
    metadata,
    sa.Column("channel", sa.ForeignKey(channels.c.name), primary_key=True),
    sa.Column("register_id", sa.Text, primary_key=True),
    sa.Column("complete_to", sa.Integer, nullable=False),
    sa.Column("beyond", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("heard_at", _INSTANT, nullable=False),
    sa.Column("gap_since", _INSTANT),
)

# ---------------------------------------------------------------- pushes

requests = sa.Table(
    "requests",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("channel", sa.ForeignKey(channels.c.name), nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("created_at", _INSTANT, nullable=False),
    sa.Column("first_sent_at", _INSTANT),
    sa.Column("not_before", _INSTANT, nullable=False, server_default="0"),
    sa.Column("done", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("channel", "key"),
    sa.Index(
        "ix_requests_open",
        "channel",
        sqlite_where=sa.text("NOT done"),
        postgresql_where=sa.text("NOT done"),
    ),
)

pushes = sa.Table(
    "pushes",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("listing_id", sa.ForeignKey(listings.c.id), nullable=False),
    sa.Column("channel", sa.ForeignKey(channels.c.name), nullable=False),
    sa.Column("request_id", sa.ForeignKey(requests.c.id)),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("units", sa.Integer, nullable=False),
    sa.Column("compare_with", sa.Integer),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("charged", sa.Integer, nullable=False, server_default="0"),
    sa.Column("copies", sa.Integer, nullable=False, server_default="0"),
    sa.Column("refused", sa.Integer, nullable=False, server_default="0"),
    sa.Column("retry_until", _INSTANT, nullable=False),
    sa.Column("release_after", _INSTANT),
    sa.Column("opened_at", _INSTANT, nullable=False),
    sa.Column("closed_at", _INSTANT),
    sa.Column("result", sa.Text),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("cause", sa.Text, nullable=False, server_default=""),
    _one_of("kind", PushKind),
    _one_of("state", PushState),
    sa.CheckConstraint("units >= 0 AND (units > 0 OR kind = 'zero')", name="units"),
    sa.CheckConstraint("charged >= 0", name="charged"),
    sa.CheckConstraint("refused <= copies", name="refused"),
    sa.CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed"),
    sa.Index(
        "uq_pushes_open",
        "listing_id",
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    ),
    sa.Index("ix_pushes_request", "request_id"),
    sa.Index("ix_pushes_listing", "listing_id", "opened_at"),
    sa.Index("ix_pushes_channel_state", "channel", "state"),
)

attempts = sa.Table(
    "attempts",
    metadata,
    _key(),
    sa.Column("request_id", sa.ForeignKey(requests.c.id), nullable=False),
    sa.Column("started_at", _INSTANT, nullable=False),
    sa.Column("deadline", _INSTANT, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("ended_at", _INSTANT),
    sa.Column("outcome", sa.Text),
    sa.Column("detail", sa.Text, nullable=False, server_default=""),
    sa.Index("ix_attempts_request", "request_id"),
    sa.Index(
        "ix_attempts_open",
        "id",
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    ),
)

# ---------------------------------------------------------------- orders

deliveries = sa.Table(
    "deliveries",
    metadata,
    _key(),
    sa.Column("channel", sa.ForeignKey(channels.c.name), nullable=False),
    sa.Column("dedupe_key", sa.Text, nullable=False),
    sa.Column("topic", sa.Text, nullable=False),
    sa.Column("received_at", _INSTANT, nullable=False),
    sa.Column("body_sha256", sa.Text, nullable=False),
    sa.Column("reduced", sa.JSON, nullable=False),
    sa.Column("done_at", _INSTANT),
    sa.UniqueConstraint("channel", "dedupe_key"),
    sa.Index(
        "ix_deliveries_pending",
        "channel",
        "id",
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    ),
)

order_lines = sa.Table(
    "order_lines",
    metadata,
    _key(),
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
    sa.Column("version", _INSTANT, nullable=False),
    sa.Column("sold_at", _INSTANT),
    sa.Column("cancelled_at", _INSTANT),
    sa.Column("shipped_at", _INSTANT),
    sa.Column("pending", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("moves_counter", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("cancel_effect", sa.Text, nullable=False),
    sa.Column("location", sa.Text),
    sa.Column("origin", sa.Text, nullable=False, server_default=""),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("first_heard_at", _INSTANT, nullable=False),
    sa.Column("heard_at", _INSTANT, nullable=False),
    sa.UniqueConstraint("channel", "order_id", "line_id"),
    sa.CheckConstraint(
        "ordered >= 0 AND cancelled >= 0 AND shipped >= 0 AND returned >= 0"
        " AND restocked >= 0 AND relisted >= 0",
        name="counts",
    ),
    sa.Index("ix_order_lines_listing", "listing_id", "id"),
    sa.Index(
        "ix_order_lines_parked",
        "channel",
        sqlite_where=sa.text("parked IS NOT NULL"),
        postgresql_where=sa.text("parked IS NOT NULL"),
    ),
)

order_voids = sa.Table(
    "order_voids",
    metadata,
    sa.Column("channel", sa.ForeignKey(channels.c.name), primary_key=True),
    sa.Column("order_id", sa.Text, primary_key=True),
    sa.Column("at", _INSTANT, nullable=False),
    sa.Column("cancel_effect", sa.Text, nullable=False),
    sa.Column("heard_at", _INSTANT, nullable=False),
)

line_stock = sa.Table(
    "line_stock",
    metadata,
    sa.Column("line_id", sa.ForeignKey(order_lines.c.id), primary_key=True),
    sa.Column("item_id", sa.ForeignKey(items.c.id), primary_key=True),
    sa.Column("location_id", sa.ForeignKey(locations.c.id), primary_key=True),
    sa.Column("reserved", sa.Integer, nullable=False, server_default="0"),
    sa.Column("shipped", sa.Integer, nullable=False, server_default="0"),
    sa.CheckConstraint("reserved >= 0 AND shipped >= 0", name="counts"),
)

line_events = sa.Table(
    "line_events",
    metadata,
    _key(),
    sa.Column("line_id", sa.ForeignKey(order_lines.c.id), nullable=False),
    sa.Column("listing_id", sa.ForeignKey(listings.c.id), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("units", sa.Integer, nullable=False),
    sa.Column("moved_at", _INSTANT),
    sa.Column("heard_at", _INSTANT, nullable=False),
    sa.CheckConstraint("units > 0", name="units"),
    sa.Index("ix_line_events_listing", "listing_id", "heard_at"),
)

shortfalls = sa.Table(
    "shortfalls",
    metadata,
    _key(),
    sa.Column("at", _INSTANT, nullable=False),
    sa.Column("channel", sa.ForeignKey(channels.c.name)),
    sa.Column("item_id", sa.ForeignKey(items.c.id), nullable=False),
    sa.Column("listing_id", _ID),
    sa.Column("units", sa.Integer, nullable=False),
    sa.Column("cause", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False, server_default=""),
    sa.CheckConstraint("units > 0", name="units"),
)

# ---------------------------------------------------------------- holds

holds = sa.Table(
    "holds",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("pool", sa.Text, nullable=False),
    sa.Column("channel", sa.Text),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False, server_default=""),
    sa.Column("created_at", _INSTANT, nullable=False),
    sa.Column("expires_at", _INSTANT, nullable=False),
    sa.Column("ended_at", _INSTANT),
    _one_of("state", ("active", "confirmed", "released", "expired")),
    sa.Index(
        "ix_holds_expiry",
        "expires_at",
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    ),
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

# ---------------------------------------------------------------- the machinery

work = sa.Table(
    "work",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("want_version", _ID, nullable=False, server_default="1"),
    sa.Column("done_version", _ID, nullable=False, server_default="0"),
    sa.Column("not_before", _INSTANT, nullable=False, server_default="0"),
    sa.Column("lease_until", _INSTANT),
    sa.Column("lease_token", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("last_error", sa.Text),
    sa.Index("ix_work_due", "kind", "not_before"),
)

dead_letters = sa.Table(
    "dead_letters",
    metadata,
    _key(),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("channel", sa.Text),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", _INSTANT, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="dead"),
    sa.Column("ended_at", _INSTANT),
    _one_of("state", ("dead", "replayed", "dropped")),
    sa.Index("ix_dead_letters_state", "state", "id"),
)

alarms = sa.Table(
    "alarms",
    metadata,
    _key(),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("channel", sa.Text),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("raised_at", _INSTANT, nullable=False),
    sa.Column("cleared_at", _INSTANT),
    sa.Index(
        "uq_alarms_open",
        "kind",
        "subject",
        unique=True,
        sqlite_where=sa.text("cleared_at IS NULL"),
        postgresql_where=sa.text("cleared_at IS NULL"),
    ),
)

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("created_at", _INSTANT, nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("body", sa.Text),
)

configurations = sa.Table(
    "configurations",
    metadata,
    _key(),
    sa.Column("fingerprint", sa.Text, nullable=False),
    sa.Column("applied_at", _INSTANT, nullable=False),
    sa.Column("error", sa.Text),
)
