"""When the last backup was made, remembered beside the database. Backups by other means are not."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from channelsync.domain.vocabulary import Instant

__all__ = ["BackupNote", "read_note", "write_note"]

NAME: Final = "last_backup.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupNote:
    """The last backup."""

    made_at: Instant
    path: str


def write_note(folder: Path, note: BackupNote) -> None:
    """Remember it.

    Raises:
        OSError: the folder cannot be written.
    """
    part = folder / f".{NAME}.part"
    part.write_text(json.dumps(asdict(note)), encoding="utf-8")
    part.replace(folder / NAME)


def read_note(folder: Path) -> BackupNote | None:
    """The last one, or None where none is known."""
    try:
        found = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return BackupNote(made_at=float(found["made_at"]), path=str(found["path"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
