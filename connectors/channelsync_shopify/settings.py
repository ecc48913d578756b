"""What a merchant writes below `settings:` of a Shopify channel."""

from __future__ import annotations

import re
from typing import Annotated, Final, Self

import httpx
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

__all__ = ["API_VERSION_DEFAULT", "API_VERSION_OLDEST", "ShopifySettings"]

API_VERSION_DEFAULT: Final = "2026-10"
API_VERSION_OLDEST: Final = "2026-04"
"""The first version whose writes demand an idempotency key and a named old value."""

SHOP_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9-]*\.myshopify\.com")
VERSION_PATTERN: Final = re.compile(r"20\d\d-(01|04|07|10)")
LOCATION_PATTERN: Final = re.compile(r"(?:gid://shopify/Location/)?([1-9]\d*)")


def _number_as_text(value: object) -> object:
    """YAML reads a bare location number as an integer."""
    plain_number = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if plain_number else value


class ShopifySettings(BaseModel):
    """One Shopify shop and the one location whose stock is sold through it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    shop: str
    """The shop's own name at Shopify, such as `acme.myshopify.com`; not its public domain."""
    access_token: SecretStr | None = None
    """Admin API token (`shpat_…`) of an app made in the shop's admin. Or give client_id and
    client_secret."""
    client_id: str | None = None
    """Client id of an app from the Dev Dashboard, in the same organisation as the shop."""
    client_secret: SecretStr | None = None
    """Its client secret. It also signs the webhooks of that app."""
    webhook_secret: SecretStr | None = None
    """The secret that signs webhooks, where it is not the client secret."""
    webhook_secret_old: SecretStr | None = None
    """The secret before it, accepted too until its rotation is over."""
    location_id: Annotated[str, BeforeValidator(_number_as_text)]
    """The location to sell from: `gid://shopify/Location/1`, or the number at its end."""
    api_version: str = API_VERSION_DEFAULT
    """Version of Shopify's Admin API; 2026-04 or newer."""
    base_url: str | None = None
    """Where the Admin API answers, if not at `https://{shop}`: a proxy or a simulator."""
    visibility_lag_seconds: float | None = Field(default=None, ge=0)
    """How long a changed order may stay invisible to the order search. Default: 2 minutes."""
    count_test_orders: bool = True
    """Whether orders of the test payment gateway count; they take stock like real ones."""

    @field_validator("shop")
    @classmethod
    def _shop_is_a_shopify_name(cls, value: str) -> str:
        name = value.strip().lower().removeprefix("https://").rstrip("/")
        if not SHOP_PATTERN.fullmatch(name):
            raise ValueError(
                f"{value!r} is not a shop's own name: write it like acme.myshopify.com"
                " (Shopify admin, Settings, Domains)"
            )
        return name

    @field_validator("location_id")
    @classmethod
    def _location_is_a_global_id(cls, value: str) -> str:
        match = LOCATION_PATTERN.fullmatch(value.strip())
        if match is None:
            raise ValueError(
                f"{value!r} is not a location: write gid://shopify/Location/ and the number that"
                " ends the address of its page in the Shopify admin (Settings, Locations)"
            )
        return f"gid://shopify/Location/{match[1]}"

    @field_validator("api_version")
    @classmethod
    def _version_has_keyed_writes(cls, value: str) -> str:
        if not VERSION_PATTERN.fullmatch(value):
            raise ValueError(f"{value!r} is not a version: write it like {API_VERSION_DEFAULT}")
        if value < API_VERSION_OLDEST:
            raise ValueError(
                f"version {value} cannot write stock safely: use {API_VERSION_OLDEST} or newer,"
                f" best {API_VERSION_DEFAULT}"
            )
        return value

    @field_validator("base_url")
    @classmethod
    def _base_url_is_a_bare_origin(cls, value: str | None) -> str | None:
        if value is None:
            return None
        url = httpx.URL(value)
        if url.scheme not in {"http", "https"} or not url.host or url.userinfo:
            raise ValueError(f"{value!r} is not a base address: write it like https://host:port")
        if url.query or url.fragment:
            raise ValueError(f"{value!r} has a query: a base address ends with its path")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _one_kind_of_credentials(self) -> Self:
        has_client = self.client_id is not None or self.client_secret is not None
        if self.access_token is not None and has_client:
            raise ValueError("give access_token, or client_id and client_secret, not both kinds")
        if self.access_token is None and not has_client:
            raise ValueError(
                "credentials are missing: give access_token, or client_id and client_secret"
            )
        if has_client and (self.client_id is None or self.client_secret is None):
            missing = "client_id" if self.client_id is None else "client_secret"
            raise ValueError(f"{missing} is missing: client_id and client_secret go together")
        return self

    @property
    def origin(self) -> str:
        """Scheme, host and perhaps path before `/admin/…`, without a slash at its end."""
        return self.base_url or f"https://{self.shop}"

    @property
    def graphql_url(self) -> str:
        """The Admin API's one address."""
        return f"{self.origin}/admin/api/{self.api_version}/graphql.json"

    @property
    def token_url(self) -> str:
        """Where client credentials are exchanged for a token."""
        return f"{self.origin}/admin/oauth/access_token"

    @property
    def webhook_secrets(self) -> tuple[bytes, ...]:
        """Every secret that a genuine webhook may be signed with; empty: none can be verified."""
        given = (self.webhook_secret, self.webhook_secret_old, self.client_secret)
        return tuple(one.get_secret_value().encode() for one in given if one is not None)
