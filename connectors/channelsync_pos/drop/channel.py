"""A till or a warehouse that hands over files: read from its inbox, told through its outbox."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.errors import Misconfigured
from channelsync.sdk.types import (
    Assumption,
    AssumptionFinding,
    CheckResult,
    Instant,
    ListingRef,
    OrderPage,
    Parsed,
)
from channelsync_pos.checks import own_checks
from channelsync_pos.cursor import Cursor
from channelsync_pos.drop.disk import Disk, NotReadable
from channelsync_pos.drop.errors import RowError, SheetRefused
from channelsync_pos.drop.folder import Dropped, Folder
from channelsync_pos.drop.sheet import Report, read_report
from channelsync_pos.mapping import joined
from channelsync_pos.settings import TillSettings
from channelsync_pos.till import Till
from channelsync_pos.times import iso

__all__ = ["TillChannelWithFolder", "open_folder"]

FILES_A_CALL: Final = 50
"""Files that are put away without a page of their own (duplicates, refused ones) in one call."""
FAILED_TOLD_MAX: Final = 3
OUTBOX_COLUMNS: Final = ("sku", "available", "on_hand", "as_of", "version")
RISKY: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Taken:
    """What one look into the folder found."""

    counted: tuple[Dropped, Report] | None = None
    """A file that can be counted."""
    more: bool
    """Whether to look again at once."""


class TillChannelWithFolder(Till):
    """A till whose sales arrive as files."""

    def __init__(self, context: ChannelContext, settings: TillSettings, folder: Folder) -> None:
        super().__init__(context, settings)
        self._folder = folder
        self._zone = ZoneInfo(settings.timezone) if settings.timezone else None
        self._heard: Cursor | None = None

    # ------------------------------------------------------------ what it sold

    def first_cursor(self, since: Instant) -> str:
        """Begin with whatever lies in the inbox; what was sold before `since` was counted then."""
        return Cursor(uploaded_from=since).text()

    async def orders_since(self, cursor: str) -> OrderPage:
        """One file a page, so that all of it is committed or none.

        That the host asks from behind a file's page says that the page is committed: only then is
        the file put away.
        """
        place = Cursor.read(cursor)
        self._heard = place
        taken = await asyncio.to_thread(self._take, place)
        if taken.counted is None:
            return self._page(place, Parsed(), more=taken.more)
        dropped, report = taken.counted
        told = joined(self._mapping.parsed(event) for event in report.events)
        _hear(place, dropped.register_id, report, alone=self._settings.webhook_secret is None)
        place.file, place.file_sha256 = dropped.name, dropped.sha256
        return self._page(place, told, more=True)

    async def orders_by_id(self, order_ids: Sequence[str]) -> OrderPage:
        """Nothing: files tell of everything, and nobody can ask them."""
        return OrderPage(facts=(), cursor="", more=False)

    def _page(self, place: Cursor, told: Parsed, *, more: bool) -> OrderPage:
        self._heard = place
        return OrderPage(
            facts=told.facts,
            voids=told.voids,
            counts=told.counts,
            sequences=told.sequences,
            cursor=place.text(),
            more=more,
            complete_to=None if more else _complete_to(place, self._settings.registers),
        )

    def _take(self, place: Cursor) -> _Taken:
        """The next file that can be counted; others on the way are put away."""
        self._folder.prepare()
        self._put_away(place)
        for _ in range(FILES_A_CALL):
            name = self._folder.next()
            if name is None:
                return _Taken(more=False)
            try:
                dropped = self._folder.read(name)
                if self._folder.is_counted(dropped.sha256):
                    self._folder.finish(name, dropped.sha256)
                    continue
                return _Taken(counted=(dropped, self._read(dropped)), more=True)
            except NotReadable as error:
                self._fail(name, [RowError(row=0, column="", message=str(error))])
            except SheetRefused as error:
                self._fail(name, error.errors)
        return _Taken(more=True)

    def _read(self, dropped: Dropped) -> Report:
        now = self._context.now()
        register_id = dropped.register_id
        return read_report(dropped.content, register_id=register_id, zone=self._zone, now=now)

    def _fail(self, name: str, errors: Sequence[RowError]) -> None:
        self._folder.fail(name, errors, at=iso(self._context.now()))

    def _put_away(self, place: Cursor) -> None:
        """The file of the page before this one is counted."""
        name, sha256 = place.file, place.file_sha256
        place.file = place.file_sha256 = None
        if name is None or sha256 is None or not self._folder.is_claimed(name):
            return
        try:
            lies_there = self._folder.read(name).sha256
        except NotReadable:
            return
        # Another file may have come under the same name since.
        if lies_there == sha256:
            self._folder.finish(name, sha256)

    # ------------------------------------------------------------ what it shows

    async def tell(self, quantities: Sequence[tuple[ListingRef, int]]) -> None:
        """Put one file a location into the outbox, with the numbers that changed."""
        now = self._context.now()
        by_location: dict[str, list[tuple[str, int]]] = {}
        for listing, quantity in quantities:
            place = listing.external.get("location", self._settings.location)
            by_location.setdefault(place, []).append((listing.sku, quantity))
        cursor = int(now * 1000)
        for place, rows in sorted(by_location.items()):
            content = _outbox_file(rows, as_of=iso(now), version=cursor)
            name = f"stock_{_file_name(place)}_{cursor}.csv"
            await asyncio.to_thread(self._folder.tell, name, content)

    # ------------------------------------------------------------ checks

    async def test(self) -> Sequence[CheckResult]:
        """The settings, then the folder: there, and nothing in it that nobody has dealt with."""
        return (*own_checks(self._settings), *await asyncio.to_thread(self._folder_checks))

    def _folder_checks(self) -> Iterable[CheckResult]:
        try:
            self._folder.prepare()
            waiting, failed = self._folder.waiting(), self._folder.failed()
        except OSError as error:
            message = f"{self._folder.root} cannot be used: {error.strerror}"
            return (CheckResult(name="drop folder", ok=False, message=message),)
        there = f"{self._folder.root}: {len(waiting)} files wait in its inbox"
        return (
            CheckResult(name="drop folder", ok=True, message=there),
            CheckResult(name="files", ok=not failed, message=_failed(failed) or "none failed"),
        )

    async def check_assumptions(self) -> Sequence[AssumptionFinding]:
        """Whether every register's report came in time, and every file could be read."""
        failed = await asyncio.to_thread(self._folder.failed)
        reasons = [reason for reason in (_failed(failed),) if reason]
        reasons += _silent(self._heard, self._settings, self._context.now())
        why = "; ".join(reasons)
        finding = AssumptionFinding(assumption=Assumption.FEED_COMPLETE, holds=not reasons, why=why)
        return (finding,)


