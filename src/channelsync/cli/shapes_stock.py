"""The JSON objects of the commands about stock, by example."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["AT", "STOCK", "STOCK_SHAPES"]

AT: Final = "2026-11-21T09:00:00.000Z"

STOCK: Final = {
    "on_hand": 100,
    "reserved": 15,
    "safety_stock": 5,
    "atp": 80,
    "on_order": 50,
    "future_atp": 130,
}
_CHANGE: Final = {
    "sku": "MUG",
    "location": "ny-dc",
    "quantity": "on_hand",
    "before": 100,
    "after": 97,
}
_CHANGES: Final = {"changes": [_CHANGE]}
_TRANSFER: Final = {
    "id": 7,
    "sku": "MUG",
    "source": "ny-dc",
    "target": "soho",
    "state": "in_transit",
    "units": 40,
    "received": 38,
    "in_transit": 1,
    "differences": {"lost": 1},
    "waits": "channels may still sell 12 units of it: their listings are being cut",
    "created_at": AT,
    "shipped_at": AT,
    "closed_at": AT,
    "actor": "cli:ada",
    "note": "for the weekend",
}

STOCK_SHAPES: Final[dict[str, Any]] = {
    "stock show": {
        "sku": "MUG",
        "name": "Blue mug",
        "pools": [
            {
                "pool": "main",
                **STOCK,
                "in_transit": 30,
                "uninspected": 2,
                "locations": [
                    {
                        "location": "ny-dc",
                        "on_hand": 100,
                        "reserved": 15,
                        "safety_stock": 0,
                        "on_order": 50,
                        "in_transit": 30,
                        "counted_at": AT,
                    }
                ],
            }
        ],
    },
    "stock set": _CHANGES,
    "stock count": _CHANGES,
    "stock adjust": _CHANGES,
    "stock safety": _CHANGES,
    "stock transfer": {"transfer": _TRANSFER},
    "stock return": {
        "change": _CHANGE,
        "outcomes": {"damaged": 1, "sellable": 2},
        "left": 0,
    },
    "transfers list": {"transfers": [_TRANSFER]},
    "transfers ship": {"transfer": _TRANSFER},
    "transfers receive": {"transfer": _TRANSFER},
    "transfers cancel": {"transfer": _TRANSFER},
    "returns list": {
        "returns": [
            {
                "channel": "amazon-us",
                "order": "112-5550001",
                "line": "1",
                "sku": "MUG",
                "returned": 2,
                "uninspected": 1,
                "returned_at": AT,
                "heard_at": AT,
            }
        ]
    },
    "stock import": {
        "rows": 200,
        "counted_at": AT,
        "changes": [
            {
                "row": 2,
                "sku": "MUG",
                "location": "ny-dc",
                "field": "on_hand",
                "before": 90,
                "after": 100,
            }
        ],
        "created": ["MUG"],
        "dry_run": False,
    },
    "stock export": {"file": None, "csv": "sku,location,on_hand,safety_stock,name\r\n…"},
}
