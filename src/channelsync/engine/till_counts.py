"""Stock-takes that a till reports: counts like any other, with the instant they were taken."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from channelsync.engine.alarms import raise_alarm
from channelsync.engine.core import Engine
from channelsync.engine.stock_desk import StockDesk
from channelsync.engine.stock_errors import StaleCount, StockError
from channelsync.sdk.types import StockCount

__all__ = ["apply_counts"]

_log = structlog.get_logger("channelsync.intake")


async def apply_counts(engine: Engine, channel: str, counts: Sequence[StockCount]) -> None:
    """Take counts into the books, one transaction each. Applying one twice changes nothing.

    A count that does not fit (unknown SKU or location) is alarmed and left out; one that is older
    than the last is of no use any more.
    """
    desk = StockDesk(engine.database, engine.environment)
    for count in sorted(counts, key=lambda count: count.counted_at):
        try:
            await desk.count(
                count.sku,
                count.location,
                count.on_hand,
                counted_at=count.counted_at,
                reason=f"counted at the till, {count.reference}",
                actor=f"order:{channel}",
            )
        except StaleCount as error:
            _log.info("stale count left out", channel=channel, why=str(error))
        except StockError as error:
            async with engine.database.write() as tx:
                subject = f"{channel}/{count.sku}/{count.location}"
                await raise_alarm(
                    tx, "count_refused", subject, str(error), now=engine.now(), channel=channel
                )
