"""On PostgreSQL ids are committed out of order: the sealer waits for whoever drew a lower one."""

from __future__ import annotations

import sqlalchemy as sa

from channelsync.store.chain import append_seals, ended, links_after, load_head, read_horizon
from channelsync.store.database import Database
from channelsync.store.ledger import StockMove, append_movements
from channelsync.store.tables import Quantity, stock
from channelsync.store.verify import verify
from tests.support.ledger_books import NOON, Books, stock_move


def note(text: str) -> tuple[StockMove, ...]:
    return (stock_move("MUG", "dc", Quantity.ON_HAND, 0, note=text),)


async def test_no_movement_can_come_below_what_is_sealed(postgres_url: str) -> None:
    database = Database(postgres_url)
    books = Books(database)
    await books.begin()
    async with database.write() as tx:
        mug = stock_move("MUG", "dc", Quantity.ON_HAND, 0)
        place = {"item_id": mug.item_id, "location_id": mug.location_id}
        await tx.execute(sa.insert(stock).values(place))
    async with database.write() as slow:
        await append_movements(slow, note("drawn first"))
        async with database.write() as quick:
            await append_movements(quick, note("committed first"))
        async with database.read() as tx:
            horizon = await read_horizon(tx)
        assert horizon.writers, "somebody may still commit a lower id"
        async with database.read() as tx:
            assert not await ended(tx, horizon.writers)
    async with database.write() as later:
        await append_movements(later, note("begun after the look"))
        async with database.read() as tx:
            assert await ended(tx, horizon.writers), "later writers need not be waited for"
            head = await load_head(tx)
            links = await links_after(tx, head, up_to=horizon.movement_id, limit=10)
        async with database.write() as tx:
            await append_seals(tx, head, links, now=NOON)
    assert [link.movement_id for link in links] == [1, 2]
    async with database.read() as tx:
        chain = (await verify(tx)).chain
    assert (chain.ok, chain.sealed, chain.unsealed) == (True, 2, 1)
    await database.close()
