"""The JSON objects of the commands that watch over the house, by example."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from channelsync.cli.shapes_stock import AT

__all__ = ["WATCH_SHAPES"]

WATCH_SHAPES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "notify list": {
            "notices": [
                {
                    "happened_at": AT,
                    "rule": "at once",
                    "target": "owner",
                    "kind": "feed_quiet",
                    "message": "no sign of life from its order feed for 1200 s",
                    "state": "sent",
                    "attempts": 1,
                    "ended_at": AT,
                    "error": None,
                }
            ]
        },
        "notify test": {
            "ok": False,
            "targets": [{"target": "owner", "ok": False, "message": "Ntfy did not take it"}],
        },
        "doctor": {
            "at": AT,
            "verdict": "attention",
            "checks": [
                {
                    "area": "drift",
                    "verdict": "attention",
                    "message": "1 listing showed a number that nothing here explains",
                    "fix": "Find out who else writes to the channel, and stop them.",
                    "page": "https://stock.example.com/repairs",
                }
            ],
        },
    }
)
