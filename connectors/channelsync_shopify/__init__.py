"""Shopify as a channel: keyed compare-and-set on `available`, order polling and webhooks."""

from __future__ import annotations

from channelsync_shopify.connector import connector

__all__ = ["connector"]
