"""The merchant's file of a rehearsal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from channelsync.rehearsal.markets import PACK, PACKED, Markets

__all__ = ["merchants_file"]

_BEGINNING: Final = """\
version: 1
locations:
  dc: {name: Warehouse}
channels:
"""
_PACE: Final = """\
    poll_interval_seconds: 600
    quiet_limit_seconds: 3600
    settings:
"""
FEED_ABOVE: Final = 1
"""So few changes that wait together go by one batch."""


def merchants_file(
    markets: Markets, shares: Mapping[str, int], *, absent: str | None = None
) -> str:
    """The merchant's file, with these quotas in percent; the channel `absent` is not in it."""
    channels = {
        "shopify": _shopify(markets),
        "amazon": _amazon(markets),
        "square": _square(markets),
    }
    present = [name for name in channels if name != absent]
    quotas = ", ".join(f"{name}: {shares[name]}%" for name in present)
    text = _BEGINNING + "".join(
        f"  {name}:\n    connector: {name}\n{_PACE}{channels[name]}" for name in present
    )
    text += f"allocation:\n  quotas: {{{quotas}}}\n"
    if "shopify" in present:
        text += f"listings:\n  shopify:\n    {PACK}: {{recipe: {{{PACKED}: 2}}}}\n"
    return text


def _shopify(markets: Markets) -> str:
    simulator = markets.shopify.simulator
    return f"""\
      shop: {simulator.world.shop}
      access_token: file:shopify-token
      webhook_secret: file:shopify-webhooks
      location_id: {simulator.location_id}
"""


def _amazon(markets: Markets) -> str:
    simulator = markets.amazon.simulator
    return f"""\
      seller_id: {simulator.world.seller_id}
      marketplace_ids: [{", ".join(simulator.world.marketplaces)}]
      region: eu
      client_id: {simulator.account.client_id}
      client_secret: file:amazon-client
      refresh_token: file:amazon-token
      feed_above: {FEED_ABOVE}
"""


def _square(markets: Markets) -> str:
    return f"""\
      access_token: file:square-token
      application_token: file:square-application
      location_id: {markets.square.simulator.location_id}
      location: dc
"""
