"""Who may use which route: the one table.

A route that is not listed keeps the program from starting, and what no route answers is refused to
whoever proves nothing.

A line is a method, a path as the router knows it, and what is asked for: a permission, or one of
`OPEN` (anybody: the request proves itself, or tells nothing) and `SELF` (whoever is known).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from starlette.routing import Mount, compile_path

from channelsync.domain.permissions import Permission

__all__ = [
    "OPEN",
    "ROUTES",
    "SELF",
    "TABLE",
    "Asked",
    "Table",
    "UnlistedRoute",
    "require_listed",
    "routes_of",
]


@dataclass(frozen=True, slots=True)
class _Anybody:
    """No permission of anybody's."""

    name: str


OPEN: Final = _Anybody("open")
SELF: Final = _Anybody("self")
Asked: TypeAlias = Permission | _Anybody


class UnlistedRoute(Exception):
    """A route without a line in the table, or a line without a route; the message names them."""


READ: Final = Permission.READ
HOLDS: Final = Permission.HOLDS_WRITE
STOCK: Final = Permission.STOCK_WRITE
CHANNELS: Final = Permission.CHANNELS_OPERATE
LETTERS: Final = Permission.DEAD_LETTERS_WRITE
ENDPOINTS: Final = Permission.ENDPOINTS_WRITE
CONFIGURATION: Final = Permission.CONFIGURATION_WRITE
USERS: Final = Permission.USERS_WRITE
KEYS: Final = Permission.KEYS_WRITE

