"""Proposals on both engines: of several decisions at once one counts."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.permissions import EVERYWHERE, Reach
from channelsync.engine.proposals import (
    KEEP_SECONDS,
    About,
    ProposalRefused,
    Proposed,
    decide_proposal,
    list_proposals,
    make_proposal,
    waiting_proposal,
)
from channelsync.store.database import Database

DAY = 86_400.0
LETTER: dict[str, Any] = {"number": 7}


async def propose(database: Database, *, now: float, **request: Any) -> Proposed:
    async def act(tx: AsyncConnection) -> Proposed:
        about = About(seen={"units": 3}, channel="a", locations=("dc", "soho"))
        given: dict[str, Any] = {"actor": "user:ada", "now": now, "seconds": DAY}
        return await make_proposal(tx, "dead_letter.drop", LETTER | request, about, **given)

    return await database.transact(act)


async def test_item_18_of_several_decisions_at_once_one_counts(any_database: Database) -> None:
    made = await propose(any_database, now=1_000.0)

    async def approve(actor: str) -> str:
        async def act(tx: AsyncConnection) -> Proposed:
            found = await waiting_proposal(tx, made.id, EVERYWHERE, now=1_001.0)
            return await decide_proposal(tx, found, "approved", actor=actor, now=1_001.0)

        try:
            return str((await any_database.transact(act)).decided_by)
        except ProposalRefused as error:
            return str(error)

    said = await asyncio.gather(*(approve(f"user:{name}") for name in ("bob", "cid", "dan")))
    assert sorted(said)[:2] == [f"proposal {made.id} is approved already"] * 2
    async with any_database.read() as tx:
        (found,) = await list_proposals(tx, now=1_002.0)
    assert (found.state, found.decided_by) == ("approved", sorted(said)[2])
    assert found.request == LETTER
    near = Reach(locations=frozenset({"dc"}))
    assert [found.is_within(one) for one in (EVERYWHERE, near)] == [True, False]


async def test_item_18_what_waits_stands_first_and_what_is_long_over_goes(
    any_database: Database,
) -> None:
    for number in (1, 2):
        await propose(any_database, now=0.0, number=number)
    fresh = await propose(any_database, now=DAY + 1, number=3)
    async with any_database.read() as tx:
        found = await list_proposals(tx, now=DAY + 2)
    assert [one.state for one in found] == ["waiting", "expired", "expired"]
    assert found[0] == fresh
    await propose(any_database, now=KEEP_SECONDS + DAY + 1, number=4)
    async with any_database.read() as tx:
        found = await list_proposals(tx, now=KEEP_SECONDS + DAY + 2)
    assert [one.request["number"] for one in found] == [4, 3]
