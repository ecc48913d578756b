"""The generic till: its sales arrive as signed webhooks, in batches, or are fetched from its API."""

from __future__ import annotations

from channelsync_pos.connector import connector

__all__ = ["connector"]
