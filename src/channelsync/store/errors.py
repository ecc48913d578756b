"""Trouble with the database itself, sorted by what the caller may do about it.

StoreUnavailable   nothing was changed; it may be tried again
└── OutcomeUnknown   the connection broke during a commit: only what may be done twice is repeated
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

__all__ = [
    "OutcomeUnknown",
    "StoreUnavailable",
    "is_passing",
    "is_rolled_back",
    "may_be_committed",
    "only_reads",
]

_CONFLICTS: Final = frozenset({"40001", "40P01"})
"""Serialization failure, deadlock: proven to be rolled back, at a commit too."""
_ROLLED_BACK: Final = _CONFLICTS | {"55P03", "57014", "25P03", "53300", "57P01", "57P02", "57P03"}
"""SQLSTATEs of a statement that may pass: also a lock or a statement that took too long, a session
that idled in its transaction, too many connections, a server that goes down or comes up."""
_PASSING_CLASSES: Final = frozenset({"08", "53", "57"})
"""Classes that pass by themselves: connection, resources (a full disk too), operator."""
_ONLY_READS: Final = "25006"
_SQLITE_PASSING: Final = ("locked", "full", "disk I/O", "readonly", "unable to open")


class StoreUnavailable(Exception):
    """The database cannot be reached; nothing was changed."""


class OutcomeUnknown(StoreUnavailable):
    """The connection broke during a commit: what was asked for is done, or it is not."""


def is_rolled_back(error: BaseException) -> bool:
    """Whether `error` proves that its transaction left no trace, and another try may succeed."""
    if isinstance(error, OutcomeUnknown):
        return False
    if isinstance(error, StoreUnavailable | sa.exc.TimeoutError | ConnectionError):
        return True
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    # Raised by a statement, not by the commit: a server whose client is gone rolls back.
    return _is_broken(error) or _sqlstate(error) in _ROLLED_BACK


def may_be_committed(error: BaseException) -> bool:
    """Whether a commit that raised `error` may have been done all the same."""
    if not isinstance(error, sa.exc.DBAPIError) or _is_broken(error):
        return True
    state = _sqlstate(error)
    return state is not None and state not in _CONFLICTS and state[:2] in {"08", "57"}


def is_passing(error: BaseException) -> bool:
    """Whether `error` is the database's state rather than a mistake of ours: it may pass."""
    if isinstance(error, StoreUnavailable) or is_rolled_back(error):
        return True
    if not isinstance(error, sa.exc.DBAPIError):
        return False
    state = _sqlstate(error)
    if state is not None:
        return state[:2] in _PASSING_CLASSES
    operational = isinstance(error, sa.exc.OperationalError)
    return operational and any(word in str(error.orig) for word in _SQLITE_PASSING)


def only_reads(error: sa.exc.DBAPIError) -> bool:
    """Whether PostgreSQL refused to write at all: a standby, or saved from a full disk by its host.

    Of a transaction that may write; of any other it would be a mistake of ours.
    """
    return _sqlstate(error) == _ONLY_READS


def _is_broken(error: sa.exc.DBAPIError) -> bool:
    """Whether the connection is gone, or its two ends are out of step.

    The latter is what the driver says (asyncpg's `InternalClientError`) where the server died in
    the middle of an exchange and the socket has not been closed yet.
    """
    return error.connection_invalidated or type(error.orig).__name__ == "InternalClientError"


def _sqlstate(error: sa.exc.DBAPIError) -> str | None:
    state = getattr(error.orig, "sqlstate", None)
    return state if isinstance(state, str) else None
