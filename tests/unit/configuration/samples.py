"""Connectors that exist only here, and the file of the design that uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator

from channelsync.configuration.channels import Surroundings
from channelsync.configuration.configuration import Configuration
from channelsync.configuration.loading import load_bytes
from channelsync.configuration.problems import ConfigurationInvalid
from channelsync.configuration.references import References
from channelsync.sdk.connector import SDK_VERSION, Manifest
from channelsync.sdk.types import Enforces, PushSemantics

SECRET: Final = "shpat_0123456789abcdef"

ENVIRONMENT: Final[Mapping[str, str]] = {
    "CHANNELSYNC_SECRET_KEY": "the operator's own, never to be seen",
    "EMPTY": "",
    "LWA_ID": "amzn1.application-oa2-client.1",
    "LWA_REFRESH": "Atzr|refresh",
    "LWA_SECRET": "amzn1.oa2-cs.v1.secret",
    "SHOPIFY_TOKEN": SECRET,
    "SHOPIFY_WEBHOOK_SECRET": "hush",
    "SQUARE_TOKEN": "EAAA-square",
    "SQUARE_WEBHOOK_KEY": "square-key",
    "BATCH": "25",
    "HOST": "simulator.example:8443",
}


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class AmazonSettings(_Settings):
    seller_id: str
    marketplace_ids: tuple[str, ...]
    region: str
    client_id: str
    client_secret: SecretStr
    refresh_token: SecretStr
    base_url: str | None = None
    token_url: str | None = None


class Signing(_Settings):
    key: SecretStr
    old: list[SecretStr] = []


class ShopifySettings(_Settings):
    shop: str
    """The shop's own name."""
    access_token: SecretStr
    webhook_secret: SecretStr
    location_id: str
    batch: int = 10
    base_url: str | None = None
    signing: Signing | None = None
    """A mapping inside the settings."""

    @field_validator("shop")
    @classmethod
    def _shop(cls, value: str) -> str:
        if not value.endswith(".myshopify.com"):
            raise ValueError(f"{value!r} does not end with .myshopify.com")
        return value

    @field_validator("access_token")
    @classmethod
    def _tells_too_much(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() in {"wrong-token-value", "to"}:
            raise ValueError(f"{value.get_secret_value()} is not a token")
        return value

    @field_validator("location_id")
    @classmethod
    def _stumbles(cls, value: str) -> str:
        if value == "stumble":
            raise LookupError(value)
        return value


class SquareSettings(_Settings):
    access_token: SecretStr
    location_id: str
    webhook_key: SecretStr


def manifest(name: str, model: type[BaseModel], **changes: Any) -> Manifest:
    given: dict[str, Any] = {
        "name": name,
        "title": name.capitalize(),
        "sdk_version": SDK_VERSION,
        "push_semantics": PushSemantics.KEYED_DELTA,
        "enforces": Enforces.STRICT,
        "settings_model": model,
        "checks": frozenset(),
    }
    return Manifest(**{**given, **changes})


@dataclass(frozen=True)
class Connectors:
    manifests: Mapping[str, Manifest] = field(
        default_factory=lambda: {
            "amazon": manifest("amazon", AmazonSettings, own_hosts=("*.amazon.com",)),
            "shopify": manifest(
                "shopify",
                ShopifySettings,
                own_hosts=("*.myshopify.com",),
                quarantine_seconds=1_800.0,
            ),
            "square": manifest("square", SquareSettings),
        }
    )
    broken: Mapping[str, str] = field(default_factory=lambda: {"etsy": "no module named etsy"})


def surroundings(
    *,
    secrets_dir: Path | None = None,
    allow_hosts: tuple[str, ...] = (),
    environment: Mapping[str, str] = ENVIRONMENT,
    operators_files: frozenset[Path] = frozenset(),
) -> Surroundings:
    references = References(
        environment=environment, secrets_dir=secrets_dir, operators_files=operators_files
    )
    return Surroundings(connectors=Connectors(), references=references, allow_hosts=allow_hosts)


def loaded(text: str, **around: Any) -> Configuration:
    return load_bytes(text.encode(), surroundings(**around), name="shop.yaml")


def refused(text: str | bytes, **around: Any) -> ConfigurationInvalid:
    content = text if isinstance(text, bytes) else text.encode()
    try:
        load_bytes(content, surroundings(**around), name="shop.yaml")
    except ConfigurationInvalid as invalid:
        return invalid
    raise AssertionError("the configuration was accepted")


DESIGN: Final = """\
# yaml-language-server: $schema=./channelsync.schema.json
version: 1
locations:
  ny-dc: {name: New York DC}
  soho:  {name: SoHo shop}
pools:                                   # optional; default: one pool "main" with every location
  main: {locations: [ny-dc, soho], channels: [amazon-us, shopify-us, soho-till]}
channels:
  amazon-us:
    connector: amazon
    settings: {seller_id: A3EXAMPLE, marketplace_ids: [ATVPDKIKX0DER], region: na, \
client_id: "${LWA_ID}", client_secret: "${LWA_SECRET}", refresh_token: "${LWA_REFRESH}"}
  shopify-us:
    connector: shopify
    settings: {shop: acme.myshopify.com, access_token: "${SHOPIFY_TOKEN}", \
webhook_secret: "${SHOPIFY_WEBHOOK_SECRET}", location_id: gid://shopify/Location/1}
  soho-till:
    connector: square
    settings: {access_token: "${SQUARE_TOKEN}", location_id: L1, \
webhook_key: "${SQUARE_WEBHOOK_KEY}"}
allocation:
  guarantee: strict                      # strict | bounded | pooled
  quotas: {amazon-us: 50%, shopify-us: 30%, soho-till: 20%}
  safety_stock: 5
  low_water: 50%
  rules:
    - name: black friday
      skus: ["IPHONE-*"]
      window: {from: 2026-11-27T00:00:00, to: 2026-11-30T23:59:59}
      quotas: {shopify-us: 80%, amazon-us: 20%}
      limits: {amazon-us: {cap: 40, floor: 0, buffer: 1, stop_sell_at: 2}}
"""

SMALL: Final = """\
version: 1
locations:
  soho: {}
channels:
  shop:
    connector: shopify
    settings:
      shop: acme.myshopify.com
      access_token: ${SHOPIFY_TOKEN}
      webhook_secret: ${SHOPIFY_WEBHOOK_SECRET}
      location_id: gid://shopify/Location/1
"""
"""A small file that loads; tests append to it or replace a piece of it."""
