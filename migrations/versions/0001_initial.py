"""The first schema: every table; the ledger and the audit trail can only be appended.

A fold under way moves old movements into an archive; only those may be deleted.

The tables' statements lie in `0001_initial.sqlite.sql` and `0001_initial.postgresql.sql`, one
statement a block. They are written once from the metadata and then stay as they are, whatever the
metadata becomes (README.md of this folder).
"""

from __future__ import annotations

import re
from pathlib import Path

from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None

_REFUSALS = {
    "movements": "movements are append-only: correct a movement with another one",
    "seals": "seals are append-only: they prove that the ledger is as it was sealed",
    "audit": "the audit trail is append-only: it says who did what",
    "folds": "folds are append-only: they say what was moved into an archive",
}
_FOLDED = {"movements": ("id", "movement_id"), "seals": ("position", "position")}
"""Rows that a fold under way moves into its archive, by the column of theirs and of the fold's."""

_NEVER = {
    "movements": "UPDATE OR TRUNCATE",
    "seals": "UPDATE OR TRUNCATE",
    "folds": "DELETE OR TRUNCATE",
}
"""What cannot be done to a table at all; for the rest see the guards of its rows."""


def _last_folded(table: str) -> str:
    newest = f"coalesce(max({_FOLDED[table][1]}), 0)"
    return f"(SELECT {newest} FROM folds WHERE ended_at IS NULL)"  # noqa: S608 - no input


def _sqlite_guard(table: str, event: str) -> str:
    when = ""
    if event == "DELETE" and table in _FOLDED:
        when = f" WHEN OLD.{_FOLDED[table][0]} > {_last_folded(table)}"
    if event == "UPDATE" and table == "folds":
        when = " WHEN OLD.ended_at IS NOT NULL"
    return f"""CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table}{when}
    BEGIN SELECT RAISE(ABORT, '{_REFUSALS[table]}'); END"""


def _postgresql_guards(table: str) -> tuple[str, ...]:
    refuse = (
        f"RAISE EXCEPTION '{_REFUSALS[table]}' USING ERRCODE = 'integrity_constraint_violation'"
    )
    function = f"""CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN {refuse}; END $$"""
    never = _NEVER.get(table, "UPDATE OR DELETE OR TRUNCATE")
    guard = f"""CREATE TRIGGER {table}_append_only BEFORE {never} ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()"""
    if table == "folds":
        ended = """CREATE TRIGGER folds_ended BEFORE UPDATE ON folds
    FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL) EXECUTE FUNCTION folds_append_only()"""
        return function, guard, ended
    if table not in _FOLDED:
        return function, guard
    keeping = f"""CREATE FUNCTION {table}_kept() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.{_FOLDED[table][0]} > {_last_folded(table)} THEN
            {refuse};
        END IF;
        RETURN OLD;
    END $$"""
    kept = f"""CREATE TRIGGER {table}_kept BEFORE DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION {table}_kept()"""
    return function, guard, keeping, kept


_SQLITE_GUARDS = tuple(
    _sqlite_guard(table, event) for table in _REFUSALS for event in ("UPDATE", "DELETE")
)
_POSTGRESQL_GUARDS = tuple(guard for table in _REFUSALS for guard in _postgresql_guards(table))


def upgrade() -> None:
    connection = op.get_bind()
    guards = _SQLITE_GUARDS if connection.dialect.name == "sqlite" else _POSTGRESQL_GUARDS
    for statement in (*_statements(connection.dialect.name), *guards):
        connection.exec_driver_sql(statement)


def downgrade() -> None:
    connection = op.get_bind()
    created = "\n".join(_statements(connection.dialect.name))
    for table in reversed(re.findall(r"^CREATE TABLE (\w+)", created, flags=re.MULTILINE)):
        connection.exec_driver_sql(f"DROP TABLE {table}")
    if connection.dialect.name == "postgresql":
        for table in _REFUSALS:
            connection.exec_driver_sql(f"DROP FUNCTION {table}_append_only()")
        for table in _FOLDED:
            connection.exec_driver_sql(f"DROP FUNCTION {table}_kept()")


def _statements(dialect: str) -> list[str]:
    script = Path(__file__).with_name(f"0001_initial.{dialect}.sql").read_text(encoding="utf-8")
    return [block.strip().rstrip(";") for block in script.split("\n\n") if block.strip()]
