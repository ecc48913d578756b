"""The few things that are done to files, each whole or not at all, so that a crash can be anywhere.

Nothing follows a link: whoever may put files into a folder must not choose what is read.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

__all__ = ["FILE_BYTES_MAX", "Disk", "NotReadable"]

FILE_BYTES_MAX: Final = 16 * 1024 * 1024


class NotReadable(Exception):
    """A file that cannot be taken as it is; the message says why."""


class Disk:
    """The machine's own files."""

    def make_folder(self, folder: Path) -> None:
        """A folder that is there."""
        folder.mkdir(parents=True, exist_ok=True)

    def names(self, folder: Path) -> list[str]:
        """Names of what lies in a folder, folders left out, sorted."""
        with os.scandir(folder) as entries:
            return sorted(one.name for one in entries if not one.is_dir(follow_symlinks=False))

    def exists(self, path: Path) -> bool:
        """Whether there is something of this name."""
        return os.path.lexists(path)

    def move(self, source: Path, target: Path) -> bool:
        """Give a file another name, at one stroke. False: somebody else has moved it before."""
        try:
            os.rename(source, target)  # noqa: PTH104 - Path.rename says the same, less plainly
        except FileNotFoundError:
            return False
        return True

    def read(self, path: Path) -> bytes:
        """A plain file's content.

        Raises:
            NotReadable: it is a link or a device, or larger than `FILE_BYTES_MAX`.
        """
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise NotReadable(f"it cannot be read: {error.strerror}") from error
        with os.fdopen(descriptor, "rb") as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise NotReadable("it is no plain file")
            content = opened.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise NotReadable(f"it is larger than {FILE_BYTES_MAX // 2**20} MB: split it")
        return content

    def write(self, path: Path, content: bytes) -> None:
        """A file that is there as a whole, and on the disk, or not at all."""
        part = path.with_name(f"{path.name}.part")
        with part.open("wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        part.replace(path)

    def remove(self, path: Path) -> None:
        """No file of this name."""
        path.unlink(missing_ok=True)
