"""The command line: thin commands over the engine's use cases.

`entry` is the door, `application` puts the commands together, `command` gives each of them the
options that all have, `session` opens what they need, `output` is the one place that writes,
`failures` turns what was raised into one message and an exit code.
"""

from __future__ import annotations

from channelsync.cli.entry import main

__all__ = ["main"]
