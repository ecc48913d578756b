"""Finds the installed connectors by their entry points; one that fails does not stop the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, Final

from channelsync.plugins.registry import Found, Registry
from channelsync.sdk.connector import Connector
from channelsync.sdk.declarations import faults_of_connector

__all__ = ["GROUP", "discover"]

GROUP: Final = "channelsync.connectors"
REASON_CHARACTERS_MAX: Final = 300


def discover(found: Iterable[EntryPoint] | None = None) -> Registry:
    """Every connector of the entry-point group; `found` replaces what is installed.

    It is loaded when it is first asked for. It is broken, with the reason, when it does not import,
    is not a connector, calls itself differently from its entry point, was made for another SDK, or
    when two packages offer the same name (which of them holds the merchant's credentials is not
    ours to guess).
    """
    by_name: dict[str, list[EntryPoint]] = defaultdict(list)
    for point in entry_points(group=GROUP) if found is None else found:
        if point not in by_name[point.name]:
            by_name[point.name].append(point)
    names = tuple(sorted(by_name))

    @cache
    def load(name: str) -> tuple[Connector | None, str]:
        connector, reason = _load(name, by_name[name])
        return (None, reason[:REASON_CHARACTERS_MAX]) if reason else (connector, "")

    packages = {name: origin for name, points in by_name.items() if (origin := _package(points))}
    return Registry(
        Found(names, lambda name: load(name)[0]),
        Found(names, lambda name: load(name)[1] or None),
        MappingProxyType(packages),
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
