"""Connectors broken on purpose, each in one place: what the contract must catch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from typing_extensions import override

from channelsync.sdk.connector import ChannelContext, Connector, Manifest
from channelsync.sdk.testing.contract import Clock, ConnectorContract, World

__all__ = ["Method", "broken_suite"]

Method = Callable[..., Any]
"""Replaces a channel's method; takes the sound channel and the world before the arguments."""


class _BrokenConnector:
    """Opens a sound channel and replaces some of its methods."""

    def __init__(
        self, sound: Connector, world: World, methods: Mapping[str, Method], declared: Any
    ) -> None:
        self._sound = sound
        self._world = world
        self._methods = methods
        self.manifest: Manifest = replace(sound.manifest, **declared)

    async def open(self, context: ChannelContext) -> Any:
        channel = await self._sound.open(context)
        if "open" in self._methods:
            await self._methods["open"](channel, self._world, context)
        names = [name for name in dir(type(channel)) if not name.startswith("_")]
        sound = {name: _passing(getattr(channel, name)) for name in names}
        broken = {
            name: _replacing(method, channel, self._world)
            for name, method in self._methods.items()
            if name != "open"
        }
        return type("BrokenChannel", (), {**sound, **broken})()


def _passing(inner: Any) -> Any:
    return lambda _self, *given, **named: inner(*given, **named)


def _replacing(method: Method, channel: Any, world: World) -> Any:
    return lambda _self, *given, **named: method(channel, world, *given, **named)


def broken_suite(
    world_type: type[World], methods: Mapping[str, Method], declared: Mapping[str, Any]
) -> ConnectorContract:
    """The contract over a world whose connector has these methods instead of its own."""

    class BrokenWorld(world_type):  # type: ignore[misc, valid-type]
        def __init__(self, clock: Clock) -> None:
            super().__init__(clock)
            self.memory: dict[Any, Any] = {}
            self._broken: Any = None

        @property
        @override
        def connector(self) -> Any:
            if self._broken is None:
                sound = super().connector
                # A connector's package, where its quality.yaml lies, is that of its type.
                attributes = {"__module__": type(sound).__module__}
                made = type("BrokenConnector", (_BrokenConnector,), attributes)
                self._broken = made(sound, self, methods, declared)
            return self._broken

    class Suite(ConnectorContract):
        @override
        def world(self, clock: Clock) -> World:
            return BrokenWorld(clock)

    return Suite()
