"""The world that a connector is tried in: a simulated marketplace, in words that all of them have.

A connector's test file subclasses `World` once. What a marketplace cannot do is exempted with the
reason, in `exempt`; the clauses that need it are then skipped by name, with that reason. What is
neither written nor exempted fails: nothing is left out in silence.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Never

import httpx
from pydantic import BaseModel

from channelsync.sdk.connector import Connector
from channelsync.sdk.testing.contract.breaking import ContractBroken, DoesNotApply
from channelsync.sdk.testing.faults import FaultPlan
from channelsync.sdk.types import Instant, ListingRef, WebhookRequest

__all__ = ["HOOK_URL", "START", "Clock", "World"]

START: Final[Instant] = 1_795_600_000.0
HOOK_URL: Final = "https://sync.example.com/webhooks/shop"


class Clock:
    """Time that stands still until it is told to pass. Simulator, connector and suite share it."""

    def __init__(self, at: Instant = START) -> None:
        self.at = at

    def __call__(self) -> Instant:
        """What time it is."""
        return self.at

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        self.at += seconds

    async def sleep(self, seconds: float) -> None:
        """Waiting is time passing; stands in for `asyncio.sleep` in a connector under test."""
        self.passes(seconds)


class World(ABC):
    """One simulated marketplace and the connector that is to speak to it.

    Made anew for every clause. Orders are named by the ids that the connector's facts bear.
    """

    exempt: ClassVar[Mapping[str, str]] = {}
    """What this marketplace cannot do: the operation's name, and why."""
    allowed_hosts: tuple[str, ...] = ()
    """Where the simulator answers, unless that is among the manifest's own hosts."""
    canaries: tuple[str, ...] = ()
    """The personal values that the simulator plants in everything it tells."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.faults = FaultPlan()
        """To be handed to the simulator, which obeys it."""

    # ------------------------------------------------------------ what every world has

    @property
    @abstractmethod
    def connector(self) -> Connector:
        """The connector under test; its pauses, if it makes any, are `clock.sleep`."""

    @property
    @abstractmethod
    def settings(self) -> BaseModel:
        """Settings that are right for the simulator."""

    @abstractmethod
    def transport(self) -> httpx.AsyncBaseTransport:
        """The way to the simulator; a lost answer is an exception of httpx or a 504."""

    @abstractmethod
    async def stock(self, sku: str, units: int) -> None:
        """Offer a new thing, with so many units."""

    @abstractmethod
    def listing(self, sku: str) -> ListingRef:
        """The offer as the engine would name it, once it was stocked."""

    @abstractmethod
    async def buy(self, sku: str, units: int = 1) -> str | None:
        """A shopper buys. The order's id, or None: the marketplace refuses."""

    # ------------------------------------------------------------ what most worlds have

    async def shown(self, sku: str) -> int:
        """The true number on the marketplace's counter (a till: the number it was told)."""
        self._lacks("shown")

    async def cancel(self, order: str) -> None:
        """Everything that was not shipped is called off (a till: the sale is voided)."""
        self._lacks("cancel")

    async def ship(self, order: str) -> None:
        """Everything leaves the house."""
        self._lacks("ship")

    async def edit(self, sku: str, delta: int) -> None:
        """A member of staff changes the counter by hand."""
        self._lacks("edit")

    async def remove(self, sku: str) -> None:
        """The offer is deleted."""
        self._lacks("remove")

    async def twin(self, sku: str) -> None:
        """Another offer with the same SKU appears."""
        self._lacks("twin")

    async def stop_enforcing(self, sku: str) -> None:
        """The merchant lets the marketplace sell this beyond its number."""
        self._lacks("stop_enforcing")

    async def expire_token(self) -> None:
        """The access token ends before its time; another can be had."""
        self._lacks("expire_token")

    async def revoke_access(self) -> None:
        """The credentials are refused from now on."""
        self._lacks("revoke_access")

    async def hide_orders(self, seconds: float) -> None:
        """Orders placed from now on show in polls only so long after they were placed."""
        self._lacks("hide_orders")

    async def later(self, seconds: float) -> None:
        """Time passes, and whatever the marketplace does in that time is done."""
        self.clock.passes(seconds)

    # ------------------------------------------------------------ webhooks

    async def deliveries(self) -> Sequence[WebhookRequest]:
        """Take everything that waits to be delivered, as a receiver at `HOOK_URL` sees it now."""
        self._lacks("deliveries")

    def signed(self, body: bytes) -> WebhookRequest:
        """Any bytes, delivered with a genuine signature."""
        self._lacks("signed")

    signature_headers: tuple[str, ...] = ()
    """The headers that prove a webhook, in lower case: none of them may change or be missing."""
    signs_url: bool = False
    """Whether the signature covers the URL."""

    async def lose_subscriptions(self) -> int:
        """The marketplace forgets some of our subscriptions. Returns how many, at least one."""
        self._lacks("lose_subscriptions")

    # ------------------------------------------------------------ tills

    def rows(self) -> Sequence[Mapping[str, Any]]:
        """Every event so far, as the objects of a batch that the till posts."""
        self._lacks("rows")

    def batch(self, body: bytes) -> WebhookRequest:
        """A batch that the till posts, with its credentials."""
        self._lacks("batch")

    # ------------------------------------------------------------ inner works

    def offers(self, operation: str) -> bool:
        """Whether this world can do that.

        Raises:
            ContractBroken: nothing is said of it.
        """
        if operation in self.exempt:
            return False
        if getattr(type(self), operation) is getattr(World, operation):
            raise ContractBroken(
                f"{type(self).__name__}.{operation} is not written: write it, or say in `exempt`"
                " why this marketplace cannot do it"
            )
        return True

    def _lacks(self, operation: str) -> Never:
        self.offers(operation)
        raise DoesNotApply(self.exempt.get(operation, f"{operation} is exempt"))
