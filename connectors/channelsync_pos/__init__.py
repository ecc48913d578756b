"""The generic till: it tells its sales by webhook or in batches, or is asked for them."""

from __future__ import annotations

from channelsync_pos.connector import connector

__all__ = ["connector"]
