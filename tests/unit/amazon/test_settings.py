"""What a merchant may write, and what is said when it is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from channelsync.configuration.channels import Surroundings
from channelsync.configuration.loading import load_bytes
from channelsync.configuration.problems import ConfigurationInvalid
from channelsync.configuration.references import References
from channelsync.plugins.discovery import discover
from channelsync_amazon.settings import AmazonSettings

GOOD: dict[str, Any] = {
    "seller_id": "A3CSYNCSELLER1",
    "marketplace_ids": ["A1PA6795UKMFR9", "A13V1IB3VIYZZH"],
    "region": "eu",
    "client_id": "amzn1.application-oa2-client.x",
    "client_secret": "hidden-client-secret",
    "refresh_token": "Atzr|hidden",
}


def given(**more: Any) -> AmazonSettings:
    return AmazonSettings.model_validate(GOOD | more)


def test_the_region_says_where_amazon_answers() -> None:
    settings = given()
    assert settings.origin == "https://sellingpartnerapi-eu.amazon.com"
    assert settings.token_address == "https://api.amazon.com/auth/o2/token"
    assert settings.queue is None


def test_addresses_can_be_others() -> None:
    settings = given(base_url="http://127.0.0.1:9/", token_url="http://127.0.0.1:9/auth/o2/token")
    assert settings.origin == "http://127.0.0.1:9"
    assert settings.token_address == "http://127.0.0.1:9/auth/o2/token"


def test_a_queue_is_taken_apart() -> None:
    queue = given(queue_url="https://sqs.eu-west-1.amazonaws.com/123456789012/sync").queue
    assert queue is not None
    assert queue.arn == "arn:aws:sqs:eu-west-1:123456789012:sync"
    assert queue.origin == "https://sqs.eu-west-1.amazonaws.com"


def test_a_queue_elsewhere_takes_the_regions_own_aws_region_or_the_one_named() -> None:
    url = "http://127.0.0.1:5000/123456789012/sync"
    assert given(queue_url=url).queue.region == "eu-west-1"  # type: ignore[union-attr]
    named = given(queue_url=url, queue_region="eu-central-1").queue
    assert named is not None
    assert (named.region, named.origin) == ("eu-central-1", "http://127.0.0.1:5000")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"seller_id": "my shop"}, "merchant token"),
        ({"marketplace_ids": []}, "at least 1"),
        ({"marketplace_ids": ["de"]}, "marketplace id"),
        ({"marketplace_ids": ["A1PA6795UKMFR9"] * 2}, "named twice"),
        ({"region": "na"}, "is in region eu, not na"),
        ({"base_url": "ftp://x"}, "not an address"),
        ({"base_url": "https://x/?a=b"}, "has a query"),
        ({"queue_url": "https://sqs.eu-west-1.amazonaws.com/sync"}, "not a queue"),
        ({"queue_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/a.fifo"}, "queue"),
        ({"aws_access_key_id": "AKIAX"}, "go together"),
        ({"feed_above": 0}, "greater than or equal to 1"),
        ({"orders_api": "2020"}, "v0"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_what_is_wrong_is_said(more: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        given(**more)


def test_an_account_has_one_number_in_all_marketplaces_of_a_region() -> None:
    assert given().counter_owner == given(marketplace_ids=["A13V1IB3VIYZZH"]).counter_owner
    assert given().counter_owner != given(seller_id="A3ANOTHERSELLER").counter_owner


def test_a_split_of_one_account_over_two_channels_is_refused() -> None:
    settings = {
        name: value for name, value in GOOD.items() if not name.endswith(("secret", "token"))
    }
    settings |= {"client_secret": "${LWA}", "refresh_token": "${LWA}"}
    channel = {"connector": "amazon", "settings": settings}
    text = json.dumps(
        {
            "version": 1,
            "locations": {"dc": {}},
            "channels": {"de": channel, "fr": channel},
            "allocation": {"quotas": {"de": "50%", "fr": "50%"}},
        }
    )
    references = References(environment={"LWA": "hidden"})
    with pytest.raises(ConfigurationInvalid) as refused:
        load_bytes(
            text.encode(),
            name="shop.yaml",
            surroundings=Surroundings(connectors=discover(), references=references),
        )
    assert "same numbers as channel de (A3CSYNCSELLER1 in eu)" in str(refused.value)


def test_secrets_do_not_show() -> None:
    assert "hidden" not in repr(given(aws_access_key_id="AKIA", aws_secret_access_key="hidden"))
