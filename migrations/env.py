"""Alembic's entry: runs revisions on the connection it is handed, or on a URL of its own.

`channelsync.store.migrate` hands over an open transaction, so that an upgrade is applied as a whole
or not at all. Developers run `alembic -c migrations/alembic.ini -x url=URL COMMAND`.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

import sqlalchemy as sa
from alembic import context

from channelsync.store.migrate import migrating
from channelsync.store.tables import metadata


def default_differs(*compared: Any) -> bool | None:
    """Take defaults for equal when they are so without quotes; None leaves the rest to Alembic.

    Its own comparison takes an empty text for no default at all.
    """
    found, wanted = compared[3], compared[5]
    both_set = found is not None and wanted is not None
    return False if both_set and bare(found) == bare(wanted) else None


def bare(default: str) -> str:
    """A default as databases render it, without cast, brackets and quotes."""
    return re.sub(r"::[\w ]+$", "", default).strip("()'")


def run_on(connection: sa.Connection) -> None:
    """Run what Alembic was asked for. SQLite cannot alter in place, hence its batch mode."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        compare_type=True,
        compare_server_default=default_differs,
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_on_url(url: str) -> None:
    """Open a database for one command of the command line."""
    async with migrating(url) as connection:
        await connection.run_sync(run_on)


handed_over = context.config.attributes.get("connection")
if handed_over is not None:
    run_on(handed_over)
else:
    try:
        chosen = context.get_x_argument(as_dictionary=True)["url"]
    except KeyError:
        raise SystemExit("name the database: alembic … -x url=sqlite+aiosqlite:///FILE …") from None
    asyncio.run(run_on_url(chosen))