TABLE: Final[Mapping[tuple[str, str], Asked]] = {
    # Receivers: marketplaces and tills call them, each request proves itself.
    ("POST", "/webhooks/{channel}"): OPEN,
    ("POST", "/pos/v1/{channel}/sales"): OPEN,
    ("GET", "/pos/v1/{channel}/stock"): OPEN,
    # Probes; they say nothing but ready or not.
    ("GET", "/livez"): OPEN,
    ("GET", "/readyz"): OPEN,
    ("GET", "/metrics"): Permission.METRICS_READ,
    # Signing in.
    ("GET", "/login"): OPEN,
    ("POST", "/login"): OPEN,
    ("GET", "/login/code"): OPEN,
    ("POST", "/login/code"): OPEN,
    ("GET", "/login/second-factor"): OPEN,
    ("POST", "/login/second-factor"): OPEN,
    ("GET", "/setup"): OPEN,
    ("POST", "/setup"): OPEN,
    ("POST", "/logout"): SELF,
    ("GET", "/static"): OPEN,
    # Pages.
    ("GET", "/"): READ,
    ("GET", "/events"): READ,
    ("POST", "/actions/{button}"): Permission.CONFIGURATION_WRITE,
    # The desk: pages on which people change things.
    ("GET", "/repairs"): READ,
    ("POST", "/repairs/{number}/acknowledge"): CHANNELS,
    # And whatever the act asks for that was proposed: `channelsync.web.approvals`.
    ("GET", "/proposals"): READ,
    ("POST", "/proposals/{number}/approve"): READ,
    ("POST", "/proposals/{number}/refuse"): READ,
    ("GET", "/dead-letters"): READ,
    ("POST", "/dead-letters/{number}/replay"): LETTERS,
    ("POST", "/dead-letters/{number}/drop"): LETTERS,
    ("GET", "/change/channels"): CHANNELS,
    ("GET", "/change/channels/{channel}"): CHANNELS,
    ("POST", "/change/channels/{channel}/pause"): CHANNELS,
    ("POST", "/change/channels/{channel}/resume"): CHANNELS,
    ("POST", "/change/channels/{channel}/look-again"): CHANNELS,
    ("POST", "/change/channels/{channel}/forget"): CONFIGURATION,
    ("GET", "/quotas"): CONFIGURATION,
    ("POST", "/quotas/preview"): CONFIGURATION,
    ("POST", "/quotas/apply"): CONFIGURATION,
    ("POST", "/quotas/download"): CONFIGURATION,
    ("GET", "/change/stock"): STOCK,
    ("POST", "/change/stock/count"): STOCK,
    ("POST", "/change/stock/adjust"): STOCK,
    ("POST", "/change/stock/safety-stock"): STOCK,
    ("GET", "/change/items"): STOCK,
    ("POST", "/change/items"): STOCK,
    ("GET", "/change/transfers"): STOCK,
    ("POST", "/change/transfers"): STOCK,
    ("GET", "/change/transfers/{number}"): READ,
    ("POST", "/change/transfers/{number}/ship"): STOCK,
    ("POST", "/change/transfers/{number}/cancel"): STOCK,
    ("POST", "/change/transfers/{number}/receive"): STOCK,
    ("GET", "/change/holds/{hold_id}"): READ,
    ("POST", "/change/holds/{hold_id}/extend"): HOLDS,
    ("POST", "/change/holds/{hold_id}/release"): HOLDS,
    ("GET", "/users"): USERS,
    ("POST", "/users"): USERS,
    ("GET", "/users.csv"): USERS,
    ("GET", "/users/{name}"): USERS,
    ("POST", "/users/{name}"): USERS,
    ("POST", "/users/{name}/password"): USERS,
    ("POST", "/users/{name}/sessions"): USERS,
    ("POST", "/users/{name}/second-factor"): USERS,
    ("POST", "/users/{name}/remove"): USERS,
    ("GET", "/account"): SELF,
    ("POST", "/account/password"): SELF,
    ("GET", "/account/second-factor"): SELF,
    ("POST", "/account/second-factor/prepare"): SELF,
    ("POST", "/account/second-factor/confirm"): SELF,
    ("POST", "/account/second-factor/codes"): SELF,
    ("POST", "/account/second-factor/off"): SELF,
    ("GET", "/keys"): KEYS,
    ("POST", "/keys"): KEYS,
    ("GET", "/keys.csv"): KEYS,
    ("POST", "/keys/{key_id}/revoke"): KEYS,
    ("GET", "/endpoints"): ENDPOINTS,
    ("POST", "/endpoints"): ENDPOINTS,
    ("GET", "/endpoints.csv"): ENDPOINTS,
    ("GET", "/endpoints/{endpoint_id}"): ENDPOINTS,
    ("POST", "/endpoints/{endpoint_id}/rotate"): ENDPOINTS,
    ("POST", "/endpoints/{endpoint_id}/enable"): ENDPOINTS,
    ("POST", "/endpoints/{endpoint_id}/test"): ENDPOINTS,
    ("POST", "/endpoints/{endpoint_id}/remove"): ENDPOINTS,
    ("GET", "/notifications"): CONFIGURATION,
    ("POST", "/notifications/test"): CONFIGURATION,
    # Pages that one reads, and their rows as files.
    ("GET", "/items"): READ,
    ("GET", "/items.csv"): READ,
    ("GET", "/stock"): READ,
    ("GET", "/stock.csv"): READ,
    ("GET", "/locations"): READ,
    ("GET", "/locations.csv"): READ,
    ("GET", "/movements"): READ,
    ("GET", "/movements.csv"): READ,
    ("GET", "/listings"): READ,
    ("GET", "/listings.csv"): READ,
    ("GET", "/pushes"): READ,
    ("GET", "/pushes.csv"): READ,
    ("GET", "/orders"): READ,
    ("GET", "/orders.csv"): READ,
    ("GET", "/holds"): READ,
    ("GET", "/holds.csv"): READ,
    ("GET", "/shortfalls"): READ,
    ("GET", "/shortfalls.csv"): READ,
    ("GET", "/drift"): READ,
    ("GET", "/drift.csv"): READ,
    ("GET", "/alarms"): READ,
    ("GET", "/alarms.csv"): READ,
    ("GET", "/assumptions"): READ,
    ("GET", "/assumptions.csv"): READ,
    ("GET", "/transfers"): READ,
    ("GET", "/transfers.csv"): READ,
    ("GET", "/audit"): Permission.AUDIT_READ,
    ("GET", "/audit.csv"): Permission.AUDIT_READ,
    ("GET", "/audit/check"): Permission.AUDIT_READ,
    ("GET", "/items/{sku:path}"): READ,
    ("GET", "/channels"): READ,
    ("GET", "/channels.csv"): READ,
    ("GET", "/channels/{channel}"): READ,
    ("GET", "/pushes/{push}"): READ,
    ("GET", "/figures"): READ,
    ("GET", "/figures/days"): READ,
    ("GET", "/figures/days.csv"): READ,
    # The API.
    ("GET", "/api/v1/openapi.json"): READ,
    ("GET", "/api/v1/me"): SELF,
    ("GET", "/api/v1/items"): READ,
    ("POST", "/api/v1/items"): STOCK,
    ("GET", "/api/v1/items/{sku:path}"): READ,
    ("PATCH", "/api/v1/items/{sku:path}"): STOCK,
    ("GET", "/api/v1/locations"): READ,
    ("GET", "/api/v1/stock"): READ,
    ("GET", "/api/v1/stock/{location}/{sku:path}"): READ,
    ("POST", "/api/v1/stock/counts"): STOCK,
    ("POST", "/api/v1/stock/adjustments"): STOCK,
    ("POST", "/api/v1/stock/safety-stock"): STOCK,
    ("POST", "/api/v1/stock/on-order"): STOCK,
    ("GET", "/api/v1/transfers"): READ,
    ("POST", "/api/v1/transfers"): STOCK,
    ("GET", "/api/v1/transfers/{transfer_id}"): READ,
    ("POST", "/api/v1/transfers/{transfer_id}/ship"): STOCK,
    ("POST", "/api/v1/transfers/{transfer_id}/cancel"): STOCK,
    ("POST", "/api/v1/transfers/{transfer_id}/receive"): STOCK,
    ("GET", "/api/v1/channels"): READ,
    ("GET", "/api/v1/channels/{channel}"): READ,
    ("POST", "/api/v1/channels/{channel}/pause"): CHANNELS,
    ("POST", "/api/v1/channels/{channel}/resume"): CHANNELS,
    ("POST", "/api/v1/channels/{channel}/look-again"): CHANNELS,
    ("GET", "/api/v1/listings"): READ,
    ("GET", "/api/v1/dead-letters"): READ,
    ("POST", "/api/v1/dead-letters/{number}/replay"): LETTERS,
    ("POST", "/api/v1/dead-letters/{number}/drop"): LETTERS,
    ("GET", "/api/v1/orders"): READ,
    ("GET", "/api/v1/shortfalls"): READ,
    ("GET", "/api/v1/movements"): READ,
    ("GET", "/api/v1/audit"): Permission.AUDIT_READ,
    ("GET", "/api/v1/alarms"): READ,
    ("POST", "/api/v1/alarms/{number}/acknowledge"): CHANNELS,
    ("GET", "/api/v1/repairs"): READ,
    ("GET", "/api/v1/proposals"): READ,
    ("GET", "/api/v1/drift"): READ,
    ("GET", "/api/v1/assumptions"): READ,
    ("GET", "/api/v1/allocations/{sku:path}"): READ,
    ("POST", "/api/v1/plan"): Permission.CONFIGURATION_WRITE,
    ("GET", "/api/v1/metrics"): READ,
    ("GET", "/api/v1/events"): READ,
    ("GET", "/api/v1/endpoints"): ENDPOINTS,
    ("POST", "/api/v1/endpoints"): ENDPOINTS,
    ("GET", "/api/v1/endpoints/{endpoint_id}/deliveries"): ENDPOINTS,
    ("POST", "/api/v1/endpoints/{endpoint_id}/rotate"): ENDPOINTS,
    ("POST", "/api/v1/endpoints/{endpoint_id}/enable"): ENDPOINTS,
    ("POST", "/api/v1/endpoints/{endpoint_id}/test"): ENDPOINTS,
    ("DELETE", "/api/v1/endpoints/{endpoint_id}"): ENDPOINTS,
    ("GET", "/api/v1/notifications"): Permission.CONFIGURATION_WRITE,
    ("POST", "/api/v1/notifications/test"): Permission.CONFIGURATION_WRITE,
    ("GET", "/api/v1/users"): USERS,
    ("POST", "/api/v1/users"): USERS,
    ("PATCH", "/api/v1/users/{name}"): USERS,
    ("DELETE", "/api/v1/users/{name}"): USERS,
    ("GET", "/api/v1/keys"): KEYS,
    ("POST", "/api/v1/keys"): KEYS,
    ("DELETE", "/api/v1/keys/{key_id}"): KEYS,
    ("GET", "/api/v1/holds"): READ,
    ("POST", "/api/v1/holds"): HOLDS,
    ("GET", "/api/v1/holds/{hold_id}"): HOLDS,
    ("POST", "/api/v1/holds/{hold_id}/extend"): HOLDS,
    ("POST", "/api/v1/holds/{hold_id}/confirm"): HOLDS,
    ("POST", "/api/v1/holds/{hold_id}/release"): HOLDS,
    ("POST", "/api/v1/holds/{hold_id}/ship"): HOLDS,
}
"""Every route of the program."""


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    method: str
    route: str
    path: re.Pattern[str]
    parts: int | None
    """How many parts every such path has; None: any number."""
    asked: Asked


