"""The Acme connector: what it declares, and the channel that it opens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

from channelsync.sdk.connector import SDK_VERSION, ChannelContext, Manifest
from channelsync.sdk.errors import ConnectorError, Misconfigured
from channelsync.sdk.parts import WithOrders, WithPushing
from channelsync.sdk.types import (
    Assumption,
    AssumptionFinding,
    CancelEffect,
    CheckResult,
    Delivery,
    Enforces,
    Instant,
    ListingRef,
    Parsed,
    PushSemantics,
    RemoteListing,
    RemoteReading,
    SubscriptionReport,
    WebhookRequest,
)
from channelsync_acme.api import AcmeApi
from channelsync_acme.mapping import listings_of
from channelsync_acme.orders import VISIBILITY_LAG_SECONDS, OrderFeed
from channelsync_acme.pushing import Pushing
from channelsync_acme.settings import AcmeSettings
from channelsync_acme.webhooks import TOPIC, parse, verify
from channelsync_acme.wire import Hook, Hooks, Offer, Offers

__all__ = ["MANIFEST", "AcmeChannel", "AcmeConnector", "connector"]

MANIFEST: Final = Manifest(
    name="acme",
    title="Acme",
    sdk_version=SDK_VERSION,
    push_semantics=PushSemantics.ABSOLUTE,
    enforces=Enforces.STRICT,
    settings_model=AcmeSettings,
    checks=frozenset({Assumption.ENFORCES, Assumption.READS_BACK}),
    own_hosts=("api.acme.example",),
    batch_size=50,
    requests_per_second=5.0,
    apply_limit_seconds=30.0,
    visibility_lag_seconds=VISIBILITY_LAG_SECONDS,
    cancel_effect=CancelEffect.RELISTED,
)
OFFERS_A_CALL: Final = 50


class AcmeChannel(WithPushing, WithOrders):
    """One open account. Pushing and orders have classes of their own; the rest is here."""

    def __init__(self, context: ChannelContext, settings: AcmeSettings) -> None:
        self._now: Callable[[], Instant] = context.now
        self._secret = settings.webhook_secret.get_secret_value()
        self._api = AcmeApi(context, settings)
        self._pushing = Pushing(self._api)
        self._orders = OrderFeed(self._api)

    # ------------------------------------------------------------ offers

    async def read(self, listings: Sequence[ListingRef]) -> Sequence[RemoteReading]:
        """One reading for every listing, with what is seen of the assumptions on the way."""
        readings = []
        for start in range(0, len(listings), OFFERS_A_CALL):
            group = listings[start : start + OFFERS_A_CALL]
            sent_at = self._now()
            query = {"id": [listing.external["offer_id"] for listing in group]}
            answer = await self._api.ask(Offers, "GET", "/v1/offers", params=query)
            received_at = self._now()
            found = {offer.id: offer for offer in answer.offers}
            for listing in group:
                offer = found.get(listing.external["offer_id"])
                readings.append(
                    RemoteReading(
                        listing_id=listing.listing_id,
                        quantity=offer.quantity if offer else None,
                        sent_at=sent_at,
                        received_at=received_at,
                        findings=_findings(listing, offer),
                    )
                )
        return readings

    async def listings(self) -> AsyncIterator[RemoteListing]:
        """Every offer, found whole first: only all of them show which SKU is ambiguous."""
        offers: list[Offer] = []
        page: str | None = None
        while True:
            query = {"page": page} if page else {}
            answer = await self._api.ask(Offers, "GET", "/v1/offers", params=query)
            offers += answer.offers
            page = answer.next
            if page is None:
                break
        for listing in listings_of(offers):
            yield listing

    # ------------------------------------------------------------ webhooks

    def verify_webhook(self, request: WebhookRequest) -> Delivery:
        """Authenticate and reduce a webhook."""
        return verify(request, self._secret)

    def parse(self, delivery: Delivery) -> Parsed:
        """What a stored delivery says."""
        return parse(delivery)

    async def ensure_subscriptions(self, url: str) -> SubscriptionReport:
        """Let Acme deliver every changed order to `url`, once; leave other addresses."""
        hooks = (await self._api.ask(Hooks, "GET", "/v1/hooks")).hooks
        here = [hook for hook in hooks if (hook.topic, hook.url) == (TOPIC, url)]
        if not here:
            await self._api.ask(Hook, "POST", "/v1/hooks", json={"topic": TOPIC, "url": url})
        superfluous = [hook for hook in hooks if hook not in here[:1]]
        for hook in superfluous:
            await self._api.ask(Hook, "DELETE", f"/v1/hooks/{hook.id}")
        return SubscriptionReport(
            kept=(TOPIC,) if here else (),
            created=() if here else (TOPIC,),
            removed=tuple(hook.topic for hook in superfluous),
        )

    # ------------------------------------------------------------ checks

    async def test(self) -> Sequence[CheckResult]:
        """Whether Acme answers and accepts our token; a failed check is a result."""
        try:
            await self._api.ask(Offers, "GET", "/v1/offers", params={"limit": "1"})
        except ConnectorError as error:
            return [CheckResult(name="connection", ok=False, message=str(error))]
        return [CheckResult(name="connection", ok=True, message="Acme accepts our token")]

    async def check_assumptions(self) -> Sequence[AssumptionFinding]:
        """Nothing that concerns the account as a whole; readings tell of each offer."""
        return ()


def _findings(listing: ListingRef, offer: Offer | None) -> tuple[AssumptionFinding, ...]:
    unfit = "it sells on when out of stock" if offer and offer.sells_beyond_stock else ""
    gone = "" if offer else "Acme does not know the offer any more"
    return (
        AssumptionFinding(
            assumption=Assumption.READS_BACK,
            holds=not gone,
            why=gone,
            listing_id=listing.listing_id,
        ),
        AssumptionFinding(
            assumption=Assumption.ENFORCES,
            holds=not unfit,
            why=unfit,
            listing_id=listing.listing_id,
        ),
    )


class AcmeConnector:
    """The kind of channel that an Acme account is."""

    @property
    def manifest(self) -> Manifest:
        """What it declares."""
        return MANIFEST

    async def open(self, context: ChannelContext) -> AcmeChannel:
        """Open one account. Needs no network.

        Raises:
            Misconfigured: the settings are another connector's.
        """
        if not isinstance(context.settings, AcmeSettings):
            raise Misconfigured("these are not the settings of an Acme channel")
        return AcmeChannel(context, context.settings)


connector: Final = AcmeConnector()
