"""Figures of a run, kept for the page of trust where `CHANNELSYNC_RECORD` is set."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support.checkout import ROOT

__all__ = ["RECORDS", "VARIABLE", "keep"]

RECORDS: Final = ROOT / "docs" / "trust" / "records"
VARIABLE: Final = "CHANNELSYNC_RECORD"


def keep(
    name: str, command: str, figures: Mapping[str, tuple[int, str]], *, folder: Path = RECORDS
) -> None:
    """Write figures (by name, with their unit) and the command that makes them, if asked to."""
    if not os.environ.get(VARIABLE):
        return
    command = f"{VARIABLE}=1 {command}"
    rows = [
        {"name": told, "value": value, "unit": unit, "command": command}
        for told, (value, unit) in figures.items()
    ]
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rows, indent=2) + "\n"
    (folder / f"{name}.json").write_text(text, encoding="utf-8")
