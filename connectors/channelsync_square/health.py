"""Credentials, rights and the location: is this channel what we think it is?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from channelsync.sdk.errors import ConnectorError, Misconfigured, NeedsReauthorization
from channelsync.sdk.types import Assumption, AssumptionFinding, CheckResult
from channelsync_square.api import SquareApi
from channelsync_square.settings import Mode, SquareSettings
from channelsync_square.webhooks import Keys
from channelsync_square.wire import LocationsAnswer, Place, understood

__all__ = ["SelfTest"]

CLOCK_SECONDS_MAX: Final = 30.0
LOCATIONS_PATH: Final = "/v2/locations"


class SelfTest:
    """The self-testing part of an open channel."""

    def __init__(self, api: SquareApi, settings: SquareSettings, keys: Keys) -> None:
        self._api = api
        self._settings = settings
        self._keys = keys

    async def test(self) -> Sequence[CheckResult]:
        """One result a check; a failed check is a result, not an error."""
        results = [await self._location_check(), *await self._right_checks()]
        return [*results, self._clock_check(), self._webhook_check(), self._mode_check()]

    async def check_assumptions(self) -> Sequence[AssumptionFinding]:
        """Channel-wide: the location sells, and the rights to see sales and quantities stand.

        Raises:
            ConnectorError: nothing could be found out now.
        """
        place = _place_reason(await self._places(), self._settings.location_id)
        reads = self._reads()
        counts = await self._refusal(*reads["INVENTORY_READ"])
        orders = await self._refusal(*reads["ORDERS_READ"])
        return [
            _finding(Assumption.ENFORCES, place),
            _finding(Assumption.FEED_COMPLETE, "; ".join(r for r in (counts, orders) if r)),
            _finding(Assumption.READS_BACK, counts),
        ]

    async def _places(self) -> Sequence[Place]:
        return understood(LocationsAnswer, await self._api.call("GET", LOCATIONS_PATH)).locations

    async def _location_check(self) -> CheckResult:
        try:
            places = await self._places()
        except ConnectorError as error:
            return CheckResult(name="location", ok=False, message=str(error))
        reason = _place_reason(places, self._settings.location_id)
        name = next((one.name for one in places if one.id == self._settings.location_id), "")
        return CheckResult(name="location", ok=not reason, message=reason or f"selling at {name}")

    def _reads(self) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
        """The cheapest call that each right allows."""
        here = [self._settings.location_id]
        return {
            "INVENTORY_READ": (
                "/v2/inventory/counts/batch-retrieve",
                {"location_ids": here, "states": ["IN_STOCK"], "limit": 1},
            ),
            "ITEMS_READ": ("/v2/catalog/search", {"object_types": ["ITEM_VARIATION"], "limit": 1}),
            "ORDERS_READ": ("/v2/orders/search", {"location_ids": here, "limit": 1}),
        }

    async def _right_checks(self) -> list[CheckResult]:
        results = []
        for right, (path, content) in self._reads().items():
            try:
                await self._api.call("POST", path, content)
            except ConnectorError as error:
                results.append(CheckResult(name=right, ok=False, message=str(error)))
            else:
                results.append(CheckResult(name=right, ok=True, message="granted"))
        return results

    async def _refusal(self, path: str, content: Mapping[str, Any]) -> str:
        """Why Square does not let us read; empty: it does.

        Raises:
            Retryable: nobody knows now.
        """
        try:
            await self._api.call("POST", path, content)
        except (Misconfigured, NeedsReauthorization) as error:
            return str(error)
        return ""

    def _clock_check(self) -> CheckResult:
        ahead = self._api.ahead_seconds
        ok = abs(ahead) <= CLOCK_SECONDS_MAX
        way = "ahead of" if ahead > 0 else "behind"
        wrong = f"our clock is {abs(ahead):.0f} s {way} Square's: set it by a time server"
        return CheckResult(name="clock", ok=ok, message="our clock agrees" if ok else wrong)

    def _webhook_check(self) -> CheckResult:
        ok = bool(self._keys.accepted) or self._settings.application_token is not None
        without = (
            "neither webhook_key nor application_token is set: webhooks are refused, sales are seen"
            " by polling only"
        )
        return CheckResult(
            name="webhooks", ok=ok, message="webhooks can be verified" if ok else without
        )

    def _mode_check(self) -> CheckResult:
        if self._settings.mode is Mode.MIRROR:
            words = f"Square shows what lies at {self._settings.location}"
        else:
            words = "Square shows this channel's share, so its stock reports show the share as well"
        return CheckResult(name="mode", ok=True, message=words)


def _place_reason(places: Sequence[Place], wanted: str) -> str:
    ours = next((one for one in places if one.id == wanted), None)
    if ours is None:
        known = ", ".join(f"{one.name} ({one.id})" for one in places) or "none"
        return f"the seller has no location {wanted}; there are: {known}"
    if ours.status != "ACTIVE":
        return f"location {ours.name} is deactivated in Square: nothing sells there"
    return ""


def _finding(assumption: Assumption, reason: str) -> AssumptionFinding:
    return AssumptionFinding(assumption=assumption, holds=not reason, why=reason)
