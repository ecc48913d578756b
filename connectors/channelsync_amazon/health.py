"""Credentials, roles and marketplaces: is this channel what we think it is?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from channelsync.sdk.errors import ConnectorError, Misconfigured
from channelsync.sdk.types import Assumption, AssumptionFinding, CheckResult, Instant
from channelsync_amazon.api import AmazonApi, Call, path_part
from channelsync_amazon.offers import BASE
from channelsync_amazon.settings import AmazonSettings
from channelsync_amazon.times import iso
from channelsync_amazon.wire import Participations, understood

__all__ = ["SelfTest"]

PARTICIPATIONS_SECONDS: Final = 600.0
"""The call has one token a minute: what it told stands for a while."""
ORDERS_PROBE_SECONDS: Final = 600.0


class SelfTest:
    """The self-testing part of an open channel."""

    def __init__(self, api: AmazonApi, settings: AmazonSettings) -> None:
        self._api = api
        self._settings = settings
        self._told: tuple[Instant, Participations] | None = None

    async def test(self) -> Sequence[CheckResult]:
        """One result a check; a failed check is a result, not an error."""
        results: list[CheckResult] = []
        checks: tuple[tuple[str, Callable[[], Awaitable[str]]], ...] = (
            ("credentials", self._credentials),
            ("marketplaces", self._marketplaces),
            ("listings", self._listings),
            ("orders", self._orders),
        )
        for name, check in checks:
            try:
                results.append(CheckResult(name=name, ok=True, message=await check()))
            except ConnectorError as error:
                results.append(CheckResult(name=name, ok=False, message=str(error)))
        queue = self._settings.queue
        without = "no queue_url: sales are seen by polling only, every few minutes"
        told = without if queue is None else f"notifications by {queue.arn}"
        results.append(CheckResult(name="notifications", ok=True, message=told))
        return results

    async def check_assumptions(self) -> Sequence[AssumptionFinding]:
        """Channel-wide: the account sells in its marketplaces.

        Raises:
            ConnectorError: nothing could be found out now.
        """
        wrong = self._wrong_marketplaces(await self._participations())
        return [
            AssumptionFinding(
                assumption=Assumption.READS_BACK, holds=not wrong, why="; ".join(wrong)
            )
        ]

    async def _credentials(self) -> str:
        await self._api.tokens().current()
        return "Login with Amazon gives a token"

    async def _marketplaces(self) -> str:
        wrong = self._wrong_marketplaces(await self._participations(fresh=True))
        if wrong:
            raise Misconfigured("; ".join(wrong))
        return f"the account sells in {', '.join(self._settings.marketplace_ids)}"

    async def _listings(self) -> str:
        call = Call(
            operation="searchListingsItems",
            method="GET",
            path=f"{BASE}/{path_part(self._settings.seller_id)}",
            query={"marketplaceIds": self._settings.marketplace_ids[0], "pageSize": "1"},
        )
        await self._api.read(call)
        return "offers can be read (writing them takes the same role)"

    async def _orders(self) -> str:
        since = iso(self._api.now() - ORDERS_PROBE_SECONDS)
        ids = ",".join(self._settings.marketplace_ids)
        if self._settings.orders_api == "v0":
            query = {"MarketplaceIds": ids, "LastUpdatedAfter": since, "MaxResultsPerPage": "1"}
            call = Call(operation="getOrders", method="GET", path="/orders/v0/orders", query=query)
        else:
            query = {"marketplaceIds": ids, "lastUpdatedAfter": since, "maxResultsPerPage": "1"}
            path = "/orders/2026-01-01/orders"
            call = Call(operation="searchOrders", method="GET", path=path, query=query)
        await self._api.read(call)
        return "orders can be read"

    async def _participations(self, *, fresh: bool = False) -> Participations:
        now = self._api.now()
        if not fresh and self._told is not None and now - self._told[0] < PARTICIPATIONS_SECONDS:
            return self._told[1]
        call = Call(
            operation="getMarketplaceParticipations",
            method="GET",
            path="/sellers/v1/marketplaceParticipations",
        )
        told = understood(Participations, await self._api.read(call))
        self._told = (now, told)
        return told

    def _wrong_marketplaces(self, told: Participations) -> list[str]:
        standing = {one.marketplace.id: one.participation for one in told.payload}
        wrong = []
        for wanted in self._settings.marketplace_ids:
            one = standing.get(wanted)
            if one is None or not one.is_participating:
                known = ", ".join(sorted(standing)) or "none"
                wrong.append(f"the account does not sell in {wanted}; it does in: {known}")
        return wrong
