"""Prometheus' own checker of rules, where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["NOT_RUN", "promtool"]

NOT_RUN: Final = "needs promtool on PATH to run the tests of the alert rules"
"""It comes with a package of the system (Debian: prometheus): its absence is forgiven."""


def promtool(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str] | None:
    """Run it in a folder; None where it is not installed."""
    beside = str(Path(sys.executable).parent)  # where `./run ci` puts it
    program = shutil.which("promtool", path=os.pathsep.join([beside, os.environ["PATH"]]))
    if program is None:
        return None
    return subprocess.run(
        [program, *arguments], cwd=folder, check=False, capture_output=True, text=True, timeout=60
    )
