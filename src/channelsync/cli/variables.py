"""Variables of the environment that look like ours and are read by nothing."""

from __future__ import annotations

import os

__all__ = ["misspelt_variables"]


def misspelt_variables() -> tuple[str, ...]:
    """One sentence each, with the nearest name that means something."""
    from channelsync.cli.tree import command_variables
    from channelsync.settings import PREFIX, Settings, unknown_variables
    from channelsync.store.stock_queries import closest

    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | command_variables()
    said = []
    for name in unknown_variables(os.environ):
        if name in known:
            continue
        near = closest(name, known)
        hint = f"; did you mean {near}?" if near else ""
        said.append(f"the environment variable {name} is read by nothing{hint}")
    return tuple(said)
