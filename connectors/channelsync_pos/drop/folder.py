"""A channel's drop folder: which file is next, and where each one is on its way.

    inbox ──claim──> processing ──counted──> done
                         └──cannot be taken──> failed, with NAME.err.json beside it

A file belongs to one reader from the moment its name is in `processing`. It leaves for `done` only
after the host has said, by asking for what comes after it, that its page is committed; a crash
before that finds it in `processing` and hands it out again, which counts nothing twice.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from channelsync_pos.drop.disk import Disk, NotReadable
from channelsync_pos.drop.errors import RowError

__all__ = ["NAME", "Dropped", "Folder"]

INBOX, PROCESSING, DONE, FAILED, OUTBOX = "inbox", "processing", "done", "failed", "outbox"
SEEN: Final = ".seen"
"""Below `done`: one empty file for each content that was counted, named by its SHA-256."""
CHECKSUM: Final = ".sha256"
ERRORS: Final = ".err.json"
NAME: Final = re.compile(
    r"(?P<register>[A-Za-z0-9][A-Za-z0-9._:#-]{0,63})_(?P<date>\d{4}-?\d{2}-?\d{2})"
    r"_(?P<number>\d{1,9})\.csv",
    re.ASCII,
)
EXPECTED: Final = "REGISTER_DATE_NUMBER.csv, like T3_2026-11-21_1.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """A claimed file with its content."""

    name: str
    sha256: str
    content: bytes

    @property
    def register_id(self) -> str:
        """The register that its name says."""
        found = NAME.fullmatch(self.name)
        return found["register"] if found else ""


class Folder:
    """One channel's folder. Blocking: call it from a thread."""

    def __init__(self, root: Path, *, checksums: bool, disk: Disk | None = None) -> None:
        self._root = root
        self._checksums = checksums
        self._disk = disk or Disk()

    @property
    def root(self) -> Path:
        """Where it is."""
        return self._root

    def prepare(self) -> None:
        """Every folder is there."""
        for name in (INBOX, PROCESSING, f"{DONE}/{SEEN}", FAILED, OUTBOX):
            self._disk.make_folder(self._root / name)

    # ------------------------------------------------------------ taking

    def next(self) -> str | None:
        """The name of the next claimed file: one left over, else the next of the inbox."""
        left = [name for name in self._disk.names(self._root / PROCESSING) if _is_csv(name)]
        if left:
            return min(left, key=_order)
        for name in self.waiting():
            if self._disk.move(self._root / INBOX / name, self._root / PROCESSING / name):
                return name
        return None

    def waiting(self) -> list[str]:
        """Files of the inbox that may be taken: by register, then by number."""
        names = self._disk.names(self._root / INBOX)
        ready = [name for name in names if _is_csv(name)]
        if self._checksums:
            ready = [name for name in ready if name + CHECKSUM in names]
        return sorted(ready, key=_order)

    def read(self, name: str) -> Dropped:
        """A claimed file.

        Raises:
            NotReadable: its name, its kind, its size or its checksum is wrong.
        """
        if NAME.fullmatch(name) is None:
            raise NotReadable(f"its name is not of the form {EXPECTED}")
        content = self._disk.read(self._root / PROCESSING / name)
        digest = hashlib.sha256(content).hexdigest()
        told = self._checksum(name)
        if told is not None and told != digest:
            raise NotReadable(f"its SHA-256 is {digest}, and {name}{CHECKSUM} says {told}")
        return Dropped(name=name, sha256=digest, content=content)

    def _checksum(self, name: str) -> str | None:
        """What the file beside it says, as `sha256sum` writes it."""
        for folder in (PROCESSING, INBOX):
            path = self._root / folder / f"{name}{CHECKSUM}"
            if self._disk.exists(path):
                words = self._disk.read(path).decode("ascii", "replace").split()
                return words[0].lower() if words else ""
        return None

    def is_counted(self, sha256: str) -> bool:
        """Whether a file of this content was counted before, under whatever name."""
        return self._disk.exists(self._root / DONE / SEEN / sha256)

    # ------------------------------------------------------------ giving away

    def finish(self, name: str, sha256: str) -> None:
        """Its page is committed (or was, long ago): remember the content, move the file away."""
        seen = self._root / DONE / SEEN / sha256
        if not self._disk.exists(seen):
            self._disk.write(seen, b"")
        self._put_away(name, DONE, sha256)
        self._forgive(name)

    def fail(self, name: str, errors: Sequence[RowError], *, at: str) -> None:
        """It cannot be taken: say why beside it. Nothing of it was counted."""
        told = {"file": name, "at": at, "errors": [one.as_json() for one in errors]}
        text = json.dumps(told, indent=2, ensure_ascii=False) + "\n"
        self._disk.write(self._root / FAILED / f"{name}{ERRORS}", text.encode())
        self._put_away(name, FAILED, None)

    def failed(self) -> list[str]:
        """Files that could not be taken and that nobody has dealt with."""
        return [name for name in self._disk.names(self._root / FAILED) if _is_csv(name)]

    def is_claimed(self, name: str) -> bool:
        """Whether a file of this name is in `processing`."""
        return self._disk.exists(self._root / PROCESSING / name)

    def _put_away(self, name: str, folder: str, sha256: str | None) -> None:
        target = self._root / folder / name
        if folder == DONE and self._disk.exists(target) and sha256 is not None:
            target = target.with_name(f"{target.stem}-{sha256[:12]}.csv")
        for origin in (INBOX, PROCESSING):
            beside = self._root / origin / f"{name}{CHECKSUM}"
            if self._disk.exists(beside):
                self._disk.move(beside, target.with_name(f"{target.name}{CHECKSUM}"))
        # Last, so that a crash before it finds the file where it was.
        self._disk.move(self._root / PROCESSING / name, target)

    def _forgive(self, name: str) -> None:
        """A corrected file of this name was counted: what had failed is dealt with."""
        old = self._root / FAILED / name
        if self._disk.exists(old):
            self._disk.move(old, self._root / DONE / f"{name}.failed")
        self._disk.remove(self._root / FAILED / f"{name}{ERRORS}")

    # ------------------------------------------------------------ telling

    def tell(self, name: str, content: bytes) -> None:
        """Put a file into the outbox, at one stroke."""
        self._disk.write(self._root / OUTBOX / name, content)


def _is_csv(name: str) -> bool:
    return name.endswith(".csv") and not name.startswith(".")


def _order(name: str) -> tuple[str, int, str]:
    found = NAME.fullmatch(name)
    return (found["register"], int(found["number"]), found["date"]) if found else (name, 0, "")
