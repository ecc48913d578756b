"""The till's own API, for tills that have one: sales that were uploaded, numbers to be shown.

Source: docs/reference/pos-interface.md, "The till's API".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.errors import (
    ConnectorError,
    Misconfigured,
    NeedsReauthorization,
    Retryable,
    Throttled,
)
from channelsync.sdk.http import HostRefused
from channelsync_pos.settings import TillSettings
from channelsync_pos.times import iso, retry_after_seconds
from channelsync_pos.wire import Identifier, When, problems

__all__ = ["PAGE_EVENTS_MAX", "Page", "RegisterStatus", "StockItem", "TillApi"]

PAGE_EVENTS_MAX: Final = 500
STOCK_ITEMS_MAX: Final = 500
AFTER_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class _Refusal:
    error: type[ConnectorError]
    message: str


_SIGN_IN: Final = _Refusal(
    NeedsReauthorization, "the till's API refuses us: set api_token to a token that it accepts"
)
_REFUSALS: Final[Mapping[int, _Refusal]] = {
    401: _SIGN_IN,
    403: _SIGN_IN,
    404: _Refusal(Misconfigured, "nothing answers at this address: check base_url"),
    408: _Refusal(Retryable, "the till's API waited in vain for our request"),
    429: _Refusal(Throttled, "the till's API asks us to slow down"),
}
_MOVED: Final = _Refusal(
    Misconfigured, "the till's API has moved: write its new address into base_url"
)
_BROKEN: Final = _Refusal(Retryable, "the till's API failed to answer")
_STRANGE: Final = _Refusal(
    Misconfigured, "the till's API refuses the request: does it speak channelsync-pos/1?"
)
_CLASSES: Final[Mapping[int, _Refusal]] = {3: _MOVED, 5: _BROKEN}


class RegisterStatus(BaseModel):
    """What the till's server knows of one register."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    register_id: Identifier
    last_contact: When
    """The latest instant at which the register, connected, had nothing left to upload."""
    sequence: Annotated[int, Field(strict=True, ge=0)]
    """The last number that it had used by then."""
    received_to: Annotated[int, Field(strict=True, ge=0)]
    """Every event up to this number has reached the server."""
    retired: bool = False
    """It sells no more; no further number will come."""


class Page(BaseModel):
    """Events in the order in which they reached the till's server."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    as_of: When
    events: tuple[dict[str, Any], ...] = Field(max_length=PAGE_EVENTS_MAX)
    """Read one by one: a bad one must not hide its neighbours."""
    next: str = Field(max_length=200)
    more: bool = False
    registers: tuple[RegisterStatus, ...] = Field(default=(), max_length=1_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class StockItem:
    """A number to be shown at the till."""

    sku: str
    location: str
    absolute: int


class TillApi:
    """Calls of one till's API, each sent once."""

    def __init__(self, context: ChannelContext, settings: TillSettings, base_url: str) -> None:
        self._context = context
        self._base_url = base_url
        self._headers = {"accept": "application/json"}
        if settings.api_token is not None:
            self._headers["authorization"] = f"Bearer {settings.api_token.get_secret_value()}"

    async def events_after(self, cursor: str | None, *, uploaded_from: float | None) -> Page:
        """The next page of everything that reached the till's server."""
        query: dict[str, str | int] = {"limit": PAGE_EVENTS_MAX}
        if cursor is not None:
            query["since"] = cursor
        elif uploaded_from is not None:
            query["uploaded_from"] = iso(uploaded_from)
        return await self._page(query)

    async def events_of(self, order_ids: Sequence[str]) -> Page:
        """Everything about some sales and returns."""
        return await self._page({"order": list(order_ids)})

    async def show(self, items: Sequence[StockItem]) -> None:
        """Tell the till its numbers, once per operation id, in requests of bounded size."""
        for start in range(0, len(items), STOCK_ITEMS_MAX):
            body = {
                "op_id": self._context.new_id(),
                "as_of": iso(self._context.now()),
                "items": [
                    {"sku": item.sku, "location": item.location, "absolute": str(item.absolute)}
                    for item in items[start : start + STOCK_ITEMS_MAX]
                ],
            }
            await self._send("PUT", "/stock", json=body)

    async def _page(self, query: Mapping[str, Any]) -> Page:
        response = await self._send("GET", "/sales", params=query)
        try:
            return Page.model_validate_json(response.content)
        except ValidationError as error:
            raise Misconfigured(
                f"{self._base_url}/sales does not answer in the form of channelsync-pos/1:"
                f" {problems(error)}"
            ) from None

    async def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        url = self._base_url + path
        try:
            response = await self._context.http.request(
                method, url, headers=self._headers, **content
            )
        except HostRefused as error:
            raise Misconfigured(
                f"{error}: the operator allows a till's host in CHANNELSYNC_ALLOW_HOSTS"
            ) from error
        except httpx.RequestError as error:
            raise Retryable(f"no answer from {url}: {type(error).__name__}") from error
        if response.is_success:
            return response
        status = response.status_code
        refusal = _REFUSALS.get(status) or _CLASSES.get(status // 100, _STRANGE)
        message = f"{refusal.message} ({method} {url} answered {status})"
        if issubclass(refusal.error, Retryable):
            asked = retry_after_seconds(
                response.headers.get("retry-after"), now=self._context.now()
            )
            raise refusal.error(message, after_seconds=AFTER_SECONDS if asked is None else asked)
        raise refusal.error(message)
