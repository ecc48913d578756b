"""Outgoing events, where they are sent, and what became of it."""

from __future__ import annotations

import sqlalchemy as sa

from channelsync.store.schema import ID, INSTANT, key, metadata, only

__all__ = ["endpoints", "event_deliveries", "events"]

events = sa.Table(
    "events",
    metadata,
    key(),
    # its place in the stream; null until the sequencer has come to it
    sa.Column("position", ID, unique=True),
    sa.Column("at", INSTANT, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    # a JSON text: sent as it stands
    sa.Column("data", sa.Text, nullable=False),
    # of stock: every movement up to this one is told
    sa.Column("movement_id", ID),
    # for one endpoint alone: a test
    sa.Column("endpoint_id", sa.Text),
    sa.Index("ix_events_movement", "movement_id", **only("movement_id IS NOT NULL")),
    sa.Index("ix_events_at", "at"),
)

endpoints = sa.Table(
    "endpoints",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False, server_default=""),
    # a list; null: every type
    sa.Column("types", sa.JSON(none_as_null=True)),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    # the secret is worked out from the program's own key, this id and this number
    sa.Column("secret_version", sa.Integer, nullable=False, server_default="1"),
    sa.Column("rotated_at", INSTANT),
    sa.Column("failing_since", INSTANT),
    sa.Column("disabled_at", INSTANT),
    sa.Column("disabled_why", sa.Text),
    sa.Column("removed_at", INSTANT),
)

event_deliveries = sa.Table(
    "event_deliveries",
    metadata,
    sa.Column("endpoint_id", sa.ForeignKey(endpoints.c.id), primary_key=True),
    sa.Column("position", ID, primary_key=True, autoincrement=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    # null: it is done, or given up
    sa.Column("not_before", INSTANT),
    sa.Column("delivered_at", INSTANT),
    sa.Column("last_status", sa.Integer),
    sa.Column("last_error", sa.Text),
    sa.Index(
        "ix_event_deliveries_due",
        "endpoint_id",
        "not_before",
        **only("not_before IS NOT NULL"),
    ),
)
