"""Acme as a sales channel of channelsync."""

from __future__ import annotations

from channelsync_acme.connector import connector

__all__ = ["connector"]
