"""Access tokens from Login with Amazon: one refresh at a time, however many calls wait for it.

A token lives an hour. Notification destinations belong to the app and not to a seller: their calls
carry a token of their own grant ("grantless operations").
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

import httpx
from pydantic import BaseModel, ValidationError

from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.errors import Misconfigured, NeedsReauthorization, Retryable
from channelsync.sdk.http import HostRefused
from channelsync.sdk.types import Instant
from channelsync_amazon.settings import AmazonSettings

__all__ = ["Tokens"]

MARGIN_SECONDS: Final = 60.0
"""A token is fetched anew so long before its end: a push must not meet an expired one."""
YOUNG_SECONDS: Final = 30.0
"""A token that is refused so soon after it was fetched will not be helped by another one."""
RETRYABLE_WORDS: Final = frozenset({"server_error", "temporarily_unavailable"})
GRANTLESS_SCOPE: Final = "sellingpartnerapi::notifications"


class _TokenAnswer(BaseModel):
    access_token: str
    expires_in: float = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    token: str
    fetched_at: Instant
    renew_at: Instant


class Tokens:
    """The tokens of one grant: the seller's, or (`grantless`) the app's own."""

    def __init__(
        self, context: ChannelContext, settings: AmazonSettings, *, grantless: bool = False
    ) -> None:
        self._context = context
        self._settings = settings
        self._grantless = grantless
        self._held: _Held | None = None
        self._one_at_a_time = asyncio.Lock()

    async def current(self) -> str:
        """A token that is good for the next call.

        Raises:
            NeedsReauthorization: Amazon refuses our credentials.
            Retryable: none could be fetched now.
            Misconfigured: none may be fetched from there.
        """
        async with self._one_at_a_time:
            if self._held is None or self._context.now() >= self._held.renew_at:
                self._held = await self._fetch()
            return self._held.token

    def refused(self, token: str) -> bool:
        """A call was refused for `token`. Returns whether another one may help."""
        held = self._held
        if held is None or held.token != token:
            return True
        self._held = None
        return self._context.now() - held.fetched_at > YOUNG_SECONDS

    def _form(self) -> dict[str, str]:
        settings = self._settings
        form = {
            "client_id": settings.client_id,
            "client_secret": settings.client_secret.get_secret_value(),
        }
        if self._grantless:
            return form | {"grant_type": "client_credentials", "scope": GRANTLESS_SCOPE}
        token = settings.refresh_token.get_secret_value()
        return form | {"grant_type": "refresh_token", "refresh_token": token}

    async def _fetch(self) -> _Held:
        asked_at = self._context.now()
        try:
            response = await self._context.http.post(
                self._settings.token_address, data=self._form()
            )
        except HostRefused as error:
            raise Misconfigured(str(error)) from error
        except httpx.RequestError as error:
            kind = type(error).__name__
            raise Retryable(f"no token: Login with Amazon could not be reached ({kind})") from error
        if response.status_code != httpx.codes.OK:
            raise _refusal(response)
        try:
            answer = _TokenAnswer.model_validate_json(response.content)
        except ValidationError as error:
            raise Retryable("no token: the answer is not of the documented shape") from error
        life = max(answer.expires_in - MARGIN_SECONDS, 1.0)
        return _Held(token=answer.access_token, fetched_at=asked_at, renew_at=asked_at + life)


def _refusal(response: httpx.Response) -> Retryable | NeedsReauthorization:
    word = _error_word(response)
    if response.status_code in {400, 401, 403} and word not in RETRYABLE_WORDS:
        return NeedsReauthorization(
            f"Login with Amazon gives no token ({word}): check client_id and client_secret, which"
            " expires every 180 days, and let the seller authorise the app again"
        )
    return Retryable(f"no token: Login with Amazon is unavailable ({word})")


def _error_word(response: httpx.Response) -> str:
    """The `error` of an OAuth refusal: a code word, never a secret."""
    try:
        body = response.json()
    except ValueError:
        body = None
    word = body.get("error") if isinstance(body, dict) else None
    return word[:60] if isinstance(word, str) else f"status {response.status_code}"
