"""The merchant's file while the daemon runs: looked at, checked, applied whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Final

import sqlalchemy as sa
import structlog

from channelsync.bootstrap import Application, policy_of, read_configuration, setup_of
from channelsync.configuration.changes import compare
from channelsync.configuration.problems import ConfigurationInvalid
from channelsync.engine.setup import (
    apply_setup,
    note_applied_configuration,
    note_refused_configuration,
    note_right_configuration,
    note_unusable,
)
from channelsync.notify.apprise_notifier import AppriseNotifier
from channelsync.store import tables
from channelsync.store.errors import is_passing

__all__ = ["WATCH_SECONDS", "reload_configuration", "watch_configuration"]

_log = structlog.get_logger("channelsync.daemon")

WATCH_SECONDS: Final = 1.0
"""How often the file's time is looked at."""


async def watch_configuration(
    application: Application,
    watched: Path | None,
    reload_now: asyncio.Event,
    every_seconds: float = WATCH_SECONDS,
) -> None:
    """Reload when the file changes or SIGHUP comes; close removed channels once they are empty."""
    # It was read before this began, and may have changed since: the first look reads it again.
    seen: tuple[int, ...] | None = None
    asked = False
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(every_seconds):
                await reload_now.wait()
        asked, changed_at = asked or reload_now.is_set(), _changed_at(watched)
        reload_now.clear()
        try:
            if watched is not None and (asked or changed_at != seen):
                await reload_configuration(application, watched)
                seen = changed_at
            asked = False
            await _close_emptied(application)
        except Exception as error:
            if not is_passing(error):
                raise
            # Tried again at the next look, never at once: it may be unusable for hours.
            _log.warning("the database cannot be used; the configuration waits", why=str(error))


def _changed_at(path: Path | None) -> tuple[int, ...] | None:
    """What differs once another file lies there, one with an older date included."""
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_ino, found.st_size) if found is not None else None


async def reload_configuration(application: Application, path: Path) -> bool:
    """Check the file, then apply all of it; or keep the old one and say why. True if applied."""
    engine = application.engine
    try:
        fresh = read_configuration(application.settings, application.registry, path)
    except ConfigurationInvalid as error:
        _log.error("configuration refused, the old one stays", why=str(error))
        await note_refused_configuration(engine, str(error))
        return False
    await note_right_configuration(engine)
    difference = compare(application.configuration, fresh)
    if difference.is_empty and fresh.fingerprint == application.configuration.fingerprint:
        return True
    for change in difference.channels_changed:
        if not change.reopens:
            application.channels.retune(fresh.channels[change.channel])
    reopened = {change.channel for change in difference.channels_changed if change.reopens}
    for name in sorted(reopened | set(difference.channels_added)):
        await application.channels.open(
            application.registry, fresh.channels[name], application.lent
        )
    before, application.configuration = application.configuration.fingerprint, fresh
    engine.policy = policy_of(fresh)
    application.notifying.policy = fresh.notices
    application.notifying.notifier = AppriseNotifier(fresh.notice_targets)
    await apply_setup(engine, setup_of(fresh))
    await note_unusable(engine, fresh.channels, application.channels.unusable)
    changes = tuple(difference.lines())
    await note_applied_configuration(
        engine, before=before, after=fresh.fingerprint, changes=changes
    )
    for line in changes:
        _log.info("configuration changed", what=line)
    return True


async def _close_emptied(application: Application) -> None:
    """A removed channel stays open until its listings can sell nothing any more."""
    leaving = set(application.channels.names()) - set(application.configuration.channels)
    for name in sorted(leaving):
        listings = tables.listings
        query = sa.select(sa.func.count()).where(
            listings.c.channel == name,
            sa.or_(listings.c.exposure > 0, listings.c.settle_wanted),
        )
        async with application.engine.database.read() as connection:
            if (await connection.execute(query)).scalar():
                continue
        await application.channels.close(name)
        _log.info("removed channel closed: it can sell nothing any more", channel=name)
