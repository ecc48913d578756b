"""Seal: one sealer appends committed movements to the chain, off everybody's path.

Nobody marks this work: a mark by every writer would be a row that all of them wait for. The sealer
looks by itself. Its lease keeps other sealers away, and should two ever meet,
the chain's keys refuse the second one's seals.
"""

from __future__ import annotations

import asyncio
from typing import Final

from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.work import Claim, require_lease
from channelsync.store.chain import (
    Horizon,
    append_seals,
    ended,
    links_after,
    load_head,
    read_horizon,
)

__all__ = ["LEDGER_KEY", "complete", "seal"]

LEDGER_KEY: Final = "ledger"
"""The key of the kinds of work that there is one ledger for."""
EVERY_SECONDS: Final = 5.0
IDLE_SECONDS: Final = 30.0
"""How long to wait when there was nothing to seal."""
SEALS_MAX: Final = 500
"""Seals a transaction: it writes for a few milliseconds at most."""
TRANSACTIONS_MAX: Final = 20
"""Transactions a run; more movements wait for the next run, which follows at once."""
LOOK_SECONDS: Final = 0.05
LOOKS_MAX: Final = 40
"""How often, and at most how many times a run, writers are looked for that have not ended."""


async def seal(engine: Engine, held: Claim) -> Instant | None:
    """Seal what is committed. Returns when to look again."""
    async with engine.database.read() as tx:
        head, horizon = await load_head(tx), await read_horizon(tx)
    if horizon.movement_id <= head.movement_id:
        return engine.now() + IDLE_SECONDS
    if not await complete(engine, horizon):
        return engine.now() + EVERY_SECONDS
    for _ in range(TRANSACTIONS_MAX):
        if not await _seal_some(engine, held, horizon.movement_id):
            return engine.now() + EVERY_SECONDS
    return engine.now()


async def complete(engine: Engine, horizon: Horizon) -> bool:
    """Wait, within bounds, until nobody can commit below the horizon any more."""
    for look in range(LOOKS_MAX):
        if look:
            await asyncio.sleep(LOOK_SECONDS)
        async with engine.database.read() as tx:
            if await ended(tx, horizon.writers):
                return True
    return False


async def _seal_some(engine: Engine, held: Claim, up_to: int) -> bool:
    """Seal one transaction's worth. Returns whether there may be more.

    Digests are worked out before the transaction, which then only writes them.
    """
    async with engine.database.read() as tx:
        head = await load_head(tx)
        links = await links_after(tx, head, up_to=up_to, limit=SEALS_MAX)
    if not links:
        return False
    async with engine.database.write() as tx:
        now = engine.now()
        await require_lease(tx, held, now=now)
        await append_seals(tx, head, links, now=now)
    return len(links) == SEALS_MAX
