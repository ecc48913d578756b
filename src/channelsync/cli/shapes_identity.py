"""The JSON objects of the commands about users and keys, by example."""

from __future__ import annotations

from typing import Any, Final

from channelsync.cli.shapes_stock import AT

__all__ = ["IDENTITY_SHAPES"]

_USER: Final = {
    "name": "ada",
    "role": "operator",
    "channels": ["shopify-us"],
    "locations": ["ny-dc"],
    "created_at": AT,
    "second_factor_since": AT,
}
_KEY: Final = {
    "id": "5f0c1e9a77b2",
    "name": "web shop",
    "scopes": ["holds:write"],
    "channels": ["shopify-us"],
    "locations": ["ny-dc"],
    "created_at": AT,
    "created_by": "cli:ada",
    "expires_at": AT,
    "used_at": AT,
    "revoked_at": AT,
}

IDENTITY_SHAPES: Final[dict[str, Any]] = {
    "users add": {"user": _USER},
    "users list": {"users": [_USER]},
    "users remove": {"name": "ada"},
    "users password": {"name": "ada"},
    "users second-factor-off": {"name": "ada"},
    "keys list": {"keys": [_KEY]},
    "keys create": {"key": _KEY, "text": "csk_5f0c1e9a77b2_…"},
    "keys revoke": {"key": _KEY},
    "keys rotate": {"key_id": "9c01d2aa", "secrets": 7, "retired": ["51fe0c7b"]},
    "secrets set": {"name": "shopify-token"},
    "secrets list": {
        "secrets": [
            {
                "name": "shopify-token",
                "version": 2,
                "changed_at": AT,
                "changed_by": "cli:ada",
                "key_id": "9c01d2aa",
            }
        ]
    },
    "secrets remove": {"name": "shopify-token"},
}
