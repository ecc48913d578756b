"""The demonstration: simulated marketplaces, shoppers, the daemon and its page in one process."""

from __future__ import annotations

from channelsync.demo.run import DemoOptions, DemoResult, run_demo

__all__ = ["DemoOptions", "DemoResult", "run_demo"]
