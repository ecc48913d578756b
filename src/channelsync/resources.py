"""Where the files that are not of the package lie.

The database migrations, the example configuration, and what a new connector begins as. In a
checkout they are folders beside `src`, in a wheel they lie below `channelsync/_resources`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

__all__ = ["resource_folder"]

_PACKAGE: Final = Path(__file__).resolve().parent
_CHECKOUT: Final = _PACKAGE.parents[1]


def resource_folder(name: Literal["config", "migrations", "templates"]) -> Path:
    """Return the folder of that name; a checkout's own comes before any installed copy.

    An editable installation leaves a copy in the environment as well, which grows old while the
    checkout is worked on.

    Raises:
        FileNotFoundError: the installation is incomplete.
    """
    beside_source = _CHECKOUT / name
    if beside_source.is_dir() and (_CHECKOUT / "pyproject.toml").is_file():
        return beside_source
    installed = _PACKAGE / "_resources" / name
    if installed.is_dir():
        return installed
    msg = f"this installation of channelsync has no folder {name!r}: install it again"
    raise FileNotFoundError(msg)
