"""What a command's exit code says. Stable: scripts rely on it."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["MEANINGS", "ExitCode"]


class ExitCode(IntEnum):
    """The codes of every command."""

    DONE = 0
    FAILED = 1
    CHANGES = 2
    INVARIANT_VIOLATED = 3
    CONFIGURATION_INVALID = 4
    UNREACHABLE = 5
    USAGE = 64
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.DONE: "done; nothing to complain about",
    ExitCode.FAILED: "it failed or was refused; the message says why and what to do",
    ExitCode.CHANGES: "`plan`: there is something to push; `doctor`: something wants attention",
    ExitCode.INVARIANT_VIOLATED: "the books do not add up (`verify`), or the protocol oversold"
    " (`simulate`)",
    ExitCode.CONFIGURATION_INVALID: "the configuration, or an environment variable, is wrong",
    ExitCode.UNREACHABLE: "the database or a marketplace cannot be reached",
    ExitCode.USAGE: "the command line itself is wrong",
    ExitCode.INTERRUPTED: "stopped by Ctrl-C",
}
"""One line each, for `--help` and the reference."""
