"""The program with an event loop that can be held from outside, as a slow call would hold it.

Unlike a process that is stopped, it keeps its threads running and its connections open. Run as
`python -P stalling.py SECONDS ARGUMENTS...`; every SIGUSR1 holds its loop for so long.
"""

from __future__ import annotations

import signal
import sys
import time

from channelsync.cli import main


def hold_on_signal(seconds: float) -> None:
    """Whatever the main thread does, an event loop as a rule, it waits meanwhile."""
    signal.signal(signal.SIGUSR1, lambda _number, _frame: time.sleep(seconds))


if __name__ == "__main__":
    hold_on_signal(float(sys.argv.pop(1)))
    sys.exit(main())
