"""A simulated till: registers that sell, its server with an API, its webhooks and its pulls."""

from __future__ import annotations

from channelsync_pos.simulator.courier import Courier
from channelsync_pos.simulator.puller import TillPuller
from channelsync_pos.simulator.till import TillSimulator

__all__ = ["Courier", "TillPuller", "TillSimulator"]
