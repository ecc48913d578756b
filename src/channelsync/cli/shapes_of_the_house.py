"""The JSON objects of the commands about the installation itself, by example (`cli.shapes`)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

__all__ = ["HOUSE"]

_AT: Final = "2026-11-21T09:00:00.000Z"

_FINDING: Final = {
    "check": "stock",
    "table": "stock",
    "column": "on_hand",
    "key": "MUG at ny-dc",
    "stored": 90,
    "rebuilt": 100,
}
_SIMULATION: Final = {
    "scenario": "flash",
    "policy": "escrow",
    "trials": 200,
    "demand": 119_902,
    "sold": 40_000,
    "oversold": 0,
    "refused": 3_477,
    "stranded": 0,
    "pushes": 3_200,
}

HOUSE: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "init": {"configuration": "channelsync.yaml", "schema": "channelsync.schema.json"},
        "check": {
            "file": "channelsync.yaml",
            "ok": True,
            "fingerprint": "9f2c…",
            "locations": ["ny-dc"],
            "channels": [
                {"channel": "amazon-us", "connector": "amazon", "pool": "main", "mode": "live"}
            ],
            "rules": 1,
            "warnings": ["the environment variable CHANNELSYNC_PROT is read by nothing"],
        },
        "verify": {
            "ok": False,
            "findings": [_FINDING],
            "repaired": [_FINDING],
            "notes": [
                {
                    "kind": "deficit",
                    "key": "MUG in pool main",
                    "units": 3,
                    "message": "3 more units of MUG may still sell than pool main has",
                }
            ],
            "checked": {"stock": 400, "movements": 52_310},
            "ledger": {
                "sealed": 52_307,
                "unsealed": 3,
                "unsealed_since": _AT,
                "position": 52_307,
                "digest": "5e8b…",
                "anchors": 24,
                "breaks": [
                    {
                        "kind": "changed",
                        "position": 4_711,
                        "movement": 4_711,
                        "message": "movement 4711 is not what was sealed: it or its seal was"
                        " changed",
                    }
                ],
            },
        },
        "demo": {
            "seconds": 60.2,
            "sold": 1_320,
            "oversold": 0,
            "oversold_by_tills": 0,
            "rival_sold": 1_371,
            "rival_oversold": 46,
            "refused": 88,
            "pushes": 210,
            "orders": 1_204,
            "books_differ": 0,
            "counted_p50_seconds": 0.21,
            "counted_p95_seconds": 1.4,
            "push_p50_seconds": 0.08,
            "push_p95_seconds": 0.4,
            "first_page_seconds": 1.1,
        },
        "simulate": _SIMULATION,
        "db upgrade": {"was": "0001", "schema": "0002"},
        "db current": {"schema": "0001", "program": "0002"},
        "db backup": {"path": "backup.db", "size_bytes": 917_504},
    }
)
