"""The JSON object of every command, by example: the reference prints them, tests hold them true."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from channelsync.cli.shapes_database import DATABASE_SHAPES
from channelsync.cli.shapes_identity import IDENTITY_SHAPES
from channelsync.cli.shapes_stock import AT, STOCK, STOCK_SHAPES
from channelsync.cli.shapes_watch import WATCH_SHAPES

__all__ = ["FAILURE", "FREE", "MIXED", "SHAPES"]

FREE: Final = frozenset({"by_kind", "checked", "differences", "numbers", "outcomes"})
"""Mappings whose keys are names, not words of the format."""
MIXED: Final = frozenset({"before", "after"})
"""Numbers, or text where it is a name that changes."""

FAILURE: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "error": {
            "kind": "refused",
            "exit_code": 1,
            "message": "there is no item 'MUGG'; did you mean 'MUG'?",
            "details": [],
        }
    }
)

_PUSH: Final = {"kind": "raise", "units": 40, "reason": "holds 0 of its target 40", "shadow": False}
_CHANNEL: Final = {
    "channel": "amazon-us",
    "connector": "amazon",
    "pool": "main",
    "mode": "live",
    "state": "active",
    "paused": None,
    "heard_at": AT,
    "quiet": False,
    "watermark_at": AT,
    "failing_since": None,
    "last_error": None,
    "listings": 200,
    "refused": 0,
    "unsettled": 0,
    "exposure": 4_210,
    "open_pushes": 3,
    "parked_lines": 0,
    "applying": 0,
    "broken": ["feed_complete: no sign of life from its order feed for 1200 s"],
    "load": {
        "stage": "proving",
        "found": 100_000,
        "proven": 34_500,
        "written": 12_000,
        "seconds": 610.0,
        "seconds_left": 1_320.0,
    },
}
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

SHAPES: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "status": {
            "at": AT,
            "summed_at": AT,
            "channels": [_CHANNEL],
            "pools": [
                {
                    "pool": "main",
                    "items": 200,
                    "on_hand": 9_000,
                    "reserved": 120,
                    "atp": 8_640,
                    "exposure": 8_610,
                    "oversold": 0,
                    "free": 30,
                    "deficits": 0,
                }
            ],
            "proof_coverage": {"proven": 600, "listings": 600},
            "open_pushes": 3,
            "dead_letters": 0,
            "holds": 2,
            "shortfall_units": 0,
            "overdue_seconds": None,
            "alarms": [
                {
                    "kind": "channel_degraded",
                    "subject": "amazon-us",
                    "message": "poll fails: no answer",
                    "channel": "amazon-us",
                    "raised_at": AT,
                }
            ],
        },
        "explain": {
            "at": AT,
            "sku": "MUG",
            "name": "Blue mug",
            "pools": [
                {
                    "pool": "main",
                    "stock": STOCK,
                    "exposure": 80,
                    "free": 0,
                    "rule": "default",
                    "strategy": "quota",
                    "guarantee": "strict",
                    "listings": [
                        {
                            "channel": "amazon-us",
                            "sku": "MUG",
                            "units": 1,
                            "mode": "live",
                            "quota": 50.0,
                            "allocated": 40,
                            "target": 40,
                            "exposure": 0,
                            "shown": 0,
                            "shown_at": AT,
                            "settled_at": AT,
                            "settle_reasons": ["drift"],
                            "waits": "a settle is due (drift)",
                            "next_push": _PUSH,
                            "open_push": {
                                "kind": "cut",
                                "units": 3,
                                "state": "quarantine",
                                "copies": 1,
                                "cause": "deficit",
                                "last_outcome": "applied",
                                "opened_at": AT,
                                "release_at": AT,
                            },
                        }
                    ],
                    "trace": [
                        {
                            "name": "shares",
                            "explanation": "MUG: rule 'default' shares by quota",
                            "numbers": {"amazon-us": 40, "common pool": 0},
                        }
                    ],
                }
            ],
            "unlisted": [
                {
                    "channel": "shopify-us",
                    "sku": "MUG",
                    "state": "refused",
                    "why": "two offers have this SKU",
                }
            ],
            "causes": [
                {
                    "at": AT,
                    "what": "sale",
                    "subject": "ny-dc",
                    "quantity": "reserved",
                    "delta": 1,
                    "actor": "order:amazon-us",
                    "reference": "112-5550001/1",
                    "note": "",
                }
            ],
        },
        "plan": {
            "at": AT,
            "items": [
                {
                    "sku": "MUG",
                    "pool": "main",
                    "rule": "default",
                    "stock": STOCK,
                    "free": 80,
                    "listings": [
                        {
                            "channel": "amazon-us",
                            "sku": "MUG",
                            "exposure": 0,
                            "target": 40,
                            "push": _PUSH,
                            "waits": "above its low water",
                        }
                    ],
                }
            ],
            "summary": {
                "items": 1,
                "pushes": 1,
                "by_kind": {"raise": 1},
                "shadow_pushes": 0,
            },
            "notes": ["location soho is new: it holds no stock yet"],
        },
        "orders": {
            "lines": [
                {
                    "channel": "amazon-us",
                    "order": "112-5550001",
                    "line": "1",
                    "sku": "MUG",
                    "ordered": 2,
                    "cancelled": 0,
                    "shipped": 0,
                    "returned": 0,
                    "state": "open",
                    "parked": "unmapped",
                    "sold_at": AT,
                    "first_heard_at": AT,
                    "heard_at": AT,
                }
            ]
        },
        "ship": {"channel": "amazon-us", "order": "112-5550001", "package": "1", "units": 2},
        **STOCK_SHAPES,
        **IDENTITY_SHAPES,
        **WATCH_SHAPES,
        **DATABASE_SHAPES,
        "items add": {"sku": "MUG", "name": "Blue mug"},
        "items rename": {"sku": "MUG-BLUE", "was": "MUG"},
        "items list": {"items": [{"sku": "MUG", "name": "Blue mug"}]},
        "holds list": {
            "holds": [
                {
                    "id": "6f1c…",
                    "pool": "main",
                    "channel": None,
                    "owner": "cart-17",
                    "lines": [{"sku": "MUG", "units": 2}],
                    "created_at": AT,
                    "expires_at": AT,
                }
            ]
        },
        "channels list": {"channels": [_CHANNEL]},
        "channels test": {
            "channel": "amazon-us",
            "ok": True,
            "checks": [{"name": "credentials", "ok": True, "message": "accepted"}],
        },
        "channels pause": {"channel": "amazon-us", "paused": "stock-take"},
        "channels resume": {"channel": "amazon-us", "paused": None},
        "channels forget": {"channel": "old-shop", "listings": 12, "units": 40},
        "deadletters list": {
            "dead_letters": [
                {
                    "id": 7,
                    "kind": "delivery",
                    "channel": "shopify-us",
                    "reference": "1234",
                    "topic": "orders/create",
                    "reason": "line_items is missing",
                    "created_at": AT,
                }
            ]
        },
        "deadletters replay": {"id": 7, "state": "replayed"},
        "deadletters drop": {"id": 7, "state": "dropped"},
        "connectors list": {
            "connectors": [
                {
                    "connector": "shopify",
                    "title": "Shopify",
                    "package": "channelsync 0.1.0",
                    "push_semantics": "keyed_compare_and_set",
                    "enforces": "strict",
                    "quality": {
                        "tier": "platinum",
                        "done": 20,
                        "todo": 0,
                        "exempt": 3,
                        "broken": None,
                    },
                    "broken": None,
                }
            ]
        },
        "connectors new": {
            "connector": "acme",
            "folder": "channelsync-acme",
            "files": ["pyproject.toml", "src/channelsync_acme/connector.py"],
        },
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
                "unsealed_since": AT,
                "position": 52_307,
                "digest": "5e8b…",
                "anchors": 24,
                "anchors_in_archives": 2,
                "folds": [
                    {"before_at": AT, "position": 31_007, "archived": 31_007, "ended_at": AT}
                ],
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
            "archives": [
                {
                    "path": "ledger-2024.jsonl.gz",
                    "position": 31_007,
                    "movements": 31_007,
                    "anchors": 2,
                    "breaks": ["its movements are not those that were sealed"],
                }
            ],
            "audit": {
                "entries": 412,
                "position": 412,
                "digest": "a07c…",
                "breaks": [
                    {
                        "position": 17,
                        "message": "entry 17 of the audit trail (channel.pause of channel:shop)"
                        " is not as it was written, or the one before it is not",
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
    }
)
"""By command. Where an example shows a value, null may stand in its place if nothing is known."""
