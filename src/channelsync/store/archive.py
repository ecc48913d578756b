"""An archive of folded movements: a file that proves itself, and the fold that it was made for.

JSON lines, packed by gzip. The first is a header; each of the others is a movement, in the very
text that its seal was made of (`channelsync.store.chain.canonical`): first what had stayed from the
fold before, then every movement whose seal was taken off. From these lines alone the chain can be
worked out anew, and what the openings say.
"""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from channelsync.domain.wording import counted
from channelsync.store.chain import Head, canonical, follow
from channelsync.store.chain_check import Anchor
from channelsync.store.folder import sync
from channelsync.store.folding import Fold, FoldRefused
from channelsync.store.openings import Openings, digest_of
from channelsync.store.schema import INSTANT
from channelsync.store.stock_tables import movements

__all__ = ["Archive", "ArchiveReport", "ArchiveUnreadable", "check_archive", "new_archive"]

FORMAT: Final = "channelsync-ledger-archive"
VERSION: Final = 1
_NULLABLE: Final = tuple(column.name for column in movements.c if column.nullable)
_INSTANTS: Final = tuple(column.name for column in movements.c if column.type is INSTANT)


class ArchiveUnreadable(Exception):
    """What was given as an archive is none; the message says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveReport:
    """One archive, held against the fold that it was made for."""

    path: Path
    position: int
    """The last position of the chain in it."""
    movements: int
    anchors: int
    """Heads told outside that stand in it."""
    breaks: tuple[str, ...]


class Archive:
    """A new file that is being written."""

    def __init__(self, packed: gzip.GzipFile) -> None:
        self._packed = packed

    def head(self, start: Head, head: Head) -> None:
        """Say that it holds the chain's movements behind `start`, up to `head`."""
        named = {"format": FORMAT, "version": VERSION, "after": start.position}
        line = json.dumps(named | {"position": head.position, "digest": head.digest})
        self._packed.write(line.encode() + b"\n")

    def add(self, movements: Iterable[Mapping[str, Any]]) -> None:
        """Movements, in the order of their ids."""
        for movement in movements:
            self._packed.write(canonical(movement) + b"\n")


@contextmanager
def new_archive(path: Path) -> Iterator[Archive]:
    """Write a new file: at the end it is whole and on the disk, or it is not there.

    Raises:
        FoldRefused: the file exists, or cannot be written.
    """
    if path.exists():
        raise FoldRefused(f"{path} exists already: name a new file")
    part = path.with_name(f".{path.name}.part")
    try:
        with _only_ours(part) as file:
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                yield Archive(packed)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)
        sync(path.parent)
    except OSError as error:
        raise FoldRefused(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _only_ours(part: Path) -> IO[bytes]:
    """Nobody else may read it, whatever the umask. What a crash left there is no archive."""
    part.unlink(missing_ok=True)
    return os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")


# ------------------------------------------------------------------ reading


def check_archive(
    path: Path, folds: Sequence[Fold], anchors: Iterable[Anchor] = ()
) -> ArchiveReport:
    """Work the chain and the openings of an archive out anew, and hold them against its fold.

    Raises:
        ArchiveUnreadable: it is no archive, is not whole, or of another ledger.
    """
    try:
        with gzip.open(path, "rb") as lines:
            return _check(path, lines, folds, {one.position: one for one in anchors})
    except (OSError, EOFError, zlib.error) as error:
        raise ArchiveUnreadable(f"{path} cannot be read as an archive: {error}") from error


def _check(
    path: Path, lines: gzip.GzipFile, folds: Sequence[Fold], told: Mapping[int, Anchor]
) -> ArchiveReport:
    header = _header(path, lines.readline())
    fold, before = _fold_of(path, header, folds)
    openings = Openings(fold.remains.kept_listings)
    breaks: list[str] = []
    stayed = before.remains.remaining if before else 0
    first = list(_movements(path, lines, stayed))
    if before and digest_of(first) != before.remains.digest:
        breaks.append("what had stayed from the fold before it is not what stayed then")
    walk = _Walk(before.head if before else Head(), told)
    for movement in first:
        openings.add(movement)
    for movement in _movements(path, lines, fold.head.position - walk.position):
        openings.add(movement)
        walk.step(movement)
    if lines.readline():
        breaks.append("there is more in it than was folded")
    if walk.digest != fold.head.digest:
        breaks.append("its movements are not those that were sealed")
    if digest_of(openings.rows()) != fold.remains.digest:
        breaks.append("its movements do not come to what was carried forward")
    return ArchiveReport(
        path=path,
        position=fold.head.position,
        movements=fold.remains.archived,
        anchors=walk.compared,
        breaks=(*breaks, *walk.breaks),
    )


class _Walk:
    """The chain over an archive, from one movement to the next."""

    def __init__(self, start: Head, told: Mapping[int, Anchor]) -> None:
        self.position, self.digest = start.position, start.digest
        self._told = told
        self.compared = 0
        self.breaks: list[str] = []

    def step(self, movement: Mapping[str, Any]) -> None:
        """One sealed movement further."""
        self.position, self.digest = self.position + 1, follow(self.digest, movement)
        anchor = self._told.get(self.position)
        if anchor is None:
            return
        self.compared += 1
        if anchor.digest != self.digest:
            self.breaks.append(f"position {self.position} was told outside with another digest")


def _header(path: Path, line: bytes) -> Mapping[str, Any]:
    try:
        header = json.loads(line)
    except ValueError:
        header = None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise ArchiveUnreadable(f"{path} is no archive of a ledger: its first line is no header")
    if header.get("version") != VERSION:
        raise ArchiveUnreadable(f"{path} is of version {header.get('version')}, not {VERSION}")
    return header


def _fold_of(
    path: Path, header: Mapping[str, Any], folds: Sequence[Fold]
) -> tuple[Fold, Fold | None]:
    """The fold that an archive was made for, and the one before it."""
    before: Fold | None = None
    for fold in folds:
        if fold.head.position == header.get("position"):
            return fold, before
        before = fold
    raise ArchiveUnreadable(
        f"{path} goes up to position {header.get('position')}, and this ledger was never folded"
        " there: it is of another one, or its fold was never begun"
    )


def _movements(path: Path, lines: gzip.GzipFile, number: int) -> Iterator[Mapping[str, Any]]:
    for read in range(number):
        line = lines.readline()
        if not line:
            missing = counted(number - read, "movement")
            raise ArchiveUnreadable(f"{path} is not whole: {missing} missing at its end")
        try:
            yield _movement(json.loads(line))
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise ArchiveUnreadable(f"{path} has a line that is no movement: {error}") from error


def _movement(written: dict[str, Any]) -> Mapping[str, Any]:
    shown: dict[str, Any] = dict.fromkeys(_NULLABLE) | written
    if shown.keys() != set(movements.c.keys()):
        raise ValueError("it has other columns than a movement")
    for name in _INSTANTS:
        if shown[name] is not None:
            shown[name] = float.fromhex(shown[name])
    return shown
