"""What a merchant writes below `settings:` of an Amazon channel."""

from __future__ import annotations

import re
from typing import Final, Literal, Self

import httpx
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from channelsync_amazon.regions import MARKETPLACES, ORIGINS, TOKEN_URL, region_of

__all__ = ["FEED_ABOVE_DEFAULT", "AmazonSettings", "QueueAddress"]

FEED_ABOVE_DEFAULT: Final = 1_500
"""Below about so many changes single patches are quicker than a feed, Amazon's support says."""
SELLER_PATTERN: Final = re.compile(r"A[A-Z0-9]{8,20}")
MARKETPLACE_PATTERN: Final = re.compile(r"A[A-Z0-9]{8,20}")
QUEUE_PATH: Final = re.compile(r"/(?:queue/)?(\d{12})/([A-Za-z0-9_-]{1,80})")
QUEUE_HOST: Final = re.compile(r"sqs\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")
QUEUE_REGIONS: Final = {"na": "us-east-1", "eu": "eu-west-1", "fe": "us-west-2"}


class QueueAddress(BaseModel):
    """An SQS queue, taken apart."""

    model_config = ConfigDict(frozen=True)

    url: str
    origin: str
    region: str
    account: str
    name: str

    @property
    def arn(self) -> str:
        """How Amazon is told where to deliver."""
        return f"arn:aws:sqs:{self.region}:{self.account}:{self.name}"


class AmazonSettings(BaseModel):
    """One seller account in one region: all its marketplaces there share one number a SKU."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    seller_id: str
    """The merchant token of Seller Central (Settings, Account Info), such as `A3EXAMPLE1234`."""
    marketplace_ids: tuple[str, ...] = Field(min_length=1, max_length=50)
    """Marketplaces of the region in which the account sells, such as `ATVPDKIKX0DER`."""
    region: Literal["na", "eu", "fe"]
    """Where the account is: na (Americas), eu (Europe, Middle East, India), fe (Far East)."""
    client_id: str
    """Login-with-Amazon client id of the app (`amzn1.application-oa2-client…`)."""
    client_secret: SecretStr
    """Its client secret."""
    refresh_token: SecretStr
    """What the seller's authorisation of the app gave (`Atzr|…`)."""
    base_url: str | None = None
    """Where the Selling Partner API answers, if not at the region's own host."""
    token_url: str | None = None
    """Where tokens are had, if not at Login with Amazon."""
    queue_url: str | None = None
    """The SQS queue that gets Amazon's notifications. Without one, polling does the work."""
    queue_region: str | None = None
    """The queue's AWS region, where its address does not tell it."""
    aws_access_key_id: str | None = None
    """AWS key for the queue. Without it the machine's own AWS credentials are used."""
    aws_secret_access_key: SecretStr | None = None
    """Its secret."""
    manage_subscriptions: bool = True
    """Whether to make Amazon deliver to the queue. False: somebody else set that up."""
    feed_above: int | None = Field(default=FEED_ABOVE_DEFAULT, ge=1)
    """More changes than this that wait together go by one feed, fewer one by one. Null: never."""
    orders_api: Literal["2026-01-01", "v0"] = "2026-01-01"
    """Version of the Orders API. Amazon removes v0 after 2027-03-27."""
    visibility_lag_seconds: float = Field(default=300.0, ge=0)
    """How long a changed order may stay invisible to the order search. Amazon promises nothing;
    most orders show within 2 minutes. Raise it where the alarm says that it was too short."""

    @field_validator("seller_id")
    @classmethod
    def _seller_is_a_merchant_token(cls, value: str) -> str:
        if not SELLER_PATTERN.fullmatch(value.strip()):
            raise ValueError(
                f"{value!r} is not a merchant token: copy it from Seller Central, Settings,"
                " Account Info, Your Merchant Token"
            )
        return value.strip()

    @field_validator("marketplace_ids")
    @classmethod
    def _marketplaces_are_ids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not MARKETPLACE_PATTERN.fullmatch(one):
                raise ValueError(f"{one!r} is not a marketplace id: write it like ATVPDKIKX0DER")
        if len(set(value)) != len(value):
            raise ValueError("a marketplace is named twice")
        return value

    @field_validator("base_url", "token_url")
    @classmethod
    def _url_is_bare(cls, value: str | None) -> str | None:
        if value is None:
            return None
        url = httpx.URL(value)
        if url.scheme not in {"http", "https"} or not url.host or url.userinfo:
            raise ValueError(f"{value!r} is not an address: write it like https://host:port")
        if url.query or url.fragment:
            raise ValueError(f"{value!r} has a query: an address ends with its path")
        return value.rstrip("/")

    @field_validator("queue_url")
    @classmethod
    def _queue_is_a_queue(cls, value: str | None) -> str | None:
        if value is None:
            return None
        url = httpx.URL(value)
        if url.scheme not in {"http", "https"} or not QUEUE_PATH.fullmatch(url.path):
            raise ValueError(
                f"{value!r} is not a queue: copy its URL from the AWS console, such as"
                " https://sqs.eu-west-1.amazonaws.com/123456789012/channelsync"
            )
        if url.path.endswith(".fifo"):
            raise ValueError("Amazon delivers to standard queues only, not to FIFO ones")
        return value

    @model_validator(mode="after")
    def _region_holds_the_marketplaces(self) -> Self:
        for one in self.marketplace_ids:
            found = region_of(one)
            if found is not None and found != self.region:
                raise ValueError(
                    f"marketplace {one} ({MARKETPLACES[found][one]}) is in region {found}, not"
                    f" {self.region}: a channel is one seller account in one region"
                )
        if (self.aws_access_key_id is None) != (self.aws_secret_access_key is None):
            raise ValueError("aws_access_key_id and aws_secret_access_key go together")
        return self

    @property
    def counter_owner(self) -> str:
        """Whose numbers these are: no two channels may have the same."""
        return f"{self.seller_id} in {self.region}"

    @property
    def origin(self) -> str:
        """Scheme and host of the API, without a slash at its end."""
        return self.base_url or ORIGINS[self.region]

    @property
    def token_address(self) -> str:
        """Where refresh tokens become access tokens."""
        return self.token_url or TOKEN_URL

    @property
    def queue(self) -> QueueAddress | None:
        """The queue, taken apart; None without one."""
        if self.queue_url is None:
            return None
        url = httpx.URL(self.queue_url)
        path, host = QUEUE_PATH.fullmatch(url.path), QUEUE_HOST.fullmatch(url.host)
        if path is None:  # pragma: no cover - validated above
            raise ValueError("not a queue")
        told = self.queue_region or (host[1] if host else None)
        port = "" if url.port is None else f":{url.port}"
        return QueueAddress(
            url=self.queue_url,
            origin=f"{url.scheme}://{url.host}{port}",
            region=told or QUEUE_REGIONS[self.region],
            account=path[1],
            name=path[2],
        )
