"""Square as a channel: keyed inventory adjustments, the inventory ledger as feed, webhooks."""

from __future__ import annotations

from channelsync_square.connector import connector

__all__ = ["connector"]
