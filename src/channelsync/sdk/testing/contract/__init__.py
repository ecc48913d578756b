"""One pytest suite that proves that a connector keeps what it declares.

A connector's test file subclasses `World` (its simulated marketplace, in words that all of them
have) and `ConnectorContract` (which only asks for that world). Needs pytest, which is no
dependency of channelsync itself.
"""

from __future__ import annotations

from channelsync.sdk.testing.contract.breaking import DOES_NOT_APPLY, ContractBroken
from channelsync.sdk.testing.contract.suite import ConnectorContract
from channelsync.sdk.testing.contract.world import HOOK_URL, Clock, World

__all__ = ["DOES_NOT_APPLY", "HOOK_URL", "Clock", "ConnectorContract", "ContractBroken", "World"]
