"""The merchant's file as a person edits it in the dashboard: read, and written as a whole or not.

It is replaced only while it still is what the person saw, and by a rename: whoever reads it meets
the old file or the new one, never half of either. The daemon takes it over as it does whenever the
file changes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from channelsync.configuration.document import BYTES_MAX

__all__ = ["FileChanged", "FileText", "FileUnwritable", "MerchantFile", "digest_of"]

_REASONS: Final = {
    errno.EROFS: "it lies on a file system that is mounted read-only",
    errno.EBUSY: "it is mounted by itself; mount the folder that holds it instead",
    errno.EACCES: "this program may not write into the folder that holds it",
    errno.EPERM: "this program may not write into the folder that holds it",
    errno.ENOSPC: "the disk is full",
}


class FileUnwritable(Exception):
    """The file cannot be read or replaced; nothing was changed. The message says why."""


class FileChanged(Exception):
    """Somebody else changed the file meanwhile; nothing was written."""

    def __init__(self, current: FileText) -> None:
        super().__init__("the file was changed meanwhile by somebody else")
        self.current = current


@dataclass(frozen=True, slots=True)
class FileText:
    """A file as it lies there."""

    content: bytes

    @property
    def text(self) -> str:
        """The content; what is not UTF-8 is replaced, and then the file is none to save."""
        return self.content.decode("utf-8-sig", "replace")

    @property
    def digest(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        return digest_of(self.content)

    def with_text(self, text: str) -> bytes:
        """Another text with the ends of lines and the byte order mark of this one.

        Browsers send CR LF whatever the file has.
        """
        unified = text.replace("\r\n", "\n").replace("\r", "\n")
        if b"\r\n" in self.content:
            unified = unified.replace("\n", "\r\n")
        mark = b"\xef\xbb\xbf" if self.content.startswith(b"\xef\xbb\xbf") else b""
        return mark + unified.encode()


def digest_of(content: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True)
class MerchantFile:
    """Where the file is."""

    path: Path

    def read(self) -> FileText:
        """The file now.

        Raises:
            FileUnwritable: it cannot be read.
        """
        try:
            with self.path.open("rb") as opened:
                return FileText(opened.read(BYTES_MAX + 1))
        except OSError as error:
            raise FileUnwritable(f"{self.path} cannot be read: {_why(error)}") from None

    def why_unwritable(self) -> str | None:
        """Why it cannot be replaced, as far as that shows without trying; None: it can be."""
        folder = self._target().parent
        if os.access(folder, os.W_OK | os.X_OK):
            return None
        try:
            read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
        except OSError as error:
            return _why(error)
        return _REASONS[errno.EROFS if read_only else errno.EACCES]

    def replace(self, content: bytes, *, seen: str) -> None:
        """Put `content` in place of the file whose digest is `seen`, owner and mode kept.

        Content that lies there already is fine: the same edit may be sent twice.

        Raises:
            FileChanged: it is another file by now.
            FileUnwritable: it cannot be replaced.
        """
        target = self._target()
        try:
            with _only_one(target.parent):
                current = self.read()
                if current.content == content:
                    return
                if current.digest != seen:
                    raise FileChanged(current)
                _swap(target, content)
        except OSError as error:
            raise FileUnwritable(f"{self.path} cannot be written: {_why(error)}") from None

    def _target(self) -> Path:
        """The file itself, where the path is a link to it."""
        return self.path.resolve()


def _why(error: OSError) -> str:
    known = _REASONS.get(error.errno or 0)
    return known or (os.strerror(error.errno) if error.errno else "it is no file")


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Keep other processes of ours from writing here meanwhile."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
        os.fsync(handle)
    finally:
        os.close(handle)


def _swap(target: Path, content: bytes) -> None:
    before = target.stat()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".new")
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
            opened.flush()
            _keep_owner(opened.fileno(), before)
            os.fsync(opened.fileno())
        fresh.replace(target)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


def _keep_owner(handle: int, before: os.stat_result) -> None:
    """As far as this program may give files away."""
    with contextlib.suppress(PermissionError):
        os.fchown(handle, before.st_uid, before.st_gid)
    os.fchmod(handle, stat.S_IMODE(before.st_mode))
