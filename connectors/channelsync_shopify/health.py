"""Credentials, rights, the location and the API version: is this channel what we think it is?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from channelsync.sdk.errors import ConnectorError
from channelsync.sdk.types import Assumption, AssumptionFinding, CheckResult
from channelsync_shopify.api import ShopifyApi
from channelsync_shopify.documents import HEALTH
from channelsync_shopify.places import Places
from channelsync_shopify.settings import ShopifySettings
from channelsync_shopify.wire import Health, Place, understood

__all__ = ["SCOPES", "SelfTest"]

SCOPES: Final = (
    "read_products",
    "read_inventory",
    "write_inventory",
    "read_locations",
    "read_orders",
)
"""Rights without which this connector cannot work."""
IMPLIED_BY: Final = {
    "read_products": "write_products",
    "read_inventory": "write_inventory",
    "read_locations": "write_locations",
    "read_orders": "write_orders",
}
ALL_ORDERS: Final = "read_all_orders"


class SelfTest:
    """The self-testing part of an open channel."""

    def __init__(self, api: ShopifyApi, settings: ShopifySettings, places: Places) -> None:
        self._api = api
        self._settings = settings
        self._places = places

    async def test(self) -> Sequence[CheckResult]:
        """One result a check; a failed check is a result, not an error."""
        results: list[CheckResult] = []
        checks: tuple[tuple[str, Callable[[], Awaitable[list[CheckResult]]]], ...] = (
            ("connection", self._connection_checks),
            ("location", self._location_checks),
        )
        for name, check in checks:
            try:
                results += await check()
            except ConnectorError as error:
                results.append(CheckResult(name=name, ok=False, message=str(error)))
        results.append(self._webhook_check())
        return results

    async def check_assumptions(self) -> Sequence[AssumptionFinding]:
        """Channel-wide: the location sells, and the rights to see orders and quantities stand.

        Raises:
            ConnectorError: nothing could be found out now.
        """
        health = await self._health()
        missing = _missing_scopes(health)
        place_reason = self._place_reason(await self._places.all(fresh=True))
        version = self._version_reason()
        orders = [reason for reason in (_lacks(missing, "read_orders"), version) if reason]
        levels = [reason for reason in (_lacks(missing, "read_inventory"), version) if reason]
        return [
            _finding(Assumption.ENFORCES, place_reason),
            _finding(Assumption.FEED_COMPLETE, "; ".join(orders)),
            _finding(Assumption.READS_BACK, "; ".join(levels)),
        ]

    async def _health(self) -> Health:
        return understood(Health, await self._api.read(HEALTH, {}))

    async def _connection_checks(self) -> list[CheckResult]:
        health = await self._health()
        domain = health.shop.myshopify_domain
        missing = _missing_scopes(health)
        granted = {scope.handle for scope in health.current_app_installation.access_scopes}
        version = self._version_reason() or _unsupported(health, self._settings.api_version)
        return [
            CheckResult(
                name="connection",
                ok=domain == self._settings.shop,
                message=f"connected to {domain}"
                if domain == self._settings.shop
                else f"connected to {domain}, but the settings say {self._settings.shop}",
            ),
            CheckResult(
                name="rights",
                ok=not missing,
                message=f"missing scopes: {', '.join(missing)}: grant them in the app's settings"
                if missing
                else "every scope that is needed is granted",
            ),
            CheckResult(
                name="old orders",
                ok=True,
                message="orders of any age can be read"
                if ALL_ORDERS in granted
                else "only orders of the last 60 days can be read (read_all_orders is not granted)",
            ),
            CheckResult(
                name="version",
                ok=not version,
                message=version or f"Admin API {self._settings.api_version}",
            ),
        ]

    async def _location_checks(self) -> list[CheckResult]:
        places = await self._places.all(fresh=True)
        reason = self._place_reason(places)
        ours = next((one for one in places if one.id == self._settings.location_id), None)
        results = [
            CheckResult(
                name="location",
                ok=not reason,
                message=reason or f"selling from {ours.name if ours is not None else 'nowhere'}",
            )
        ]
        if beside := await self._places.selling_beside_ours():
            names = ", ".join(sorted(beside.values()))
            message = f"the storefront also sells from: {names}; stock there is outside our count"
            results.append(CheckResult(name="other locations", ok=True, message=message))
        return results

    def _webhook_check(self) -> CheckResult:
        ok = bool(self._settings.webhook_secrets)
        without = "webhook_secret is not set: webhooks are refused, sales are seen by polling only"
        return CheckResult(
            name="webhooks", ok=ok, message="webhooks can be verified" if ok else without
        )

    def _place_reason(self, places: Sequence[Place]) -> str:
        wanted = self._settings.location_id
        ours = next((one for one in places if one.id == wanted), None)
        if ours is None:
            known = ", ".join(f"{one.name} ({one.id})" for one in places) or "none"
            return f"the shop has no location {wanted}; it has: {known}"
        if not ours.is_active:
            return f"location {ours.name} is deactivated: nothing sells from it"
        if not ours.fulfills_online_orders:
            return f"location {ours.name} does not fulfil online orders: nothing sells from it"
        return ""

    def _version_reason(self) -> str:
        """Shopify serves a retired version's callers its oldest one, without an error."""
        served, wanted = self._api.served_version, self._settings.api_version
        if served is None or served == wanted:
            return ""
        return f"Shopify answers with version {served} instead of {wanted}: set api_version"


def _missing_scopes(health: Health) -> list[str]:
    granted = {scope.handle for scope in health.current_app_installation.access_scopes}
    return [
        scope for scope in SCOPES if scope not in granted and IMPLIED_BY.get(scope) not in granted
    ]


def _unsupported(health: Health, version: str) -> str:
    supported = [one.handle for one in health.public_api_versions if one.supported]
    if version in supported:
        return ""
    return f"version {version} is not supported; these are: {', '.join(supported) or 'none'}"


def _lacks(missing: Sequence[str], scope: str) -> str:
    return f"scope {scope} is not granted" if scope in missing else ""


def _finding(assumption: Assumption, reason: str) -> AssumptionFinding:
    return AssumptionFinding(assumption=assumption, holds=not reason, why=reason)
