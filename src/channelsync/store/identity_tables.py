"""Who may do what, and who did."""

from __future__ import annotations

import sqlalchemy as sa

from channelsync.domain.permissions import Role
from channelsync.store.schema import ID, INSTANT, key, metadata, one_of, only

__all__ = [
    "api_keys",
    "audit",
    "proposals",
    "recovery_codes",
    "second_factors",
    "sessions",
    "sign_ins",
    "users",
]

DIGEST_CHARACTERS = 64

users = sa.Table(
    "users",
    metadata,
    key(),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("password_hash", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    # lists of names; null: all of them
    sa.Column("channels", sa.JSON(none_as_null=True)),
    sa.Column("locations", sa.JSON(none_as_null=True)),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("removed_at", INSTANT),
    one_of("role", Role),
    # Somebody who left keeps his row: what he did names him. His name may be given again.
    sa.Index("uq_users_present", "name", unique=True, **only("removed_at IS NULL")),
)

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("user_id", sa.ForeignKey(users.c.id), nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("seen_at", INSTANT, nullable=False),
    sa.Index("ix_sessions_user", "user_id"),
)

second_factors = sa.Table(
    "second_factors",
    metadata,
    sa.Column("user_id", sa.ForeignKey(users.c.id), primary_key=True),
    # null: it is not on yet
    sa.Column("since", INSTANT),
    # a secret waits for its first code; the secrets themselves are kept, sealed
    sa.Column("prepared_at", INSTANT),
    # of the code that was taken last: neither it nor an earlier one is taken again
    sa.Column("last_step", ID),
)

recovery_codes = sa.Table(
    "recovery_codes",
    metadata,
    sa.Column("user_id", sa.ForeignKey(users.c.id), primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("used_at", INSTANT),
    sa.CheckConstraint(f"length(digest) = {DIGEST_CHARACTERS}", name="digest"),
)

# Whoever has given the password and not yet the second factor: no session before.
sign_ins = sa.Table(
    "sign_ins",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("user_id", sa.ForeignKey(users.c.id), nullable=False),
    sa.Column("created_at", INSTANT, nullable=False),
    # wrong codes so far
    sa.Column("tries", sa.Integer, nullable=False, server_default="0"),
    sa.CheckConstraint("tries >= 0", name="tries"),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("scopes", sa.JSON, nullable=False),
    sa.Column("channels", sa.JSON(none_as_null=True)),
    sa.Column("locations", sa.JSON(none_as_null=True)),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("expires_at", INSTANT, nullable=False),
    sa.Column("used_at", INSTANT),
    sa.Column("revoked_at", INSTANT),
    sa.CheckConstraint(f"length(digest) = {DIGEST_CHARACTERS}", name="digest"),
)

# What one user has proposed and another must approve.
proposals = sa.Table(
    "proposals",
    metadata,
    key(),
    sa.Column("kind", sa.Text, nullable=False),
    # JSON texts: what was asked for, and what it was about as it was then
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("seen", sa.Text, nullable=False),
    sa.Column("channel", sa.Text),
    sa.Column("locations", sa.JSON, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="waiting"),
    sa.Column("created_at", INSTANT, nullable=False),
    sa.Column("created_by", sa.Text, nullable=False),
    sa.Column("expires_at", INSTANT, nullable=False),
    sa.Column("decided_at", INSTANT),
    sa.Column("decided_by", sa.Text),
    one_of("state", ("waiting", "approved", "refused")),
    sa.CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided"),
    sa.CheckConstraint("state <> 'approved' OR decided_by <> created_by", name="two"),
)

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("position", ID, primary_key=True, autoincrement=False),
    sa.Column("at", INSTANT, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    # JSON texts: hashed as they stand
    sa.Column("before", sa.Text),
    sa.Column("after", sa.Text),
    # the request's id, as its answer and the log have it
    sa.Column("request", sa.Text),
    sa.Column("digest", sa.Text, nullable=False),
    sa.CheckConstraint("position > 0", name="position"),
    sa.CheckConstraint(f"length(digest) = {DIGEST_CHARACTERS}", name="digest"),
    sa.Index("ix_audit_subject", "subject", "position"),
    sa.Index("ix_audit_actor", "actor", "position"),
)
