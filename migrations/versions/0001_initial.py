"""The first schema: every table; movements, seals and the audit trail can only be appended.

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
}

_SQLITE_GUARDS = tuple(
    f"""CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table}
    BEGIN SELECT RAISE(ABORT, '{refusal}'); END"""
    for table, refusal in _REFUSALS.items()
    for event in ("UPDATE", "DELETE")
)
_POSTGRESQL_GUARDS = tuple(
    statement
    for table, refusal in _REFUSALS.items()
    for statement in (
        f"""CREATE FUNCTION {table}_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '{refusal}' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
        f"""CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION {table}_append_only()""",
    )
)


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


def _statements(dialect: str) -> list[str]:
    script = Path(__file__).with_name(f"0001_initial.{dialect}.sql").read_text(encoding="utf-8")
    return [block.strip().rstrip(";") for block in script.split("\n\n") if block.strip()]