class Table:
    """The table, compiled."""

    def __init__(self, lines: Mapping[tuple[str, str], Asked] = TABLE) -> None:
        self._lines: dict[str, list[_Line]] = {}
        """By what every path of them begins with: a request is held against a few lines only."""
        for number, ((method, path), asked) in enumerate(lines.items()):
            line = _Line(number, method, path, _pattern(path), _parts(path), asked)
            self._lines.setdefault(_beginning(path), []).append(line)

    def asked(self, method: str, path: str) -> Asked:
        """What a request must bring. Where no route answers it: that somebody is known at all.

        An open path answers anybody that there is no such method.
        """
        wanted = "GET" if method == "HEAD" else method
        found = self._found(path)
        for line in found:
            if line.method == wanted:
                return line.asked
        return OPEN if any(line.asked is OPEN for line in found) else SELF

    def route(self, method: str, path: str) -> str | None:
        """The line's own way of writing a path that was asked for."""
        found = (line for line in self._found(path) if line.method == method)
        return next((line.route for line in found), None)

    def methods(self, path: str) -> tuple[str, ...]:
        """What may be done at a path, sorted."""
        return tuple(sorted({line.method for line in self._found(path)}))

    def _found(self, path: str) -> list[_Line]:
        """In the order of the table."""
        parts = path.rstrip("\n").split("/")
        found = []
        for count in range(1, len(parts) + 1):
            for line in self._lines.get("/".join(parts[:count]), ()):
                fits = line.parts is None or line.parts == len(parts)
                if fits and line.path.match(path):
                    found.append(line)
        return sorted(found, key=_number)


