"""Write the statements of the first revision from the metadata; only before the first release.

Run from the checkout: `.venv/bin/python migrations/regenerate.py`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from channelsync.store.tables import metadata

DIALECTS: dict[str, sa.Dialect] = {
    "sqlite": sqlite.dialect(),
    "postgresql": postgresql.dialect(),  # type: ignore[no-untyped-call]
}


def statements(dialect: sa.Dialect) -> str:
    """Every table and index as SQL, parents first, one statement a block."""
    blocks: list[str] = []
    for table in metadata.sorted_tables:
        indexes = sorted(table.indexes, key=_by_name)
        made: list[sa.DDLElement] = [CreateTable(table), *map(CreateIndex, indexes)]
        blocks += [_tidy(str(statement.compile(dialect=dialect))) for statement in made]
    return ";\n\n".join(blocks) + ";\n"


def _by_name(index: sa.Index) -> str:
    return str(index.name)


def _tidy(statement: str) -> str:
    lines = (line.rstrip().replace("\t", "    ") for line in statement.strip().splitlines())
    return re.sub(r"\n{2,}", "\n", "\n".join(lines))


def main() -> None:
    """Write both files."""
    folder = Path(__file__).parent / "versions"
    for name, dialect in DIALECTS.items():
        path = folder / f"0001_initial.{name}.sql"
        path.write_text(statements(dialect), encoding="utf-8")
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
