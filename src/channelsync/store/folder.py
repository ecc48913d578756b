"""The data folder, which one daemon holds at a time; and files that must be on the disk."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["AlreadyRunning", "data_lock", "sync"]


class AlreadyRunning(Exception):
    """Another daemon works on this data folder."""


@contextmanager
def data_lock(folder: Path) -> Iterator[None]:
    """Hold the data folder for one daemon: whoever held it before is known dead.

    Raises:
        AlreadyRunning: another daemon holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "daemon.lock").open("a+", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"another channelsync works on {folder}: stop it first, or give this one"
                " another CHANNELSYNC_DATA_DIR"
            ) from None
        yield


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
