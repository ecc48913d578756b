"""Checks what depends on more than one place of the file: names, sums, times.

Works on the plain content and looks only at what has the right type, so that one mistake does not
hide another: the shape tells about the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from channelsync.configuration.document import Document
from channelsync.configuration.problems import KeyPath, Problem, meant, quoted
from channelsync.configuration.references import looks_like_reference
from channelsync.configuration.values import basis_points, percent_text
from channelsync.domain.allocation_rules import WHOLE

__all__ = ["DEFAULT_POOL", "DEFAULT_RULE", "NameCheck", "zone_of"]

DEFAULT_POOL: Final = "main"
DEFAULT_RULE: Final = "default"

PROBLEMS_MAX: Final = 500
NAMES_LISTED_MAX: Final = 10

_BY_CHANNEL: Final = ("quotas", "fixed", "limits", "margins")
_LISTS_OF_CHANNELS: Final = ("priority", "channels")


def zone_of(name: str) -> tzinfo | None:
    """The time zone of that name (IANA), if this machine knows it."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError
        return None
    except KeyError:
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _texts(value: object) -> Iterator[tuple[int, str]]:
    return ((index, one) for index, one in enumerate(_list(value)) if isinstance(one, str))


@dataclass(slots=True)
class NameCheck:
    """Checks one document; collects what is wrong."""

    document: Document
    problems: list[Problem] = field(default_factory=list)

    def run(self) -> None:
        """Check everything."""
        content = _mapping(self.document.plain())
        channels = tuple(_mapping(content.get("channels")))
        locations = tuple(_mapping(content.get("locations")))
        pools = _mapping(content.get("pools"))
        if pools:
            self._check_membership(pools, "locations", "location", locations)
            self._check_membership(pools, "channels", "channel", channels)
        self._check_listings(_mapping(content.get("listings")), channels)
        self._check_timezone(content)
        groups = _groups(pools, channels)
        allocation = _mapping(content.get("allocation"))
        self._check_share(allocation, ("allocation",), channels, groups)
        self._check_rules(allocation, channels, groups, content)
        self._check_scalars()

    def _say(
        self, message: str, path: KeyPath, *, key: bool = False, suggestion: str | None = None
    ) -> None:
        self.problems.append(self.document.problem(message, path, key=key, suggestion=suggestion))

    def _unknown(
        self, kind: str, name: str, known: Iterable[str], path: KeyPath, *, key: bool
    ) -> None:
        if len(self.problems) > PROBLEMS_MAX:
            return
        names = sorted(known)
        listed = ", ".join(names[:NAMES_LISTED_MAX]) + (", …" if names[NAMES_LISTED_MAX:] else "")
        message = f"there is no {kind} {quoted(name)}; " + (
            f"there are {listed}" if names else "there is none"
        )
        self._say(message, path, key=key, suggestion=meant(name, names))

    def _check_membership(
        self, pools: Mapping[str, Any], plural: str, kind: str, declared: tuple[str, ...]
    ) -> None:
        """Every declared name is in exactly one pool, and pools name nothing else."""
        first_pool: dict[str, str] = {}
        for pool, shape in pools.items():
            for index, name in _texts(_mapping(shape).get(plural)):
                path: KeyPath = ("pools", pool, plural, index)
                if name not in declared:
                    self._unknown(kind, name, declared, path, key=False)
                elif name in first_pool:
                    where = (
                        "twice" if first_pool[name] == pool else f"also in pool {first_pool[name]}"
                    )
                    self._say(f"the {kind} {quoted(name)} is here {where}", path)
                else:
                    first_pool[name] = pool
        for name in declared:
            if name not in first_pool:
                message = f"the {kind} is in no pool; add it to one of {', '.join(pools)}"
                self._say(message, (plural, name), key=True)

    def _check_listings(self, listings: Mapping[str, Any], channels: tuple[str, ...]) -> None:
        for channel in listings:
            if channel not in channels:
                self._unknown("channel", channel, channels, ("listings", channel), key=True)

    def _check_timezone(self, content: Mapping[str, Any]) -> None:
        name = content.get("timezone")
        if isinstance(name, str) and not looks_like_reference(name) and zone_of(name) is None:
            message = f"this machine knows no time zone {quoted(name)}"
            self._say(
                message, ("timezone",), suggestion="write a name such as Europe/Berlin or UTC"
            )

    def _check_share(
        self,
        share: Mapping[str, Any],
        path: KeyPath,
        channels: tuple[str, ...],
        groups: Mapping[str, frozenset[str]],
    ) -> None:
        for key in _BY_CHANNEL:
            for name in _mapping(share.get(key)):
                if name not in channels:
                    self._unknown("channel", name, channels, (*path, key, name), key=True)
        for key in _LISTS_OF_CHANNELS:
            seen: set[str] = set()
            for index, name in _texts(share.get(key)):
                if name not in channels:
                    self._unknown("channel", name, channels, (*path, key, index), key=False)
                elif name in seen:
                    self._say(f"the channel {quoted(name)} is here twice", (*path, key, index))
                seen.add(name)
        self._check_sums(_mapping(share.get("quotas")), (*path, "quotas"), groups)

    def _check_sums(
        self, quotas: Mapping[str, Any], path: KeyPath, groups: Mapping[str, frozenset[str]]
    ) -> None:
        points = {name: found for name, share in quotas.items() if (found := _points(share))}
        for pool, channels in groups.items():
            total = sum(share for name, share in points.items() if name in channels)
            if total > WHOLE:
                where = f" in pool {pool}" if len(groups) > 1 else ""
                message = f"the quotas add up to {percent_text(total)}{where}; 100% is all there is"
                self._say(message, path, key=True)

    def _check_rules(
        self,
        allocation: Mapping[str, Any],
        channels: tuple[str, ...],
        groups: Mapping[str, frozenset[str]],
        content: Mapping[str, Any],
    ) -> None:
        self._check_strategy(allocation, allocation, ("allocation",))
        rules = [_mapping(rule) for rule in _list(allocation.get("rules"))]
        names = Counter(rule["name"] for rule in rules if isinstance(rule.get("name"), str))
        names[DEFAULT_RULE] += 1
        zone = zone_of(str(content.get("timezone", "UTC")))
        for index, rule in enumerate(rules):
            path: KeyPath = ("allocation", "rules", index)
            name = rule.get("name")
            if isinstance(name, str) and names[name] > 1:
                taken = (
                    "is taken by the default rule"
                    if name == DEFAULT_RULE
                    else "is not the only one"
                )
                self._say(f"the rule name {quoted(name)} {taken}", (*path, "name"))
            self._check_share(rule, path, channels, groups)
            self._check_strategy(rule, allocation, path)
            self._check_window(_mapping(rule.get("window")), (*path, "window"), zone)

    def _check_strategy(
        self, share: Mapping[str, Any], default: Mapping[str, Any], path: KeyPath
    ) -> None:
        """What a strategy cannot do without: `fixed` its quantities, `priority` its order."""
        strategy = share.get("strategy")
        if strategy in {"fixed", "priority"} and not (share.get(strategy) or default.get(strategy)):
            message = f"the strategy {strategy} needs the key {quoted(strategy)} beside it"
            self._say(message, (*path, "strategy"))

    def _check_window(self, window: Mapping[str, Any], path: KeyPath, zone: tzinfo | None) -> None:
        start, end = _instant(window.get("from"), zone), _instant(window.get("to"), zone)
        if start is not None and end is not None and end <= start:
            self._say("the window ends before it begins", (*path, "to"))

    def _check_scalars(self) -> None:
        for path, node in self.document.scalars():
            if path[:1] == ("channels",) and path[2:3] == ("settings",) and len(path) > 3:  # noqa: PLR2004 - below settings, which are checked apart
                continue
            if node.value is None:
                suggestion = "give a value or remove the key"
                self._say("nothing is given here", path, key=True, suggestion=suggestion)
            if path[:2] == ("notifications", "targets"):
                continue  # checked apart as well
            if isinstance(node.value, str) and looks_like_reference(node.value):
                message = (
                    "references are read in the settings of channels and in the targets of"
                    " notifications only"
                )
                self._say(message, path)


def _groups(pools: Mapping[str, Any], channels: tuple[str, ...]) -> Mapping[str, frozenset[str]]:
    if not pools:
        return {DEFAULT_POOL: frozenset(channels)}
    return {
        pool: frozenset(name for _, name in _texts(_mapping(shape).get("channels")))
        for pool, shape in pools.items()
    }


def _points(share: object) -> int:
    """Basis points; 0 for what is no percentage (the shape tells about it)."""
    try:
        return basis_points(share)
    except ValueError:
        return 0


def _instant(value: object, zone: tzinfo | None) -> float | None:
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        if time is None:
            return None
        return (time if time.tzinfo else time.replace(tzinfo=zone)).timestamp()
    except (OverflowError, ValueError):
        return None