def _beginning(path: str) -> str:
    """The whole parts of a path before the first that may be anything."""
    return path.partition("/{")[0]


def _number(line: _Line) -> int:
    return line.number


def _parts(path: str) -> int | None:
    return None if ":path}" in path or path == "/static" else len(path.split("/"))


def _pattern(path: str) -> re.Pattern[str]:
    if path == "/static":
        return re.compile(r"^/static(/.*)?$")
    return compile_path(path)[0]


ROUTES: Final = Table()


def routes_of(routes: Sequence[object]) -> Iterator[tuple[str, str]]:
    """Method and path of every route, as the table lists them; a mounted folder is read."""
    for one in routes:
        route: Any = one
        if isinstance(one, Mount):
            yield "GET", one.path
        elif hasattr(route, "original_router"):  # a router that FastAPI has included
            yield from routes_of(route.original_router.routes)
        else:
            for method in sorted((route.methods or {"GET"}) - {"HEAD"}):
                yield method, route.path


def require_listed(routes: Sequence[object], lines: Mapping[tuple[str, str], Asked]) -> None:
    """Refuse to start with a route that nobody thought about.

    Raises:
        UnlistedRoute: a route is not in the table.
    """
    unlisted = sorted(set(routes_of(routes)) - set(lines))
    if unlisted:
        named = ", ".join(f"{method} {path}" for method, path in unlisted)
        raise UnlistedRoute(f"say in channelsync.web.access who may use {named}")
