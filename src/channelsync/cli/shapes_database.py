"""The JSON objects of the commands of the database, by example."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from channelsync.cli.shapes_stock import AT

__all__ = ["DATABASE_SHAPES"]

DATABASE_SHAPES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "db upgrade": {"was": "0001", "schema": "0002"},
        "db current": {"schema": "0001", "program": "0002"},
        "db backup": {"path": "backup.db", "size_bytes": 917_504},
        "db prune": {
            "dry_run": True,
            "pruned": [{"kind": "deliveries", "before_at": AT, "rows": 4_711}],
        },
        "db fold": {
            "folded": {
                "before_at": AT,
                "archive": "ledger-2024.jsonl.gz",
                "position": 31_007,
                "archived": 31_007,
                "remaining": 640,
            }
        },
        "db copy": {"rows": {"items": 120, "movements": 4_711}},
        "db restored": {"channels": 2, "listings": 240},
    }
)
