"""The connectors that can be used, and why the others cannot."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeVar

from typing_extensions import override

from channelsync.sdk.connector import Connector, Manifest
from channelsync.sdk.declarations import faults_of_connector

__all__ = ["Found", "Registry", "UnknownConnector"]

T = TypeVar("T")


class UnknownConnector(LookupError):
    """No usable connector has this name; the message says what there is, or why not."""


class Found(Mapping[str, T]):
    """Those of some names of which there is something. Each is looked for when it is asked for.

    So a program that uses one connector loads one; whoever wants to see all of them loads all.
    """

    def __init__(self, names: Collection[str], find: Callable[[str], T | None]) -> None:
        self._names = names
        self._find = find

    @override
    def __getitem__(self, name: str) -> T:
        found = self._find(name) if name in self._names else None
        if found is None:
            raise KeyError(name)
        return found

    @override
    def __iter__(self) -> Iterator[str]:
        return (name for name in self._names if self._find(name) is not None)

    @override
    def __len__(self) -> int:
        return sum(1 for _ in self)


def _none() -> Mapping[str, str]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Registry:
    """Connectors by name. Never changes; `with_connector` makes another one."""

    connectors: Mapping[str, Connector] = field(default_factory=lambda: MappingProxyType({}))
    broken: Mapping[str, str] = field(default_factory=_none)
    """Connectors that are installed and cannot be used, with the reason."""
    packages: Mapping[str, str] = field(default_factory=_none)
    """The package that offers each of them, with its version, where one does."""

    @property
    def manifests(self) -> Mapping[str, Manifest]:
        """What every usable connector declares."""
        return Found(self.connectors, lambda name: self.connectors[name].manifest)

    def get(self, name: str) -> Connector:
        """The connector of that name.

        Raises:
            UnknownConnector: there is none, or it is broken.
        """
        if name in self.connectors:
            return self.connectors[name]
        if name in self.broken:
            raise UnknownConnector(f"the connector {name} is broken: {self.broken[name]}")
        known = ", ".join(sorted(self.connectors)) or "none"
        raise UnknownConnector(f"there is no connector {name}; installed: {known}")

    def with_connector(self, connector: Connector) -> Registry:
        """This registry and one more connector, under the name that its manifest gives.

        Raises:
            ValueError: the connector cannot be used, or its name is taken.
        """
        if reason := faults_of_connector(connector):
            raise ValueError(f"the connector cannot be used: {reason}")
        name = connector.manifest.name
        if name in self.connectors:
            raise ValueError(f"there is a connector {name} already")
        broken = {key: reason for key, reason in self.broken.items() if key != name}
        return Registry(
            MappingProxyType({**self.connectors, name: connector}),
            MappingProxyType(broken),
            self.packages,
        )
