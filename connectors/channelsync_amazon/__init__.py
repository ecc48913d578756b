"""Amazon as a channel: absolute sets applied late, orders by poll and notification, feeds."""

from __future__ import annotations

from channelsync_amazon.connector import connector

__all__ = ["connector"]
