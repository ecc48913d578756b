"""The wire: one GraphQL call to a shop's Admin API, exactly once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

import httpx

from channelsync.sdk.connector import ChannelContext
from channelsync.sdk.errors import ConnectorError, Misconfigured, Retryable, Throttled
from channelsync.sdk.http import HostRefused
from channelsync.sdk.wire import JsonAnswer, after_seconds, json_bytes
from channelsync_shopify.answers import (
    TOP_LEVEL,
    TopLevel,
    http_refusal,
    shortened,
)
from channelsync_shopify.documents import Document
from channelsync_shopify.settings import ShopifySettings
from channelsync_shopify.throttle import CostBucket
from channelsync_shopify.tokens import tokens_for

__all__ = [
    "Answer",
    "ShopifyApi",
    "Sleep",
    "TooCostly",
    "body_of",
    "first_error",
]

WAIT_SECONDS_MAX: Final = 25.0
"""Longer than a full bucket takes to refill on Shopify's smallest plan."""
ROUNDS_MAX: Final = 6
Sleep: TypeAlias = Callable[[float], Awaitable[None]]
UNKNOWN_ERROR: Final = TopLevel(push=TOP_LEVEL["TIMEOUT"].push, read=Retryable, after_seconds=5.0)


class TooCostly(Retryable):
    """One query asks for more than Shopify allows in one request: ask for less of it."""


class BudgetSpent(Throttled):
    """The shop's bucket of query cost does not hold this query now; nothing ran."""


class Answer(JsonAnswer):
    """An HTTP answer of Shopify's, whatever it says."""

    @property
    def cost(self) -> Mapping[str, Any]:
        """`extensions.cost`; empty where there is none."""
        extensions = (self.body or {}).get("extensions")
        cost = extensions.get("cost") if isinstance(extensions, Mapping) else None
        return cost if isinstance(cost, Mapping) else {}

    @property
    def errors(self) -> tuple[Mapping[str, Any], ...]:
        """The top-level `errors`. A malformed one counts as one error without a code."""
        errors = (self.body or {}).get("errors")
        if not errors:
            return ()
        if not isinstance(errors, list):
            return ({"message": shortened(errors)},)
        return tuple(one if isinstance(one, Mapping) else {"message": str(one)} for one in errors)


def body_of(document: Document, variables: Mapping[str, Any]) -> bytes:
    """The bytes of a request; the same arguments give the same bytes."""
    return json_bytes({"query": document.text, "variables": variables})


def first_error(errors: tuple[Mapping[str, Any], ...]) -> tuple[str, str, TopLevel]:
    """Code, words and meaning of the most undecided top-level error."""
    found = []
    for error in errors:
        extensions = error.get("extensions")
        code = str(extensions.get("code", "")) if isinstance(extensions, Mapping) else ""
        found.append((code, shortened(error.get("message", "")), TOP_LEVEL.get(code)))
    for code, words, row in found:
        if row is None:
            return code, words, UNKNOWN_ERROR
    known = [(code, words, row) for code, words, row in found if row is not None]
    undecided = [one for one in known if one[2].push is UNKNOWN_ERROR.push]
    return (undecided or known)[0]


class ShopifyApi:
    """Sends calls, keeps the cost budget and the token."""

    def __init__(self, context: ChannelContext, settings: ShopifySettings, *, sleep: Sleep) -> None:
        self._context = context
        self._settings = settings
        self._sleep = sleep
        self.tokens = tokens_for(context, settings)
        self.bucket = CostBucket(context.now)
        self.served_version: str | None = None
        """The API version of the last answer; another than asked for means ours is retired."""

    async def send(self, body: bytes, *, operation: str, token: str) -> Answer:
        """Send these bytes once.

        Raises:
            httpx.RequestError: no whole answer came.
        """
        reserved = self.bucket.begin(operation)
        sent_at = self._context.now()
        try:
            response = await self._context.http.post(
                self._settings.graphql_url,
                content=body,
                headers={
                    "content-type": "application/json",
                    "accept": "application/json",
                    "x-shopify-access-token": token,
                },
            )
        finally:
            self.bucket.end(reserved)
        answer = Answer.of(response, sent_at=sent_at, received_at=self._context.now())
        self.bucket.learn(operation, answer.cost)
        self.served_version = response.headers.get("x-shopify-api-version", self.served_version)
        return answer

    async def read(self, document: Document, variables: Mapping[str, Any]) -> Answer:
        """Ask; the answer's `data` is complete and free of errors.

        Waits for the shop's query budget, and asks again when Shopify finds it spent after all,
        for nothing ran then: otherwise a long walk through a catalogue would never end.

        Raises:
            TooCostly: the query asks for more than one request may.
            Throttled, Retryable: later.
            NeedsReauthorization, Misconfigured: a person must act.
        """
        for rounds_left in reversed(range(ROUNDS_MAX)):
            try:
                return await self._read_once(document, variables)
            except BudgetSpent as error:
                wait = error.after_seconds or 0.0
                if not rounds_left or wait > WAIT_SECONDS_MAX:
                    raise
                await self._sleep(wait)
        raise Retryable(f"{document.name} was never asked")  # pragma: no cover - rounds exist

    async def _read_once(self, document: Document, variables: Mapping[str, Any]) -> Answer:
        delay = self.bucket.delay_seconds(document.name, for_read=True)
        if delay > 0:
            raise BudgetSpent("the shop's query budget is used up", after_seconds=delay)
        token = await self.tokens.current()
        try:
            answer = await self.send(
                body_of(document, variables), operation=document.name, token=token
            )
        except HostRefused as error:
            raise Misconfigured(str(error)) from error
        except httpx.RequestError as error:
            raise Retryable(f"Shopify could not be reached ({type(error).__name__})") from error
        self._require_ok(answer, document.name, token)
        return answer

    def _require_ok(self, answer: Answer, operation: str, token: str) -> None:
        if answer.status != httpx.codes.OK:
            raise self._http_error(answer, token)
        if answer.errors:
            raise self._top_level_error(answer, operation)
        if answer.body is None or not isinstance(answer.body.get("data"), Mapping):
            raise Retryable(f"{operation}: the answer is not of the documented shape")

    def _http_error(self, answer: Answer, token: str) -> ConnectorError:
        row = http_refusal(answer.status)
        message = f"{row.message} (status {answer.status})"
        if answer.status == httpx.codes.UNAUTHORIZED and self.tokens.refused(token):
            return Retryable("the access token had expired; the next call fetches one")
        if issubclass(row.read, Retryable):
            return row.read(message, after_seconds=after_seconds(answer.headers, row.after_seconds))
        return row.read(message)

    def _top_level_error(self, answer: Answer, operation: str) -> ConnectorError:
        code, words, row = first_error(answer.errors)
        message = f"{operation}: {words} ({code or 'no code'})"
        if code == "MAX_COST_EXCEEDED":
            return TooCostly(message)
        if row.read is Throttled:
            wait = self.bucket.retry_after(answer.cost, operation)
            return BudgetSpent(message, after_seconds=wait)
        if issubclass(row.read, Retryable):
            return row.read(message, after_seconds=row.after_seconds)
        return row.read(message)
