"""Plays a rehearsal in a process of its own, in which nothing but the seed decides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, Final

from channelsync.cli.exit_codes import ExitCode
from channelsync.cli.output import Screen
from channelsync.cli.session import Session

__all__ = ["rehearse"]

MODULE: Final = "channelsync.rehearsal"


def rehearse(session: Session, seed: int, *, hours: float, daemons: int | None) -> int:
    """Play one seed and show what it came to."""
    command = [sys.executable, "-m", MODULE, "--json", "--seed", str(seed), "--hours", f"{hours:g}"]
    if daemons is not None:
        command += ["--daemons", str(daemons)]
    with session.output.progress("rehearsing"):
        # The order of sets hangs on it, and so would the order of things.
        done = subprocess.run(  # noqa: S603 - this interpreter, and numbers
            command,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    if not done.stdout:
        return ExitCode.FAILED
    told: dict[str, Any] = json.loads(done.stdout)
    session.output.result(told, lambda screen: _show(screen, told))
    return ExitCode.INVARIANT_VIOLATED if told["violation"] else ExitCode.DONE


def _show(screen: Screen, told: dict[str, Any]) -> None:
    screen.line(
        f"seed {told['seed']}: {told['hours']:.1f} hours lived, sold {told['sold']}, oversold"
        f" {told['oversold']}, {told['commits']} commits, {sum(told['checks'].values())} checks"
    )
    for kind, count in told["faults"].items():
        screen.line(f"  {count:>6} {kind}")
    if told["violation"]:
        screen.line(told["violation"])
        screen.line(f"play it again: {told['replay']}")
