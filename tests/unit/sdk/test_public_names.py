"""What a third party's connector may import, name by name. A change here is a change of the SDK."""

from __future__ import annotations

import importlib
import inspect
from typing import Final

import pytest

from channelsync.sdk.connector import SDK_VERSION

PUBLIC: Final = {
    "connector": (
        "AcceptsSales Channel ChannelContext ConfirmsShipments Connector Discovers"
        " DiscoversInPages FetchesOrders FollowsPushes Manifest Mirrors PullsDeliveries Pushes"
        " Reads ReceivesWebhooks RecordsPushes SDK_VERSION SizesRequests Subscribes TellsRates"
        " TestsItself VariesBySettings"
    ),
    "declarations": "faults_of_channel faults_of_connector",
    "errors": (
        "BadDelivery ConnectorError Misconfigured NeedsReauthorization Resting Retryable"
        " Throttled Unauthentic"
    ),
    "http": "AnswerRefused BODY_BYTES_MAX HostRefused host_allowed http_client trust",
    "parts": (
        "CataloguePages Parts WithCatalogue WithOrders WithPushing WithReading WithSelfTest"
        " WithWebhooks"
    ),
    "quality": (
        "Answer BadQualityFile CONTRACT FILE_NAME Quality RULES Rule Tier missing_tests page"
        " quality_of read_quality"
    ),
    "signatures": (
        "base64_hmac_sha256 decode_standard_secret matches_any standard_webhook_signature"
    ),
    "types": (
        "Assumption AssumptionFinding CancelEffect Change ChangeResult CheckResult"
        " Delivery Enforces External Instant ListingRef LoadRates LookAt Notice"
        " OfferPage OrderFact OrderPage OrderVoid Outcome Parsed Pulled PushKind"
        " PushRequest PushSemantics RegisterSequence RemoteListing RemoteReading"
        " Shipment ShownQuantity StockCount SubscriptionReport WebhookRequest"
    ),
    "wire": (
        "CamelWire JsonAnswer Shape StoredPlace Wire after_seconds http_date json_bytes json_object"
        " shaped"
    ),
    "testing.contract": "Clock ConnectorContract ContractBroken DOES_NOT_APPLY HOOK_URL World",
    "testing.network": "FAULT_HEADER SimulatedNetwork",
    "testing.outbox": "Outbox Parcel",
    "testing.faults": "AnswerFault DeliveryPlan FaultPlan",
}


@pytest.mark.parametrize("module", PUBLIC)
def test_the_public_names_are_these(module: str) -> None:
    found = importlib.import_module(f"channelsync.sdk.{module}")
    assert sorted(found.__all__) == PUBLIC[module].split()


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_exists_and_says_what_it_promises(module: str) -> None:
    found = importlib.import_module(f"channelsync.sdk.{module}")
    for name in found.__all__:
        public = getattr(found, name)
        if inspect.isclass(public) or inspect.isfunction(public):
            assert inspect.getdoc(public), f"{module}.{name} has no docstring"


def test_the_version_is_the_one_that_these_names_belong_to() -> None:
    assert SDK_VERSION == 1
