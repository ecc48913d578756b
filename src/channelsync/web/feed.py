"""The live page's feed: named fragments of HTML, sent when they change, resumable by event id."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

__all__ = ["Feed", "TooManyWatchers"]

HEARTBEAT_SECONDS: Final = 15.0
REFRESH_SECONDS_MIN: Final = 0.25
WATCHERS_MAX: Final = 256
RETRY_MILLISECONDS: Final = 2_000

State = TypeVar("State")


class TooManyWatchers(Exception):
    """More pages are open than this process serves."""


@dataclass(slots=True)
class _Fragment:
    number: int
    html: str | None
    """None: it is gone."""


@dataclass(slots=True)
class Feed(Generic[State]):
    """Looks while somebody watches, and never more often than four times a second.

    Every fragment bears the number of the look at which it last changed, so that a page that was
    away for a while gets exactly what it missed.
    """

    look: Callable[[], Awaitable[State]]
    paint: Callable[[State], Mapping[str, str]]
    """All fragments of a state, by the id of the element that they replace."""
    refresh_seconds: float
    stopping: asyncio.Event | None = None
    epoch: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    number: int = 0
    _state: State | None = None
    _fragments: dict[str, _Fragment] = field(default_factory=dict)
    _looked_at: float = -1.0
    _looking: asyncio.Task[State] | None = None
    _watchers: int = 0

    @property
    def event_id(self) -> str:
        """Where the feed stands."""
        return f"{self.epoch}-{self.number}"

    @property
    def fragments(self) -> Mapping[str, str]:
        """Everything as it was at the last look."""
        return {key: one.html for key, one in self._fragments.items() if one.html is not None}

    async def refresh(self) -> State:
        """Look again, unless that was just done. Returns what was seen."""
        if self._state is not None and time.monotonic() - self._looked_at < REFRESH_SECONDS_MIN:
            return self._state
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        # A page that goes away in the middle must not take the others' look with it.
        return await asyncio.shield(self._looking)

    async def _look(self) -> State:
        state = await self.look()
        self._take(self.paint(state))
        self._state, self._looked_at = state, time.monotonic()
        return state

    def _take(self, painted: Mapping[str, str]) -> None:
        number = self.number + 1
        changed = {
            key: html
            for key, html in painted.items()
            if key not in self._fragments or self._fragments[key].html != html
        }
        gone = [
            key
            for key, one in self._fragments.items()
            if key not in painted and one.html is not None
        ]
        for key, html in changed.items():
            self._fragments[key] = _Fragment(number, html)
        for key in gone:
            self._fragments[key] = _Fragment(number, None)
        if changed or gone:
            self.number = number

    def watch(self, last_id: str) -> AsyncGenerator[str]:
        """The stream of one page that has everything up to `last_id`.

        Raises:
            TooManyWatchers: at once.
        """
        if self._watchers >= WATCHERS_MAX:
            raise TooManyWatchers
        return self._stream(last_id)

    async def _stream(self, last_id: str) -> AsyncGenerator[str]:
        self._watchers += 1
        try:
            seen = self._number_of(last_id)
            yield f"retry: {RETRY_MILLISECONDS}\n\n"
            said_at = time.monotonic()
            while not self._is_stopping():
                await self.refresh()
                if self.number > seen:
                    yield self._event(seen)
                    seen, said_at = self.number, time.monotonic()
                elif time.monotonic() - said_at > HEARTBEAT_SECONDS:
                    yield ": still here\n\n"
                    said_at = time.monotonic()
                await self._pause()
        finally:
            self._watchers -= 1

    def _number_of(self, last_id: str) -> int:
        """What a page has seen; of another process's life it has seen nothing."""
        epoch, _, number = last_id.partition("-")
        return int(number) if epoch == self.epoch and number.isdecimal() else 0

    def _event(self, seen: int) -> str:
        news = {key: one.html for key, one in self._fragments.items() if one.number > seen}
        return f"id: {self.event_id}\ndata: {json.dumps(news)}\n\n"

    def _is_stopping(self) -> bool:
        return self.stopping is not None and self.stopping.is_set()

    async def _pause(self) -> None:
        seconds = max(self.refresh_seconds, REFRESH_SECONDS_MIN)
        if self.stopping is None:
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
