"""Finds the installed connectors by their entry points; one that fails does not stop the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, Final

from channelsync.plugins.registry import Registry
from channelsync.sdk.connector import Connector
from channelsync.sdk.declarations import faults_of_connector

__all__ = ["GROUP", "discover"]

GROUP: Final = "channelsync.connectors"
REASON_CHARACTERS_MAX: Final = 300


def discover(found: Iterable[EntryPoint] | None = None) -> Registry:
    """Load every connector of the entry-point group; `found` replaces what is installed.

    A connector is broken, with the reason, when it does not import, is not a connector, calls
    itself differently from its entry point, was made for another SDK, or when two packages offer
    the same name (which of them holds the merchant's credentials is not ours to guess).
    """
    by_name: dict[str, list[EntryPoint]] = defaultdict(list)
    for point in entry_points(group=GROUP) if found is None else found:
        if point not in by_name[point.name]:
            by_name[point.name].append(point)
    connectors: dict[str, Connector] = {}
    broken: dict[str, str] = {}
    for name, points in sorted(by_name.items()):
        connector, reason = _load(name, points)
        if reason:
            broken[name] = reason[:REASON_CHARACTERS_MAX]
        else:
            connectors[name] = connector
    packages = {name: origin for name, points in by_name.items() if (origin := _package(points))}
    return Registry(
        MappingProxyType(connectors), MappingProxyType(broken), MappingProxyType(packages)
    )


def _package(points: Sequence[EntryPoint]) -> str:
    """The one package that offers a connector, with its version."""
    found = {f"{point.dist.name} {point.dist.version}" for point in points if point.dist}
    return found.pop() if len(found) == 1 else ""


def _load(name: str, points: Sequence[EntryPoint]) -> tuple[Any, str]:
    """The connector, or the reason why it cannot be used."""
    if len(points) > 1:
        offers = ", ".join(sorted(_origin(point) for point in points))
        return None, f"more than one package offers it: {offers}; uninstall all but one"
    try:
        connector = points[0].load()
        reason = faults_of_connector(connector)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plug-in may fail in any way
        return None, f"{points[0].value} does not load: {type(error).__name__}: {error}"
    if not reason and connector.manifest.name != name:
        reason = f"it calls itself {connector.manifest.name!r}, its entry point {name!r}"
    return connector, reason


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} ({point.value})" if point.dist else point.value
