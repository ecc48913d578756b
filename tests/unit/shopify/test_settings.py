from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from channelsync_shopify.settings import ShopifySettings

GOOD: dict[str, Any] = {
    "shop": "acme.myshopify.com",
    "access_token": "shpat_1",
    "location_id": "gid://shopify/Location/1",
}


def settings(**changes: Any) -> ShopifySettings:
    given = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    return ShopifySettings.model_validate(given)


def complaint(**changes: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        settings(**changes)
    return str(refused.value)


def test_addresses_follow_from_the_shop_and_the_version() -> None:
    made = settings()
    assert made.graphql_url == "https://acme.myshopify.com/admin/api/2026-10/graphql.json"
    assert made.token_url == "https://acme.myshopify.com/admin/oauth/access_token"


def test_a_base_url_takes_the_shops_place() -> None:
    made = settings(base_url="http://127.0.0.1:9000/shops/acme/")
    assert made.graphql_url.startswith("http://127.0.0.1:9000/shops/acme/admin/api/")


@pytest.mark.parametrize("given", ["https://acme.myshopify.com/", " ACME.myshopify.com"])
def test_a_shop_may_be_pasted_from_the_address_bar(given: str) -> None:
    assert settings(shop=given).shop == "acme.myshopify.com"


@pytest.mark.parametrize("given", ["acme", "www.acme.com", "acme.myshopify.com.evil.example", ""])
def test_another_name_of_the_shop_is_refused_with_an_example(given: str) -> None:
    assert "acme.myshopify.com" in complaint(shop=given)


@pytest.mark.parametrize("given", ["24826418", 24826418, "gid://shopify/Location/24826418"])
def test_a_location_may_be_its_bare_number(given: object) -> None:
    assert settings(location_id=given).location_id == "gid://shopify/Location/24826418"


@pytest.mark.parametrize("given", ["Berlin", "gid://shopify/Order/1", "0", True])
def test_anything_else_is_no_location(given: object) -> None:
    assert "location_id" in complaint(location_id=given)


@pytest.mark.parametrize("given", ["2026-01", "2025-10"])
def test_versions_without_keyed_writes_are_refused(given: str) -> None:
    assert "2026-04 or newer" in complaint(api_version=given)


@pytest.mark.parametrize("given", ["unstable", "2026-05", "latest"])
def test_a_version_is_a_quarter(given: str) -> None:
    assert "2026-10" in complaint(api_version=given)


def test_one_kind_of_credentials_is_needed_and_enough() -> None:
    client = {"client_id": "id", "client_secret": "secret"}
    assert settings(access_token=..., **client).access_token is None
    assert "not both kinds" in complaint(**client)
    assert "credentials are missing" in complaint(access_token=...)
    assert "client_secret is missing" in complaint(access_token=..., client_id="id")
    assert "client_id is missing" in complaint(access_token=..., client_secret="secret")


@pytest.mark.parametrize(
    "given",
    ["ftp://host", "acme.myshopify.com", "https://user:pass@host", "https://host?x=1", "https://"],
)
def test_a_base_url_is_a_bare_address(given: str) -> None:
    assert "base_url" in complaint(base_url=given)


def test_unknown_keys_are_refused() -> None:
    assert "quarantine" in complaint(quarantine=3)


def test_secrets_do_not_show() -> None:
    made = settings(webhook_secret="hush-new", webhook_secret_old="hush-old")
    assert "hush" not in repr(made)
    assert "shpat_1" not in made.model_dump_json()


def test_every_secret_may_have_signed_a_webhook() -> None:
    made = settings(
        access_token=...,
        client_id="id",
        client_secret="client",
        webhook_secret="new",
        webhook_secret_old="old",
    )
    assert set(made.webhook_secrets) == {b"client", b"new", b"old"}
    assert settings().webhook_secrets == ()
