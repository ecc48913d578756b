"""Heartbeats: a day in half hours, as the alarms of a channel tell of it."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.alarms import clear_alarm, raise_alarm
from channelsync.engine.heartbeats import BEAT_SECONDS, BEATS, Health, view_heartbeats
from channelsync.store import tables
from tests.support.house import build_house

CAS = PushSemantics.KEYED_COMPARE_AND_SET


async def test_the_halves_of_hours_with_trouble_are_ill(tmp_path: Path) -> None:
    house = await build_house(tmp_path, stock={"MUG": 1}, quotas={}, semantics={"a": CAS, "b": CAS})
    now = house.clock.at
    hour = 2 * BEAT_SECONDS
    async with house.engine.database.write() as tx:
        known = sa.update(tables.channels)
        await tx.execute(known.where(tables.channels.c.name == "a").values(baseline_at=0.0))
        b = known.where(tables.channels.c.name == "b").values(baseline_at=now - 2 * hour)
        await tx.execute(b)
        for name, channel in (("feed_quiet", "a"), ("deficit", "b")):
            began = now - 3 * hour
            await raise_alarm(tx, name, channel, "said", now=began, channel=channel)
            await clear_alarm(tx, name, channel, now=began + hour)
        await raise_alarm(tx, "channel_degraded", "b/poll", "fails", now=now - 10, channel="b")
    async with house.engine.database.read() as tx:
        found = await view_heartbeats(tx, now)
    await house.engine.database.close()
    a = [beat.health for beat in found["a"]]
    assert len(a) == BEATS
    assert [place for place, health in enumerate(a) if health is Health.ILL] == [42, 43]
    assert a.count(Health.WELL) == BEATS - 2
    b_beats = [beat.health for beat in found["b"]]
    assert b_beats.count(Health.UNKNOWN) == BEATS - 4
    assert b_beats[-4:] == [Health.WELL] * 3 + [Health.ILL]