async def open_folder(
    context: ChannelContext, settings: TillSettings, disk: Disk | None = None
) -> TillChannelWithFolder:
    """Open a till with a drop folder, and make the folder where it is missing.

    Raises:
        Misconfigured: the host lends no folder, or it cannot be made.
    """
    if context.folder is None:
        raise Misconfigured("drop_folder needs a folder, and the operator lends none")
    folder = Folder(context.folder, checksums=settings.drop_checksums, disk=disk)
    try:
        await asyncio.to_thread(folder.prepare)
    except OSError as error:
        raise Misconfigured(
            f"the drop folder {context.folder} cannot be made: {error.strerror}; see"
            " CHANNELSYNC_DROP_DIR"
        ) from error
    return TillChannelWithFolder(context, settings, folder)


# ------------------------------------------------------------------ how far it is known


def _hear(place: Cursor, register_id: str, report: Report, *, alone: bool) -> None:
    """A report is complete up to its end, and all of them are unless one is missing.

    Where files are all that the register tells (`alone`), a number that they skip is a missing
    file. Where it calls us as well, numbers are missing here that it told there; the host hears
    both, and looks after the gaps.
    """
    numbers = [event.sequence for event in report.events]
    if not numbers and register_id not in place.registers:
        return
    heard = place.register(register_id, begins_after=min(numbers, default=1) - 1)
    heard.hear(numbers)
    if not (alone and heard.beyond):
        heard.complete_at = max(report.closed_at, heard.complete_at or report.closed_at)


def _complete_to(place: Cursor, expected: Iterable[str]) -> Instant | None:
    """Up to when every register's reports are known; at first, the instant we began."""
    since = place.uploaded_from
    told = [heard.complete_at for heard in place.registers.values()]
    told += [None for register_id in expected if register_id not in place.registers]
    instants = [since if at is None else at for at in told] or [since]
    known = [at for at in instants if at is not None]
    return min(known) if len(known) == len(instants) else None


def _silent(place: Cursor | None, settings: TillSettings, now: Instant) -> Iterator[str]:
    if place is None:
        return
    registers: Mapping[str, Instant | None] = {
        register_id: heard.complete_at for register_id, heard in place.registers.items()
    }
    for register_id in settings.registers:
        if register_id not in registers:
            yield f"no file of register {register_id} has come yet"
    for register_id, at in sorted(registers.items()):
        if at is None:
            yield f"the files of register {register_id} skip a number"
        elif now - at > settings.report_limit_seconds:
            yield f"the last file of register {register_id} ends at {iso(at)}"


def _failed(names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - FAILED_TOLD_MAX} more" if len(names) > FAILED_TOLD_MAX else ""
    shown = ", ".join(names[:FAILED_TOLD_MAX])
    return f"files that could not be taken lie in failed, each with its reasons: {shown}{more}"


# ------------------------------------------------------------------ the outbox


def _outbox_file(rows: Iterable[tuple[str, int]], *, as_of: str, version: int) -> bytes:
    target = io.StringIO(newline="")
    writer = csv.writer(target)
    writer.writerow(OUTBOX_COLUMNS)
    for sku, available in sorted(rows):
        # A spreadsheet would run it.
        shown = f"'{sku}" if sku.startswith(RISKY) else sku
        writer.writerow([shown, max(available, 0), "", as_of, version])
    return target.getvalue().encode()


def _file_name(place: str) -> str:
    """A location's code as part of a file's name."""
    return "".join(one if one.isalnum() or one in "-." else "-" for one in place)
