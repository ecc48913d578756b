"""The wire: one call of Square's API, exactly once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import httpx
from pydantic import SecretStr

from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.errors import ConnectorError, Misconfigured, Retryable
from channelsync.sdk.http import HostRefused
from channelsync.sdk.types import Instant
from channelsync.sdk.wire import JsonAnswer, after_seconds, json_bytes
from channelsync_square.answers import Complaint, complaints_of, meaning_of
from channelsync_square.settings import SquareSettings

__all__ = ["Answer", "CursorLost", "Missing", "SquareApi"]

BACKDATED_SECONDS: Final = 2.0
"""Square refuses a change that lies in its future, so ours lie a little in the past."""
PAGES_MAX: Final = 10_000


class CursorLost(Retryable):
    """Square does not know the place in a search any more: begin the search anew."""


class Missing(Misconfigured):
    """Square knows nothing of this id."""


class Answer(JsonAnswer):
    """An HTTP answer of Square's, whatever it says."""

    @property
    def complaints(self) -> tuple[Complaint, ...]:
        """Its `errors`; a 200 may carry some as well."""
        return complaints_of(self.body)


class SquareApi:
    """Calls with the seller's token. Never retries."""

    def __init__(self, context: ChannelContext, settings: SquareSettings) -> None:
        self._http = context.http
        self.now = context.now
        """Our clock."""
        self._settings = settings
        self.ahead_seconds = 0.0
        """How far our clock may run ahead of Square's, by the last answer."""

    @property
    def now_there(self) -> Instant:
        """An instant that is surely past on Square's clock, and hardly older than that."""
        return self.now() - max(self.ahead_seconds, BACKDATED_SECONDS)

    async def send(
        self, method: str, path: str, *, body: bytes | None, token: SecretStr | None = None
    ) -> Answer:
        """One request, one answer.

        Raises:
            httpx.RequestError: there is none.
        """
        bearer = (token or self._settings.access_token).get_secret_value()
        headers = {
            "authorization": f"Bearer {bearer}",
            "square-version": self._settings.square_version,
            "accept": "application/json",
        }
        if body is not None:
            headers["content-type"] = "application/json"
        sent_at = self.now()
        response = await self._http.request(
            method, self._settings.origin + path, content=body, headers=headers
        )
        answer = Answer.of(response, sent_at=sent_at, received_at=self.now())
        if answer.server_time is not None:
            self.ahead_seconds = answer.received_at - answer.server_time
        return answer

    async def call(
        self,
        method: str,
        path: str,
        content: Mapping[str, Any] | None = None,
        *,
        token: SecretStr | None = None,
    ) -> Answer:
        """One call that must succeed; for everything but writing quantities.

        Raises:
            ConnectorError: it did not; sorted by what to do about it.
        """
        body = None if content is None else json_bytes(content)
        try:
            answer = await self.send(method, path, body=body, token=token)
        except HostRefused as error:
            raise Misconfigured(str(error)) from error
        except httpx.RequestError as error:
            raise Retryable(f"Square could not be reached ({type(error).__name__})") from error
        complaints = answer.complaints
        if answer.status != httpx.codes.OK or complaints:
            raise _error(answer, complaints, f"{method} {path}")
        if answer.body is None:
            raise Retryable(f"{method} {path}: the answer is not of the documented shape")
        return answer

    async def pages(self, path: str, content: Mapping[str, Any]) -> AsyncIterator[Answer]:
        """Every page of a search, one call each.

        Raises:
            ConnectorError: as `call`; or the pages do not end.
        """
        cursor: str | None = None
        for _ in range(PAGES_MAX):
            onward = content if cursor is None else {**content, "cursor": cursor}
            answer = await self.call("POST", path, onward)
            yield answer
            following = (answer.body or {}).get("cursor")
            if not following:
                return
            if following == cursor:
                break
            cursor = str(following)
        raise Retryable(f"POST {path}: the pages do not end")


def _error(answer: Answer, complaints: tuple[Complaint, ...], what: str) -> ConnectorError:
    row = meaning_of(answer.status, complaints)
    words = f" ({complaints[0].text})" if complaints else ""
    message = f"{what}: {row.what_to_do}, status {answer.status}{words}"
    if complaints and complaints[0].code == "INVALID_CURSOR":
        return CursorLost(message)
    if row.unfit:
        return Missing(message)
    if issubclass(row.read, Retryable):
        return row.read(message, after_seconds=after_seconds(answer.headers, row.after_seconds))
    return row.read(message)
