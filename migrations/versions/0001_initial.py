"""The first schema: every table, and movements that can only be appended.

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

_REFUSAL = "movements are append-only: correct a movement with another one"

_SQLITE_GUARDS = tuple(
    f"""CREATE TRIGGER movements_no_{event.lower()} BEFORE {event} ON movements
    BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"""
    for event in ("UPDATE", "DELETE")
)
_POSTGRESQL_GUARDS = (
    f"""CREATE FUNCTION movements_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
    """CREATE TRIGGER movements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON movements
    FOR EACH STATEMENT EXECUTE FUNCTION movements_append_only()""",
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
        connection.exec_driver_sql("DROP FUNCTION movements_append_only()")


def _statements(dialect: str) -> list[str]:
    script = Path(__file__).with_name(f"0001_initial.{dialect}.sql").read_text(encoding="utf-8")
    return [block.strip().rstrip(";") for block in script.split("\n\n") if block.strip()]
