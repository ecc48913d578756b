"""PostgreSQL as the program opens it: an engine whose connections are known to stand."""

from __future__ import annotations

from time import monotonic
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from channelsync.store.json_text import from_text

__all__ = ["ANSWER_SECONDS", "postgresql_engine"]

CONNECTIONS_MAX: Final = 20
"""Of one process. PostgreSQL's own limit is 100 for all of them, unless the operator raises it."""
CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 30.0
"""Of one statement on PostgreSQL, waiting for locks included (15 s at most). A connection that is
only half there, because the way to the server broke silently, would be waited for without an end.
"""
RESTED_SECONDS: Final = 1.0
"""A connection that was used less long ago is taken to stand, unless it is seen to have ended: to
ask takes three round trips, and what breaks in use is noticed there (`Database.transact`)."""
SETTINGS: Final = {
    "application_name": "channelsync",
    # A writer that was frozen in the middle of its transaction must not hold its locks for ever.
    "idle_in_transaction_session_timeout": "30s",
    "lock_timeout": "15s",
    # Statements are short and many: compiling them costs more than it saves.
    "jit": "off",
}


def postgresql_engine(url: str, answer_seconds: float | None) -> AsyncEngine:
    """An engine over a pool of connections; `answer_seconds` bounds a statement, None does not."""
    engine = create_async_engine(
        url,
        json_deserializer=from_text,
        pool_size=CONNECTIONS_MAX // 2,
        max_overflow=CONNECTIONS_MAX - CONNECTIONS_MAX // 2,
        pool_timeout=CONNECT_SECONDS,
        connect_args={
            "server_settings": SETTINGS,
            "timeout": CONNECT_SECONDS,
            "command_timeout": answer_seconds,
        },
    )

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        # What is acknowledged must survive a crash of the server, whatever its default is.
        cursor = connection.cursor()
        cursor.execute(
            "SELECT set_config('synchronous_commit', 'on', false)"
            " WHERE current_setting('synchronous_commit') = 'off'"
        )
        cursor.close()
        connection.commit()

    _look_after(engine.sync_engine)
    return engine


def _look_after(engine: sa.Engine) -> None:
    """See that a connection stands before it is used again: ask it only where it has rested."""

    @sa.event.listens_for(engine, "checkin")
    def _rest(_connection: object, record: Any) -> None:
        record.info["rests_since"] = monotonic()

    @sa.event.listens_for(engine, "checkout")
    def _see(connection: Any, record: Any, _proxy: object) -> None:
        since = record.info.pop("rests_since", None)
        if since is None:
            return  # it was just opened
        if connection.driver_connection.is_closed():
            raise sa.exc.DisconnectionError("the server has ended the connection")
        if monotonic() - since >= RESTED_SECONDS and not _answers(engine, connection):
            # Its neighbours in the pool led to the same server.
            raise sa.exc.InvalidatePoolError("the connection broke while it rested")


def _answers(engine: sa.Engine, connection: Any) -> bool:
    try:
        return engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error:
        return False
