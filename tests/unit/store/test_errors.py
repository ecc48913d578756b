"""What an error of the database says about what it left behind."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi

from channelsync.store.errors import is_passing, is_rolled_back, may_be_committed

DRIVER: Any = AsyncAdapt_asyncpg_dbapi


def wrapped(error: BaseException, *, gone: bool = False) -> sa.exc.DBAPIError:
    return sa.exc.DBAPIError("SELECT 1", {}, error, connection_invalidated=gone)


@pytest.mark.parametrize(
    "error",
    [
        wrapped(Exception("connection was closed in the middle of operation"), gone=True),
        wrapped(
            DRIVER.InternalClientError(
                "cannot switch to state 15; another operation (2) is in progress"
            )
        ),
    ],
    ids=["closed", "out-of-step"],
)
def test_a_connection_that_broke_passes_and_its_commit_is_unknown(
    error: sa.exc.DBAPIError,
) -> None:
    assert is_passing(error)
    assert is_rolled_back(error)
    assert may_be_committed(error)


def test_a_mistake_of_ours_does_not_pass() -> None:
    error = wrapped(DRIVER.InterfaceError("another operation is in progress"))
    assert not is_passing(error)
    assert not is_rolled_back(error)
