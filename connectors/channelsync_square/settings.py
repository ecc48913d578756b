"""What a merchant writes below `settings:` of a Square channel."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final, Self

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

__all__ = ["NEW_SHAPE_FROM", "SQUARE_VERSION_DEFAULT", "Environment", "Mode", "SquareSettings"]

SQUARE_VERSION_DEFAULT: Final = "2025-08-20"
"""The newest version of which Square published an OpenAPI description."""
NEW_SHAPE_FROM: Final = "2026-07-15"
"""From here on an adjustment names two locations instead of one."""
VERSION_PATTERN: Final = re.compile(r"20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
LOCATION_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
ORIGINS: Final = {
    "production": "https://connect.squareup.com",
    "sandbox": "https://connect.squareupsandbox.com",
}


class Environment(StrEnum):
    """Which of Square's two worlds."""

    PRODUCTION = "production"
    SANDBOX = "sandbox"


class Mode(StrEnum):
    """What Square's stock number stands for."""

    QUOTA = "quota"
    MIRROR = "mirror"


class OutflowState(StrEnum):
    """What units that are taken off Square's number become there."""

    SOLD = "SOLD"
    WASTE = "WASTE"


class SquareSettings(BaseModel):
    """One location of one Square seller: its tills, and whatever else sells from it."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    access_token: SecretStr
    """Access token of the seller, or the personal token of an application of the seller's own."""
    location_id: str
    """Square's id of the location to sell from; `channelsync channels test` lists them."""
    mode: Mode = Mode.QUOTA
    """quota: Square's number is this channel's share, and nothing more is offered. mirror: it is
    what lies in the shop; the share is only kept apart here, and `location` is needed."""
    location: str | None = Field(default=None, min_length=1)
    """Our location that the shop's units come from and go back to."""
    environment: Environment = Environment.PRODUCTION
    """Square's real world, or its sandbox."""
    square_version: str = SQUARE_VERSION_DEFAULT
    """Version of Square's API that every call names."""
    webhook_key: SecretStr | None = None
    """Signature key of the webhook subscription, as Square's console shows it."""
    webhook_key_old: SecretStr | None = None
    """The key before it, accepted too until its rotation is over."""
    notification_url: str | None = None
    """The address as the subscription names it, where that is not our public one: it is part of
    what is signed."""
    application_token: SecretStr | None = None
    """Personal token of the application: with it the subscription is kept alive by us. Without it
    make the subscription in Square's console."""
    taken_off_as: OutflowState = OutflowState.SOLD
    """What Square books units as that we take off its number: SOLD enters its sales by quantity,
    WASTE its losses."""
    base_url: str | None = None
    """Where the API answers, if not at Square's own host: a proxy or a simulator."""
    visibility_lag_seconds: float | None = Field(default=None, ge=0)
    """How long a row may stay invisible in Square's inventory ledger. Default: 1 minute."""

    @field_validator("location_id")
    @classmethod
    def _location_is_an_id(cls, value: str) -> str:
        if not LOCATION_PATTERN.fullmatch(value.strip()):
            raise ValueError(
                f"{value!r} is not a location id of Square's: it is one word such as L8TZ4V0YDV1QK"
            )
        return value.strip()

    @field_validator("square_version")
    @classmethod
    def _version_is_a_day(cls, value: str) -> str:
        if not VERSION_PATTERN.fullmatch(value):
            raise ValueError(
                f"{value!r} is not a version of Square's API: write a day such as"
                f" {SQUARE_VERSION_DEFAULT}"
            )
        return value

    @field_validator("base_url")
    @classmethod
    def _base_url_is_a_bare_origin(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            url = httpx.URL(value)
        except httpx.InvalidURL as error:
            raise ValueError(f"{value!r} is not an address: {error}") from error
        if url.scheme not in {"http", "https"} or not url.host or url.userinfo:
            raise ValueError(f"{value!r} is not a base address: write it like https://host:port")
        if url.query or url.fragment:
            raise ValueError(f"{value!r} has a query: a base address ends with its path")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _a_mirror_knows_its_shelf(self) -> Self:
        if self.mode is Mode.MIRROR and self.location is None:
            raise ValueError("mode mirror shows what lies at one location of ours: set `location`")
        return self

    @property
    def origin(self) -> str:
        """Scheme and host, and perhaps a path, without a slash at the end."""
        return self.base_url or ORIGINS[self.environment]

    @property
    def two_locations(self) -> bool:
        """Whether an adjustment names a location to come from and one to go to."""
        return self.square_version >= NEW_SHAPE_FROM

    @property
    def webhook_keys(self) -> tuple[bytes, ...]:
        """The configured keys that a genuine webhook may be signed with."""
        given = (self.webhook_key, self.webhook_key_old)
        return tuple(one.get_secret_value().encode() for one in given if one is not None)
