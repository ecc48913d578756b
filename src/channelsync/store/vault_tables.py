"""Secrets that are kept, each sealed; and the keys that seal them, sealed themselves."""

from __future__ import annotations

import sqlalchemy as sa

from channelsync.store.schema import INSTANT, metadata, only

__all__ = ["data_keys", "kept_secrets"]

data_keys = sa.Table(
    "data_keys",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("wrapped", sa.LargeBinary, nullable=False),
    # which of the operator's keys opens it
    sa.Column("wrapped_by", sa.Text, nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    # what is new is sealed under this one; the others wait until nothing is left under them
    sa.Column("is_current", sa.Boolean, nullable=False),
    sa.Index("uq_data_keys_current", "is_current", unique=True, **only("is_current")),
)

kept_secrets = sa.Table(
    "kept_secrets",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("key_id", sa.ForeignKey(data_keys.c.id), nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    # grows with every new value, not with a new key
    sa.Column("version", sa.Integer, nullable=False, server_default="1"),
    sa.Column("changed_at", INSTANT, nullable=False),
    sa.Column("changed_by", sa.Text, nullable=False),
    sa.Index("ix_kept_secrets_key", "key_id"),
)
