"""Calls of Acme's API: each is sent once, and each refusal has one meaning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import httpx
from pydantic import ValidationError

from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.errors import (
    ConnectorError,
    Misconfigured,
    NeedsReauthorization,
    Retryable,
    Throttled,
)
from channelsync.sdk.http import HostRefused
from channelsync.sdk.wire import Shape, after_seconds
from channelsync_acme.settings import AcmeSettings
from channelsync_acme.wire import problem

__all__ = ["RETRY_AFTER_DEFAULT", "AcmeApi"]

RETRY_AFTER_DEFAULT: Final = 5.0
REFUSALS: Final[Mapping[int, tuple[type[ConnectorError], str]]] = {
    401: (NeedsReauthorization, "Acme refuses the token: make a new one and set api_token"),
    403: (Misconfigured, "the token lacks a right: grant it offers, orders and hooks"),
    404: (Misconfigured, "nothing answers at this address: check base_url"),
    429: (Throttled, "Acme asks us to slow down"),
}
"""What a status means, as data. What stands in no table proves nothing."""


class AcmeApi:
    """One account's API."""

    def __init__(self, context: ChannelContext, settings: AcmeSettings) -> None:
        self._http = context.http
        self._base_url = settings.base_url.rstrip("/")
        self._headers = {
            "authorization": f"Bearer {settings.api_token.get_secret_value()}",
            "accept": "application/json",
        }

    async def send(self, method: str, path: str, **content: Any) -> httpx.Response:
        """Send one request once.

        Raises:
            Misconfigured: the host may not have our credentials; nothing was sent.
            httpx.RequestError: no whole answer came.
        """
        headers = {**self._headers, **content.pop("headers", {})}
        try:
            return await self._http.request(
                method, self._base_url + path, headers=headers, **content
            )
        except HostRefused as error:
            raise Misconfigured(f"{error}: see CHANNELSYNC_ALLOW_HOSTS") from error

    async def ask(self, shape: type[Shape], method: str, path: str, **content: Any) -> Shape:
        """Send a request that may be sent again, and read its answer.

        Raises:
            ConnectorError: sorted by what to do about it.
        """
        try:
            response = await self.send(method, path, **content)
        except httpx.RequestError as error:
            raise Retryable(f"no answer from Acme ({type(error).__name__})") from error
        if not response.is_success:
            raise refusal(response)
        try:
            return shape.model_validate_json(response.content)
        except ValidationError as error:
            raise Retryable(f"Acme's answer is not as documented at {problem(error)}") from None


def refusal(response: httpx.Response) -> ConnectorError:
    """The error that a refused request stands for."""
    status = response.status_code
    kind, words = REFUSALS.get(status, (Retryable, "Acme failed to answer"))
    message = f"{words} (status {status})"
    if issubclass(kind, Retryable):
        return kind(message, after_seconds=after_seconds(response.headers, RETRY_AFTER_DEFAULT))
    return kind(message)
