"""What other tools do: three keepers without a guarantee, or without a market."""

from __future__ import annotations

from abc import ABC, abstractmethod

from typing_extensions import override

from channelsync.domain.allocation import largest_remainder
from channelsync.domain.vocabulary import Instant
from channelsync.simulate.scenarios import CHANNELS
from channelsync.simulate.world import World

__all__ = ["FixedSlices", "Mirror", "PercentOfRemaining", "Pusher"]

_QUOTAS = {name: model.quota for name, model in CHANNELS.items()}


class Pusher(ABC):
    """Recomputes every channel's number at each sale and pushes the ones that changed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stock = world.scenario.stock
        self._believed: dict[str, int] = {}

    @abstractmethod
    def numbers(self, stock: int) -> dict[str, int]:
        """What each channel should show with `stock` units left."""

    def start(self) -> None:
        """Every channel opens with its number."""
        self._believed = self.numbers(self._stock)
        self._world.remote.update(self._believed)

    def order_heard(self, channel: str, sold_at: Instant) -> None:
        """The channel counted its own sale down; the others are pushed."""
        self._stock -= 1
        self._believed[channel] -= 1
        for name, number in self.numbers(max(self._stock, 0)).items():
            if number != self._believed[name]:
                self._believed[name] = number
                self._set(name, number)

    def check(self) -> None:  # noqa: B027 - nothing to check is their whole point
        """These keepers promise nothing."""

    def _set(self, channel: str, number: int) -> None:
        remote = self._world.remote
        self._world.push(channel, lambda: remote.update({channel: number}))


class Mirror(Pusher):
    """Every channel shows the whole stock."""

    @override
    def numbers(self, stock: int) -> dict[str, int]:
        """All of it, everywhere."""
        return dict.fromkeys(CHANNELS, stock)


class PercentOfRemaining(Pusher):
    """Every channel shows its quota of what is left."""

    @override
    def numbers(self, stock: int) -> dict[str, int]:
        """Quota shares of what is left."""
        return largest_remainder(stock, _QUOTAS)


class FixedSlices(Pusher):
    """Every channel gets its quota once and keeps it."""

    @override
    def numbers(self, stock: int) -> dict[str, int]:
        """Quota shares of the opening stock."""
        return largest_remainder(stock, _QUOTAS)

    @override
    def order_heard(self, channel: str, sold_at: Instant) -> None:
        """Nothing is ever moved."""
