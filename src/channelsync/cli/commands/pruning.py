"""`db prune`: let go of old rows now, or say what would go."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from channelsync.cli.output import Grid, Screen
from channelsync.cli.session import Session

__all__ = ["prune"]


async def prune(
    session: Session,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would go; nothing is changed.")
    ] = False,
) -> None:
    """Let go of old rows that nobody needs, as the daemon does every hour.

    CHANNELSYNC_KEEP_… say how long each kind is kept. The ledger, its seals, the audit trail and
    orders are never pruned (`db fold` moves old movements). The daemon may be at work meanwhile.
    """
    from channelsync.bootstrap import retention_of
    from channelsync.engine.prune import count_prunable, prune_some

    retention, now = retention_of(session.settings), session.environment.now()
    async with session.store() as database:
        if dry_run:
            async with database.read() as tx:
                found = Counter(await count_prunable(tx, retention, now=now))
        else:
            found = Counter()
            while some := await database.transact(lambda tx: prune_some(tx, retention, now=now)):
                found += some
    before = retention.before(now)
    data = {
        "dry_run": dry_run,
        "pruned": [
            {"kind": kind, "before_at": at, "rows": found[kind]} for kind, at in before.items()
        ],
    }

    def show(screen: Screen) -> None:
        grid = Grid("Kind", "Would go" if dry_run else "Gone", right=("Would go", "Gone"))
        for kind in before:
            grid.row(kind, found[kind])
        screen.grid(grid)

    session.output.result(data, show)
