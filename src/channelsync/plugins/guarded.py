"""An open channel behind its budget, its retries and its health record.

The guarded channel has exactly the methods of the channel itself, so `isinstance` against the
capability protocols answers the same for both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, cast

from channelsync.plugins.budget import RateBudget
from channelsync.plugins.health import ChannelHealth
from channelsync.plugins.retrying import Retrying
from channelsync.sdk.connector import Channel, Discovers, Pushes
from channelsync.sdk.errors import ConnectorError, Resting, Retryable, Throttled
from channelsync.sdk.types import (
    ChangeResult,
    Outcome,
    PushRequest,
    RemoteListing,
)

__all__ = ["REPEATED", "Guard", "guarded", "pace"]

REPEATED: Final = frozenset(
    {
        *("read", "offers_page", "orders_since", "orders_by_id"),
        *("ensure_subscriptions", "check_assumptions"),
    }
)
"""Calls that change nothing but what they mend, and so may be made again."""
_ONCE: Final = frozenset({"test", "tell", "mirror"})
CLOSED_SECONDS: Final = 1.0
"""After which whoever called a channel that was closed finds what took its place, if anything."""


@dataclass(slots=True)
class _Pushing:
    """The requests that a push may still make without being counted again."""

    prepaid: int


_PUSHING: ContextVar[_Pushing | None] = ContextVar("pushing", default=None)


async def pace(budget: RateBudget) -> None:
    """Before any request: wait for the budget, but not in a push, which has its token already."""
    pushing = _PUSHING.get()
    if pushing is None:
        await budget.acquire()
    elif pushing.prepaid > 0:
        pushing.prepaid -= 1
    else:
        await budget.spend()


@dataclass(frozen=True, slots=True)
class Guard:
    """What stands around the calls of one channel."""

    budget: RateBudget
    retrying: Retrying
    health: ChannelHealth
    is_open: Callable[[], bool] = lambda: True
    """Whether the channel can still be asked; it may be closed while somebody is at work."""

    async def repeated(self, operation: str, action: Callable[[], Awaitable[Any]]) -> Any:
        """Call, repeat where that helps, and keep the record."""

        def slow_down(error: Retryable) -> None:
            if isinstance(error, Throttled) and error.whole_channel:
                self.budget.throttled(error.after_seconds)

        return await self._recorded(
            operation, lambda: self.retrying.call(action, on_failure=slow_down)
        )

    async def once(self, operation: str, action: Callable[[], Awaitable[Any]]) -> Any:
        """Call once and keep the record."""
        return await self._recorded(operation, action)

    async def _recorded(self, operation: str, action: Callable[[], Awaitable[Any]]) -> Any:
        try:
            result = await action()
        except Resting:
            raise
        except Exception as error:
            if not (self.is_open() or isinstance(error, ConnectorError)):
                # It left the file or was opened anew with other settings: nobody's failure.
                said = "the channel was closed meanwhile"
                raise Resting(said, after_seconds=CLOSED_SECONDS) from error
            self.health.failed(operation, error)
            raise
        self.budget.answered()
        self.health.succeeded(operation)
        return result

    async def push(self, channel: Pushes, request: PushRequest) -> Sequence[ChangeResult]:
        """Send once, or not at all when the budget is spent; an answer for every push id."""
        if wait := await self.budget.take_soon():
            return _all(request, Outcome.UNSENT, "the rate budget is spent", after_seconds=wait)
        token = _PUSHING.set(_Pushing(prepaid=1))
        try:
            answered = await channel.push(request)
        except ConnectorError as error:
            self.health.failed("push", error)
            if isinstance(error, Throttled) and error.whole_channel:
                self.budget.throttled(error.after_seconds)
            raise
        except Exception as error:  # noqa: BLE001 - bytes may have left: that must be booked
            self.health.failed("push", error)
            return _all(request, Outcome.UNKNOWN, f"the connector failed: {type(error).__name__}")
        finally:
            _PUSHING.reset(token)
        results = _complete(request, answered)
        self._note(results)
        return results

    def _note(self, results: Sequence[ChangeResult]) -> None:
        left = [one for one in results if one.outcome is not Outcome.UNSENT]
        pauses = [one.after_seconds for one in left if one.after_seconds is not None]
        if pauses:
            # The channel's own words; what never left us waits by itself and slows nobody down.
            self.budget.throttled(max(pauses))
        silent = [one for one in results if one.outcome in {Outcome.UNKNOWN, Outcome.UNSENT}]
        if results and len(silent) == len(results):
            self.health.failed("push", Retryable(silent[0].reason or "no answer"))
        else:
            self.budget.answered()
            self.health.succeeded("push")


def _all(
    request: PushRequest, outcome: Outcome, reason: str, *, after_seconds: float | None = None
) -> list[ChangeResult]:
    return [
        ChangeResult(push_id=push_id, outcome=outcome, reason=reason, after_seconds=after_seconds)
        for push_id in request.push_ids
    ]


def _complete(request: PushRequest, answered: Sequence[ChangeResult]) -> list[ChangeResult]:
    """One result for every push id; what the connector left out or answered twice is unknown."""
    by_id: dict[str, list[ChangeResult]] = {}
    for result in answered:
        by_id.setdefault(result.push_id, []).append(result)
    left_out = "the connector gave no single answer"
    return [
        by_id[push_id][0]
        if len(by_id.get(push_id, ())) == 1
        else ChangeResult(push_id=push_id, outcome=Outcome.UNKNOWN, reason=left_out)
        for push_id in request.push_ids
    ]


def guarded(channel: Channel, guard: Guard) -> Channel:
    """The channel behind the guard, with the methods that it has and no others."""
    methods: dict[str, Any] = {}
    for name in dir(type(channel)):
        if name.startswith("_") or not callable(getattr(channel, name, None)):
            continue
        methods[name] = _method(name, channel, guard)
    return cast("Channel", type("GuardedChannel", (), methods)())


def _method(name: str, channel: Any, guard: Guard) -> Any:
    inner = getattr(channel, name)
    if name == "push":

        async def push(_self: object, request: PushRequest) -> Sequence[ChangeResult]:
            return await guard.push(cast("Pushes", channel), request)

        return push
    if name == "listings":

        async def listings(_self: object) -> AsyncIterator[RemoteListing]:
            # Found whole before the first is handed on: a repeated look would tell some twice.
            for one in await guard.repeated("listings", lambda: _collected(channel)):
                yield one

        return listings
    if name in REPEATED or name in _ONCE:
        call = guard.repeated if name in REPEATED else guard.once

        async def called(_self: object, *given: Any, **named: Any) -> Any:
            return await call(name, lambda: inner(*given, **named))

        return called
    return lambda _self, *given, **named: inner(*given, **named)


async def _collected(channel: Discovers) -> list[RemoteListing]:
    return [one async for one in channel.listings()]
