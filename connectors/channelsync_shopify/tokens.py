"""The access token: given by the merchant, or fetched with the client's credentials.

A fetched token lives about 24 hours and has no refresh token; it is fetched again at 80 % of its
life and after a 401, by one request however many calls wait for it (shopify.dev, "Client
credentials grant").
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

import httpx
from pydantic import BaseModel, ValidationError

from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.errors import Misconfigured, NeedsReauthorization, Retryable
from channelsync.sdk.http import HostRefused
from channelsync.sdk.types import Instant
from channelsync_shopify.answers import http_refusal, shortened
from channelsync_shopify.settings import ShopifySettings

__all__ = ["FetchedToken", "GivenToken", "Tokens", "tokens_for"]

SHARE_OF_LIFE: Final = 0.8
PAUSE_SECONDS: Final = 60.0
"""How long calls are spared after a refused token that nothing but a person can replace."""


class Tokens(Protocol):
    """Where the token of the next call comes from."""

    async def current(self) -> str:
        """A token to send.

        Raises:
            NeedsReauthorization: Shopify refuses our credentials.
            Retryable: it could not be fetched now.
            Misconfigured: it may not be fetched from there.
        """

    def refused(self, token: str) -> bool:
        """Shopify answered 401 to `token`. Returns whether a fresh one can be had."""


class GivenToken:
    """A permanent token. After a 401 calls pause, so that a dead token is not tried for ever."""

    def __init__(self, context: ChannelContext, token: str) -> None:
        self._now = context.now
        self._token = token
        self._paused_until: Instant | None = None

    async def current(self) -> str:
        """The token, unless it was refused a moment ago."""
        if self._paused_until is not None and self._now() < self._paused_until:
            raise NeedsReauthorization(http_refusal(401).message)
        return self._token

    def refused(self, token: str) -> bool:
        """Pause; only a person can help."""
        if token == self._token:
            self._paused_until = self._now() + PAUSE_SECONDS
        return False


class _TokenAnswer(BaseModel):
    access_token: str
    scope: str = ""
    expires_in: float = 86_399.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    token: str
    fetched_at: Instant
    renew_at: Instant


class FetchedToken:
    """A token from the client credentials grant."""

    def __init__(self, context: ChannelContext, settings: ShopifySettings) -> None:
        self._context = context
        self._settings = settings
        self._held: _Held | None = None
        self._one_at_a_time = asyncio.Lock()

    async def current(self) -> str:
        """The token in hand while it is young, else a new one."""
        async with self._one_at_a_time:
            if self._held is None or self._context.now() >= self._held.renew_at:
                self._held = await self._fetch()
            return self._held.token

    def refused(self, token: str) -> bool:
        """Forget `token`, so that the next call fetches one. A token just fetched proves more."""
        if self._held is None or self._held.token != token:
            return True
        age_seconds = self._context.now() - self._held.fetched_at
        self._held = None
        return age_seconds > PAUSE_SECONDS

    async def _fetch(self) -> _Held:
        asked_at = self._context.now()
        secret = self._settings.client_secret
        form = {
            "grant_type": "client_credentials",
            "client_id": self._settings.client_id or "",
            "client_secret": secret.get_secret_value() if secret else "",
        }
        try:
            response = await self._context.http.post(self._settings.token_url, data=form)
        except HostRefused as error:
            raise Misconfigured(str(error)) from error
        except httpx.RequestError as error:
            kind = type(error).__name__
            raise Retryable(f"no token: Shopify could not be reached ({kind})") from error
        return self._understood(response, asked_at)

    def _understood(self, response: httpx.Response, asked_at: Instant) -> _Held:
        status = response.status_code
        if status in {400, 401, 403}:
            raise NeedsReauthorization(
                f"Shopify gives no token for this client ({_error_word(response)}): check client_id"
                " and client_secret, that the app is installed in the shop, and that app and shop"
                " belong to one organisation"
            )
        if status != httpx.codes.OK:
            raise Retryable(f"no token: {http_refusal(status).message} ({status})")
        try:
            answer = _TokenAnswer.model_validate_json(response.content)
        except ValidationError as error:
            raise Retryable("no token: the answer is not of the documented shape") from error
        return _Held(
            token=answer.access_token,
            fetched_at=asked_at,
            renew_at=asked_at + SHARE_OF_LIFE * answer.expires_in,
        )


def _error_word(response: httpx.Response) -> str:
    """The `error` of an OAuth refusal: a code word, never a secret."""
    try:
        body = response.json()
    except ValueError:
        return f"status {response.status_code}"
    word = body.get("error") if isinstance(body, dict) else None
    return shortened(word) if isinstance(word, str) else f"status {response.status_code}"


def tokens_for(context: ChannelContext, settings: ShopifySettings) -> Tokens:
    """The source of tokens that the settings ask for."""
    if settings.access_token is not None:
        return GivenToken(context, settings.access_token.get_secret_value())
    return FetchedToken(context, settings)
