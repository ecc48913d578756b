"""Webhooks of a simulated marketplace: at least once, unordered, retried, in the end given up."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, Generic, TypeVar

import httpx

from channelsync.sdk.testing.faults import FaultPlan
from channelsync.sdk.types import Instant

__all__ = ["Outbox", "Parcel"]

IDLE_SECONDS: Final = 0.05


@dataclass(slots=True, kw_only=True)
class Parcel:
    """One event on its way to one subscriber, with every copy and retry of it."""

    failures: int = 0


ParcelT = TypeVar("ParcelT", bound=Parcel)


@dataclass(order=True, slots=True)
class _Due(Generic[ParcelT]):
    at: Instant
    number: int
    parcel: ParcelT = field(compare=False)


class Outbox(ABC, Generic[ParcelT]):
    """Everything that waits to be delivered, in the order in which it falls due.

    `pauses` come between the tries of a delivery, in seconds; after the last one it is given up.
    """

    def __init__(
        self,
        *,
        now: Callable[[], Instant],
        faults: FaultPlan,
        rng: Random,
        pauses: Sequence[float],
        answer_seconds: float,
    ) -> None:
        self.client: httpx.AsyncClient | None = None
        """Whoever drives the simulator lends it; without one everything waits."""
        self.delivered = 0
        self.pauses = tuple(pauses)
        self._now = now
        self._faults = faults
        self._rng = rng
        self._answer_seconds = answer_seconds
        self._numbers = itertools.count()
        self._due: list[_Due[ParcelT]] = []

    @abstractmethod
    def address_of(self, parcel: ParcelT) -> str:
        """The URL that it goes to."""

    @abstractmethod
    def request_of(self, parcel: ParcelT) -> tuple[bytes, dict[str, str]]:
        """Body and headers of a delivery that leaves now, as the marketplace would send them."""

    @abstractmethod
    def give_up(self, parcel: ParcelT) -> None:
        """What the marketplace does after the last try failed."""

    @property
    def waiting(self) -> int:
        """Copies that are still to leave."""
        return len(self._due)

    def send(self, parcel: ParcelT) -> None:
        """Put it on its way as the fault plan wants it: once, twice, late or never."""
        delays = self._faults.deliveries.draw(self._rng)
        if len(delays) != 1:
            self._faults.count("delivery_doubled" if delays else "delivery_lost")
        for delay in delays:
            self._put(parcel, self._now() + delay)

    async def drain(self) -> int:
        """Deliver everything that waits, retries included, in the order that it falls due.

        Returns how many copies were accepted. Time does not pass: pauses only order.
        """
        accepted = 0
        while self._due:
            accepted += await self._attempt(heapq.heappop(self._due))
        return accepted

    async def deliver_due(self) -> None:
        """Deliver what is due by the simulator's own clock."""
        while self._due and self._due[0].at <= self._now():
            await self._attempt(heapq.heappop(self._due))

    async def run(self) -> None:
        """Deliver as things fall due, for ever."""
        while True:
            now = self._now()
            if self._due and self._due[0].at <= now and self.client is not None:
                await self._attempt(heapq.heappop(self._due))
            else:
                wait = self._due[0].at - now if self._due else IDLE_SECONDS
                await asyncio.sleep(min(max(wait, 0.0), IDLE_SECONDS))

    def pending_requests(self) -> list[tuple[str, bytes, dict[str, str]]]:
        """Take everything that waits, in order, as (URL, body, headers), instead of posting it."""
        taken = []
        while self._due:
            parcel = heapq.heappop(self._due).parcel
            taken.append((self.address_of(parcel), *self.request_of(parcel)))
        return taken

    def _put(self, parcel: ParcelT, at: Instant) -> None:
        heapq.heappush(self._due, _Due(at, next(self._numbers), parcel))

    async def _attempt(self, due: _Due[ParcelT]) -> int:
        parcel = due.parcel
        if await self._post(parcel):
            self.delivered += 1
            return 1
        if parcel.failures >= len(self.pauses):
            self.give_up(parcel)
            return 0
        self._put(parcel, due.at + self.pauses[parcel.failures])
        parcel.failures += 1
        return 0

    async def _post(self, parcel: ParcelT) -> bool:
        if self.client is None:
            return False
        body, headers = self.request_of(parcel)
        try:
            response = await self.client.post(
                self.address_of(parcel), content=body, headers=headers, timeout=self._answer_seconds
            )
        except httpx.RequestError:
            return False
        return response.is_success
