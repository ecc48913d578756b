"""Webhook deliveries of the simulated till: signed at each attempt, retried, and full of faults."""

from __future__ import annotations

import asyncio
import heapq
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx

from channelsync.sdk.signatures import decode_standard_secret, standard_webhook_signature
from channelsync.sdk.testing.faults import FaultPlan
from channelsync.sdk.types import Instant
from channelsync_pos.times import iso, retry_after_seconds

__all__ = ["RETRY_SECONDS", "Courier", "Message"]

RETRY_SECONDS: Final = (1.0, 3.0, 10.0, 30.0, 60.0, 120.0)
"""The specification's example schedule goes on for three days; a demonstration does not."""
GONE: Final = 410
SLOW_DOWN: Final = frozenset({429, 502, 503, 504})
IDLE_SECONDS: Final = 0.05


@dataclass(slots=True, kw_only=True)
class Message:
    """One webhook: its id and bytes stay the same on every attempt."""

    message_id: str
    body: bytes
    attempts: int = 0


@dataclass(slots=True, kw_only=True)
class Courier:
    """Posts messages to one receiver when they are due."""

    url: str
    client: httpx.AsyncClient
    now: Callable[[], Instant]
    rng: Random
    faults: FaultPlan
    secrets: Sequence[str]
    """All of them sign, newest first: two during a rotation."""
    retry_seconds: Sequence[float] = RETRY_SECONDS
    answers: list[int] = field(default_factory=list)
    """Status of every attempt that was answered."""
    stopped: bool = False
    """The receiver said 410: it wants no more."""
    _due: list[tuple[Instant, int, Message]] = field(default_factory=list)
    _count: int = 0

    def send(self, kind: str, data: Mapping[str, Any]) -> str:
        """Put an event on its way, as the fault plan wants it. Returns the message's id."""
        message_id = f"msg_{self.rng.getrandbits(96):024x}"
        envelope = {"type": kind, "timestamp": iso(self.now()), "data": dict(data)}
        body = json.dumps(envelope, separators=(",", ":")).encode()
        delays = self.faults.deliveries.draw(self.rng)
        if not delays:
            self.faults.count("delivery_lost")
        if len(delays) > 1:
            self.faults.count("delivery_doubled")
        for delay in delays:
            self._push(self.now() + delay, Message(message_id=message_id, body=body))
        return message_id

    def headers(self, message: Message) -> dict[str, str]:
        """The headers of an attempt made now."""
        timestamp = int(self.now())
        signatures = [
            standard_webhook_signature(
                decode_standard_secret(secret), message.message_id, timestamp, message.body
            )
            for secret in self.secrets
        ]
        return {
            "content-type": "application/json",
            "webhook-id": message.message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(signatures),
        }

    @property
    def waiting(self) -> int:
        """Messages on their way."""
        return len(self._due)

    @property
    def next_at(self) -> Instant | None:
        """When the next one is due."""
        return self._due[0][0] if self._due else None

    async def deliver_due(self) -> int:
        """Post whatever is due now, in due order. Returns how many attempts were made."""
        now, made = self.now(), 0
        while self._due and self._due[0][0] <= now:
            _, _, message = heapq.heappop(self._due)
            made += await self._attempt(message)
        return made

    async def deliver_all(self) -> int:
        """Post everything on its way, due or not, once. Returns how many attempts were made."""
        waiting, self._due, made = sorted(self._due), [], 0
        for _, _, message in waiting:
            made += await self._attempt(message)
        return made

    def pending_requests(self) -> list[tuple[str, bytes, dict[str, str]]]:
        """Take everything on its way as (URL, body, headers of an attempt now), posting nothing."""
        waiting, self._due = sorted(self._due), []
        return [(self.url, message.body, self.headers(message)) for _, _, message in waiting]

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            await self.deliver_due()
            await asyncio.sleep(IDLE_SECONDS)

    async def _attempt(self, message: Message) -> int:
        if self.stopped:
            return 0
        message.attempts += 1
        try:
            response = await self.client.post(
                self.url, content=message.body, headers=self.headers(message)
            )
        except httpx.HTTPError:
            self._retry(message, None)
            return 1
        self.answers.append(response.status_code)
        if response.status_code == GONE:
            self.stopped = True
        elif not response.is_success:
            asked = response.headers.get("retry-after")
            slower = response.status_code in SLOW_DOWN
            self._retry(message, retry_after_seconds(asked, now=self.now()) if slower else None)
        return 1

    def _retry(self, message: Message, asked_seconds: float | None) -> None:
        if message.attempts > len(self.retry_seconds):
            self.faults.count("delivery_given_up")
            return
        planned = self.retry_seconds[message.attempts - 1]
        self._push(self.now() + max(planned, asked_seconds or 0.0), message)

    def _push(self, at: Instant, message: Message) -> None:
        self._count += 1
        heapq.heappush(self._due, (at, self._count, message))
