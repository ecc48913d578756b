"""The whole contract."""

from __future__ import annotations

from channelsync.sdk.testing.contract.declaring import DeclaringClauses
from channelsync.sdk.testing.contract.keeping import KeepingClauses
from channelsync.sdk.testing.contract.ordering import OrderingClauses
from channelsync.sdk.testing.contract.pushing import PushingClauses
from channelsync.sdk.testing.contract.reading import ReadingClauses
from channelsync.sdk.testing.contract.receiving import ReceivingClauses
from channelsync.sdk.testing.contract.tilling import TillingClauses

__all__ = ["ConnectorContract"]


class ConnectorContract(
    DeclaringClauses,
    PushingClauses,
    ReadingClauses,
    OrderingClauses,
    ReceivingClauses,
    TillingClauses,
    KeepingClauses,
):
    """What every connector keeps; subclass it once, give it a `world`, and run pytest.

    A clause that what is declared rules out is skipped as `does not apply: …`, with the reason.
    """
