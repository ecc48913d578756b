"""A process whose clock is wrong, by libfaketime from a development package."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

from tests.support.servers import ServerMissing

__all__ = ["clock_set_off"]


def clock_set_off(seconds: int) -> dict[str, str]:
    """The environment of a process whose wall clock is `seconds` before ours.

    Clocks that measure spans go right: a machine's time is set, its spans are not.

    Raises:
        ServerMissing: the library cannot be used here.
    """
    if not seconds:
        return {}
    found = find_spec("libfaketime")
    if found is None or found.origin is None or sys.platform != "linux":
        raise ServerMissing("needs libfaketime, whose development package is for Linux")
    library = Path(found.origin).parent / "vendor/libfaketime/src/libfaketime.so.1"
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{seconds:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
