"""The environment variables that options are read from."""

from __future__ import annotations

from typing import Final

__all__ = ["UNREAD_OPTIONS", "command_variables"]

UNREAD_OPTIONS: Final = frozenset({"--yes", "--force"})
"""A consent is given for one run, never by a variable that stays set."""


def command_variables() -> set[str]:
    """The name of every one."""
    from channelsync.cli.tree import commands

    return {
        variable for one in commands() for option in one.options for variable in option.variables
    }
