"""The wire: one call to the Selling Partner API, sent once."""

from __future__ import annotations

import platform
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Final, TypeAlias
from urllib.parse import quote, urlencode

import httpx

from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.errors import (
    ConnectorError,
    Misconfigured,
    NeedsReauthorization,
    Resting,
    Retryable,
    Throttled,
)
from channelsync.sdk.http import HostRefused
from channelsync.sdk.types import Instant
from channelsync.sdk.wire import JsonAnswer
from channelsync_amazon.answers import ROLES, is_expired_token, refusal_of, words_of
from channelsync_amazon.buckets import Bucket, Buckets
from channelsync_amazon.settings import AmazonSettings
from channelsync_amazon.tokens import Tokens

__all__ = ["AmazonApi", "Answer", "Call", "InvalidRequest", "NotFound", "Sleep", "path_part"]

READ_WAIT_SECONDS_MAX: Final = 20.0
"""Longer than this a read does not wait for its token: the caller comes back."""
DENIED_SECONDS: Final = 300.0
"""How long pushes are spared after a refusal that nothing but a person can mend."""
RATE_HEADER: Final = "x-amzn-ratelimit-limit"
Sleep: TypeAlias = Callable[[float], Awaitable[None]]


class NotFound(Misconfigured):
    """Amazon knows nothing of this name."""


class InvalidRequest(Misconfigured):
    """Amazon calls the request invalid."""


def _user_agent() -> str:
    """Required on every call; `App/Version (Language=…; Platform=…)`, at most 500 characters."""
    try:
        own = version("channelsync")
    except PackageNotFoundError:  # pragma: no cover - run from a tree that is not installed
        own = "0"
    language = f"Python/{platform.python_version()}"
    return f"channelsync/{own} (Language={language}; Platform={platform.system() or 'unknown'})"


USER_AGENT: Final = _user_agent()


def path_part(text: str) -> str:
    """One segment of a path; a SKU may hold slashes, blanks and number signs."""
    return quote(text, safe="")


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One operation of Amazon's models with its arguments."""

    operation: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    grantless: bool = False

    @property
    def target(self) -> str:
        """Path and query, encoded once."""
        query = urlencode(self.query, quote_via=quote, safe=",:")
        return f"{self.path}?{query}" if query else self.path


class Answer(JsonAnswer):
    """An HTTP answer of Amazon's, whatever it says."""

    @property
    def ok(self) -> bool:
        """Whether it is a success."""
        return httpx.codes.is_success(self.status)


class AmazonApi:
    """Sends calls; keeps tokens and the usage plans."""

    def __init__(self, context: ChannelContext, settings: AmazonSettings, *, sleep: Sleep) -> None:
        self._context = context
        self._settings = settings
        self._sleep = sleep
        self._sellers = Tokens(context, settings)
        self._apps = Tokens(context, settings, grantless=True)
        self._buckets = Buckets(context.now)
        self._denied: dict[str, tuple[Instant, str]] = {}

    @property
    def now(self) -> Callable[[], Instant]:
        """The clock."""
        return self._context.now

    def bucket(self, operation: str) -> Bucket:
        """The tokens of one operation."""
        return self._buckets.of(operation)

    def tokens(self, *, grantless: bool = False) -> Tokens:
        """Where access tokens come from."""
        return self._apps if grantless else self._sellers

    def require_rights(self, operation: str) -> None:
        """Spare a call that was denied a moment ago.

        Raises:
            NeedsReauthorization: it was; only a person can help.
        """
        until, message = self._denied.get(operation, (0.0, ""))
        if self._context.now() < until:
            raise NeedsReauthorization(message)

    async def send(self, call: Call, *, token: str) -> Answer:
        """Send once. The caller has taken a token of the operation's bucket.

        Raises:
            httpx.RequestError: no whole answer came.
        """
        headers = {
            "accept": "application/json",
            "user-agent": USER_AGENT,
            "x-amz-access-token": token,
        }
        if call.body is not None:
            headers["content-type"] = "application/json"
        sent_at = self._context.now()
        response = await self._context.http.request(
            call.method,
            f"{self._settings.origin}{call.target}",
            content=call.body,
            headers=headers,
        )
        answer = Answer.of(response, sent_at=sent_at, received_at=self._context.now())
        if answer.status != httpx.codes.TOO_MANY_REQUESTS:
            self.bucket(call.operation).learn(response.headers.get(RATE_HEADER))
        return answer

    async def read(self, call: Call) -> Answer:
        """Ask, waiting for the usage plan and renewing an expired token once.

        Raises:
            Resting: the plan allows this call only later.
            Retryable: no answer now.
            NotFound, InvalidRequest: Amazon's answers to this very request.
            NeedsReauthorization, Misconfigured: a person must act.
        """
        answer, token = await self._once(call)
        if is_expired_token(answer.status, answer.body):
            if not self.tokens(grantless=call.grantless).refused(token):
                raise self.error_of(answer, call.operation)
            answer, token = await self._once(call)
        if not answer.ok:
            raise self.error_of(answer, call.operation)
        return answer

    async def _once(self, call: Call) -> tuple[Answer, str]:
        await self._wait_for(call.operation)
        token = await self.tokens(grantless=call.grantless).current()
        try:
            return await self.send(call, token=token), token
        except HostRefused as error:
            raise Misconfigured(str(error)) from error
        except httpx.RequestError as error:
            raise Retryable(f"Amazon could not be reached ({type(error).__name__})") from error

    def take_now(self, operation: str) -> None:
        """Take a token of an operation's plan without waiting for one.

        Raises:
            Resting: there is none now.
        """
        if wait := self.bucket(operation).take():
            raise Resting(f"{operation}: the usage plan is spent", after_seconds=wait)

    async def _wait_for(self, operation: str) -> None:
        waited = 0.0
        while wait := self.bucket(operation).take():
            if waited + wait > READ_WAIT_SECONDS_MAX:
                raise Resting(f"{operation}: the usage plan is spent", after_seconds=wait)
            waited += wait
            await self._sleep(wait)

    def error_of(self, answer: Answer, operation: str) -> ConnectorError:
        """What a refusal means for a read."""
        row = refusal_of(answer.status)
        message = f"{operation}: {row.message} (status {answer.status}: {words_of(answer.body)})"
        if answer.status == httpx.codes.TOO_MANY_REQUESTS:
            pause = self.bucket(operation).refused()
            return Throttled(message, after_seconds=pause, whole_channel=False)
        if row.read is NeedsReauthorization:
            return self._denial(answer, operation, message)
        if answer.status == httpx.codes.NOT_FOUND:
            return NotFound(message)
        if answer.status == httpx.codes.BAD_REQUEST:
            return InvalidRequest(message)
        if issubclass(row.read, Retryable):
            return row.read(message, after_seconds=row.after_seconds)
        return row.read(message)

    def _denial(self, answer: Answer, operation: str, message: str) -> ConnectorError:
        if is_expired_token(answer.status, answer.body):
            return Retryable("the access token had expired; the next call fetches one")
        role = ROLES.get(operation)
        full = f"the role {role!r} is missing: {message}" if role else message
        self._denied[operation] = (self._context.now() + DENIED_SECONDS, full)
        return NeedsReauthorization(full)
