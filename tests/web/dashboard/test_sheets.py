"""Files for spreadsheets: what is in a cell never runs."""

from __future__ import annotations

from typing import Any

import pytest

from channelsync.web.dashboard.sheets import csv_lines
from channelsync.web.dashboard.table import Mark


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@sum", "'@sum"),
        ("\tx", "'\tx"),
        (" =1", "' =1"),
        ("\uff1d1", "'\uff1d1"),
        (-3, "-3"),
        (None, ""),
        (Mark("warn", "parked", "unmapped"), "parked: unmapped"),
        ("a,b", '"a,b"'),
    ],
)
def test_a_cell_is_written_so_that_nothing_runs(value: Any, written: str) -> None:
    assert csv_lines([[value]]).rstrip("\r\n") == written or (value is None and written == "")
