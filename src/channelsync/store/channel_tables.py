"""Channels, their listings with the escrow accounts, and what is sent to them."""

from __future__ import annotations

import sqlalchemy as sa

from channelsync.domain.vocabulary import PushKind, PushSemantics
from channelsync.store.schema import (
    ID,
    INSTANT,
    ROOM_TO_CHANGE,
    is_set,
    key,
    metadata,
    one_of,
    only,
)
from channelsync.store.stock_tables import items
from channelsync.store.words import ChannelState, ListingState, PushState

__all__ = [
    "assumptions",
    "attempts",
    "channels",
    "listings",
    "offers",
    "pushes",
    "readings",
    "recipes",
    "registers",
    "requests",
]

channels = sa.Table(
    "channels",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("connector", sa.Text, nullable=False),
    sa.Column("pool", sa.Text, nullable=False),
    sa.Column("mode", sa.Text, nullable=False, server_default="live"),
    sa.Column("state", sa.Text, nullable=False, server_default="adopting"),
    sa.Column("paused_reason", sa.Text),
    sa.Column("baseline_at", INSTANT, nullable=False),
    sa.Column("cursor", sa.Text),
    sa.Column("watermark", INSTANT),
    sa.Column("watermark_lag", INSTANT, nullable=False, server_default="0"),
    sa.Column("orders_imported", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("discovered_at", INSTANT),
    # a search of the catalogue that goes on: its first page, the next one, what it found so far
    sa.Column("search_began_at", INSTANT),
    sa.Column("search_cursor", sa.Text),
    sa.Column("search_read", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("search_stored", sa.Integer, nullable=False, server_default="0"),
    # the first load of all its listings: since when, until when, and at which rates it could go
    sa.Column("load_began_at", INSTANT),
    sa.Column("loaded_at", INSTANT),
    sa.Column("load_rates", sa.JSON),
    sa.Column("subscribed_at", INSTANT),
    sa.Column("last_delivery_at", INSTANT),
    sa.Column("last_poll_at", INSTANT),
    sa.Column("last_push_at", INSTANT),
    sa.Column("failing_since", INSTANT),
    sa.Column("last_error", sa.Text),
    one_of("mode", ("live", "shadow", "paused")),
    one_of("state", ChannelState),
)

offers = sa.Table(
    "offers",
    metadata,
    key(),
    sa.Column("channel", sa.ForeignKey(channels.c.name), nullable=False),
    sa.Column("sku", sa.Text, nullable=False),
    sa.Column("external", sa.JSON, nullable=False),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("quantity", sa.Integer),
    sa.Column("refused", sa.Text),
    sa.Index("ix_offers_channel", "channel"),
)

listings = sa.Table(
    "listings",
    metadata,
    key(),
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
    sa.Column("outstanding_until", INSTANT),
    sa.Column("lowered_until", INSTANT),
    sa.Column("swallows_units", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("settle_reasons", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("settle_wanted", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("settled_at", INSTANT),
    sa.Column("proven_at", INSTANT),
    sa.Column("settled_from", INSTANT),
    sa.Column("settled_to", INSTANT),
    # what it showed last, and what policy wants of it
    sa.Column("remote", sa.Integer),
    # in an index in place of `remote`, which changes with every sale: a row is written once where
    # nothing that an index looks at has changed
    sa.Column("unread", sa.Boolean, sa.Computed("remote IS NULL", persisted=True), nullable=False),
    sa.Column("remote_at", INSTANT),
    sa.Column("told", sa.Integer),
    sa.Column("target", sa.Integer, nullable=False, server_default="0"),
    sa.Column("drain_target", sa.Integer),
    sa.Column("last_push_at", INSTANT),
    # demand, as domain.demand keeps it
    sa.Column("demand", sa.JSON, nullable=False, server_default="{}"),
    sa.UniqueConstraint("channel", "sku"),
    sa.CheckConstraint("exposure IS NULL OR exposure >= 0", name="exposure"),
    sa.CheckConstraint("attempts_open >= 0", name="attempts_open"),
    sa.CheckConstraint("target >= 0", name="target"),
    one_of("state", ListingState),
    one_of("semantics", PushSemantics),
    sa.Index("ix_listings_settle", "channel", **is_set("settle_wanted")),
    sa.Index("ix_listings_unread", "channel", **is_set("unread")),
    postgresql_with=ROOM_TO_CHANGE,
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
    sa.Column("sent_at", INSTANT, nullable=False),
    sa.Column("received_at", INSTANT, nullable=False),
    sa.Column("push_seq", sa.Integer, nullable=False),
)

assumptions = sa.Table(
    "assumptions",
    metadata,
    sa.Column("channel", sa.ForeignKey(channels.c.name), primary_key=True),
    sa.Column("listing_id", ID, primary_key=True, server_default="0"),
    sa.Column("assumption", sa.Text, primary_key=True),
    sa.Column("holds", sa.Boolean, nullable=False),
    sa.Column("why", sa.Text, nullable=False, server_default=""),
    sa.Column("since", INSTANT, nullable=False),
    sa.Column("checked_at", INSTANT, nullable=False),
)

registers = sa.Table(
    "registers",
    metadata,
    sa.Column("channel", sa.ForeignKey(channels.c.name), primary_key=True),
    sa.Column("register_id", sa.Text, primary_key=True),
    sa.Column("complete_to", sa.Integer, nullable=False),
    sa.Column("beyond", sa.JSON, nullable=False, server_default="[]"),
    sa.Column("heard_at", INSTANT, nullable=False),
    sa.Column("gap_since", INSTANT),
)

requests = sa.Table(
    "requests",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("channel", sa.ForeignKey(channels.c.name), nullable=False),
    sa.Column("operation", sa.Text, nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("first_sent_at", INSTANT),
    sa.Column("not_before", INSTANT, nullable=False, server_default="0"),
    sa.Column("done", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.UniqueConstraint("channel", "key"),
    sa.Index("ix_requests_open", "channel", "created_at", **is_set("done", to=False)),
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
    sa.Column("retry_until", INSTANT, nullable=False),
    sa.Column("release_after", INSTANT),
    sa.Column("opened_at", INSTANT, nullable=False),
    sa.Column("closed_at", INSTANT),
    # what is measured of an absolute set: how late it applies
    sa.Column("shown_before", sa.Integer),
    sa.Column("accepted_at", INSTANT),
    sa.Column("seen_at", INSTANT),
    sa.Column("looks", sa.Integer, nullable=False, server_default="0"),
    sa.Column("result", sa.Text),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("cause", sa.Text, nullable=False, server_default=""),
    sa.Column("trace", sa.Text),
    one_of("kind", PushKind),
    one_of("state", PushState),
    sa.CheckConstraint("units >= 0 AND (units > 0 OR kind = 'zero')", name="units"),
    sa.CheckConstraint("charged >= 0", name="charged"),
    sa.CheckConstraint("refused <= copies", name="refused"),
    sa.CheckConstraint("(state = 'closed') = (closed_at IS NOT NULL)", name="closed"),
    sa.Index("uq_pushes_open", "listing_id", unique=True, **only("closed_at IS NULL")),
    sa.Index("ix_pushes_request", "request_id"),
    sa.Index("ix_pushes_listing", "listing_id", "opened_at"),
    sa.Index("ix_pushes_channel_open", "channel", "state", **only("closed_at IS NULL")),
    sa.Index("ix_pushes_opened", "opened_at"),
    sa.Index("ix_pushes_seen", "seen_at", **only("seen_at IS NOT NULL")),
)

attempts = sa.Table(
    "attempts",
    metadata,
    key(),
    sa.Column("request_id", sa.ForeignKey(requests.c.id), nullable=False),
    sa.Column("started_at", INSTANT, nullable=False),
    sa.Column("deadline", INSTANT, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("ended_at", INSTANT),
    sa.Column("outcome", sa.Text),
    sa.Column("detail", sa.Text, nullable=False, server_default=""),
    # the channel's own batch that carries it, and when to ask for that again
    sa.Column("ticket", sa.Text),
    sa.Column("look_at", INSTANT),
    sa.Index("ix_attempts_request", "request_id"),
    sa.Index("ix_attempts_started", "started_at"),
    sa.Index("ix_attempts_open", "id", **only("ended_at IS NULL")),
)
