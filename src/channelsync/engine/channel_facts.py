"""What of each channel bears on its listings, read once for many items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Enforces, Instant, PushSemantics
from channelsync.engine.core import Engine
from channelsync.store import tables
from channelsync.store.tables import ChannelState

__all__ = ["ChannelFacts", "channel_facts"]

FAST_LEAD_SECONDS = 5.0
READ_BACK_SECONDS = 30.0
_CHANNELS: Final = sa.select(tables.channels)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelFacts:
    """What of a channel bears on its listings."""

    name: str
    connector: str
    mode: str
    frozen: str | None
    """Why nothing may be pushed at all, if so."""
    withdrawn: str | None
    """Why its units are wanted back, if so."""
    enforces: Enforces
    lead_seconds: float
    settle_seconds: float
    raises_without_compare: bool
    key_life_seconds: float


async def channel_facts(
    engine: Engine, tx: AsyncConnection, now: Instant
) -> dict[str, ChannelFacts]:
    """Every channel's bearing on its listings."""
    rows = (await tx.execute(_CHANNELS)).all()
    return {row.name: _facts(engine, row, now) for row in rows}


def _facts(engine: Engine, row: Any, now: Instant) -> ChannelFacts:
    running = engine.channels.get(row.name)
    manifest = running.manifest if running is not None else None
    live = manifest is not None and manifest.push_semantics is PushSemantics.LIVE
    frozen = withdrawn = None
    if row.mode == "paused":
        frozen = "the channel is paused"
    elif row.paused_reason is not None:
        frozen = row.paused_reason
    if row.state == ChannelState.REMOVED:
        withdrawn = "the channel was removed from the configuration"
    quiet = _quiet_for(row, now)
    if running is not None and quiet > running.quiet_limit_seconds:
        said = f"its feed has been quiet for {quiet:.0f} s"
        # A silent till may have sold offline: its slice must neither shrink nor grow.
        frozen, withdrawn = (said, withdrawn) if live else (frozen, said)
    late = manifest is not None and not manifest.confirms_at_once
    quarantine = running.quarantine_seconds if running is not None else 0.0
    return ChannelFacts(
        name=row.name,
        connector=row.connector,
        mode=row.mode,
        frozen=frozen,
        withdrawn=withdrawn,
        enforces=manifest.enforces if manifest is not None else Enforces.STRICT,
        lead_seconds=READ_BACK_SECONDS * 5 if late else FAST_LEAD_SECONDS,
        settle_seconds=quarantine + READ_BACK_SECONDS,
        raises_without_compare=manifest is not None and manifest.raises_without_compare,
        key_life_seconds=manifest.key_life_seconds if manifest is not None else 0.0,
    )


def _quiet_for(row: Any, now: Instant) -> float:
    signs = [at for at in (row.last_poll_at, row.last_delivery_at) if at is not None]
    return now - max(signs) if signs else 0.0
