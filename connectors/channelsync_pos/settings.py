"""What a merchant writes below `settings:` of a till."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from channelsync.sdk.signatures import decode_standard_secret
from channelsync_pos.wire import Identifier, Name

__all__ = ["TillSettings"]

QUIET_LIMIT_SECONDS = 900.0
REPORT_LIMIT_SECONDS = 129_600.0


class TillSettings(BaseModel):
    """One shop till, with any number of registers."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    webhook_secret: SecretStr | None = None
    """The secret that signs the till's webhooks: `whsec_` and 24 to 64 random bytes in base64.
    Needed unless the till hands over files."""
    webhook_secret_old: SecretStr | None = None
    """The secret before it, accepted too until its rotation is over."""
    api_key: SecretStr | None = Field(default=None, min_length=15)
    """The bearer token with which the till posts batches and asks for its numbers; at least 15
    characters. Without it such requests must be signed like webhooks."""
    location: Name
    """The location that sales, returns and counts belong to when they name none."""
    registers: tuple[Identifier, ...] = ()
    """Ids of the registers that must be heard of. Empty: those that the till names."""
    base_url: str | None = None
    """Where the till's own API answers, if it has one: numbers are shown there, and sales that no
    webhook told are fetched."""
    api_token: SecretStr | None = None
    """Sent to that API as a bearer token."""
    quiet_limit_seconds: float = Field(default=QUIET_LIMIT_SECONDS, gt=0)
    """A register that was in contact longer ago than this may hold sales that nobody has heard
    of. Default: 15 minutes."""

    drop_folder: bool = False
    """Whether the till hands over files: read from `inbox` in the channel's folder below
    `CHANNELSYNC_DROP_DIR`, its numbers written to `outbox`."""
    drop_checksums: bool = False
    """Whether a file is taken only once its `.sha256` lies beside it. Without it a file must
    appear in the inbox at one stroke: written elsewhere or as `.part`, then renamed."""
    timezone: str | None = None
    """The zone of times in files that name no offset, like `Europe/Berlin`."""
    report_limit_seconds: float = Field(default=REPORT_LIMIT_SECONDS, gt=0)
    """A register whose last file ends longer ago than this may have sold what nobody has heard
    of. Default: 36 hours."""

    @field_validator("timezone")
    @classmethod
    def _timezone_is_known(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise ValueError(
                    f"{value!r} is no time zone: write one like Europe/Berlin"
                ) from error
        return value

    @model_validator(mode="after")
    def _it_can_be_heard(self) -> TillSettings:
        if self.webhook_secret is None and not self.drop_folder:
            raise ValueError("webhook_secret is missing: without drop_folder a till is heard by it")
        if self.drop_folder and self.base_url is not None:
            raise ValueError("give base_url or drop_folder, not both: sales are fetched from one")
        return self

    @field_validator("webhook_secret", "webhook_secret_old")
    @classmethod
    def _secret_is_of_the_standard_form(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            decode_standard_secret(value.get_secret_value())
        return value

    @field_validator("base_url")
    @classmethod
    def _base_url_is_a_bare_address(cls, value: str | None) -> str | None:
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

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """The keys that a genuine webhook may be signed with, newest first."""
        given = (self.webhook_secret, self.webhook_secret_old)
        return tuple(
            decode_standard_secret(one.get_secret_value()) for one in given if one is not None
        )
