"""Who may do what: roles, the permissions they carry, and how far they reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["EVERYWHERE", "UNBOUNDED", "Permission", "Principal", "Reach", "Role", "permissions_of"]


class Permission(StrEnum):
    """One thing that may be done. API keys carry them as scopes."""

    READ = "read"
    """See stock, listings, orders, channels and what became of them."""
    METRICS_READ = "metrics:read"
    """See `/metrics`."""
    HOLDS_WRITE = "holds:write"
    """Hold units for carts; extend, confirm, release and ship holds."""
    STOCK_WRITE = "stock:write"
    """Count, correct and move stock; add and rename items."""
    CHANNELS_OPERATE = "channels:operate"
    """Pause and resume channels, have them looked at, acknowledge alarms."""
    DEAD_LETTERS_WRITE = "deadletters:write"
    """Replay and drop dead letters."""
    CONFIGURATION_WRITE = "configuration:write"
    """Plan and apply quotas and channels; forget channels; repair the books; see what people were
    told, and send them test messages."""
    ENDPOINTS_WRITE = "endpoints:write"
    """Say where outgoing events go."""
    AUDIT_READ = "audit:read"
    """See who changed what."""
    USERS_WRITE = "users:write"
    """See, add, change and remove users."""
    KEYS_WRITE = "keys:write"
    """See, make and revoke API keys."""


class Role(StrEnum):
    """What a user is here. Each may do what the ones before it may, and more."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    MANAGER = "manager"
    ADMIN = "admin"


_ADDED: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.VIEWER: frozenset({Permission.READ, Permission.METRICS_READ}),
    Role.OPERATOR: frozenset(
        {
            Permission.HOLDS_WRITE,
            Permission.STOCK_WRITE,
            Permission.CHANNELS_OPERATE,
            Permission.DEAD_LETTERS_WRITE,
        }
    ),
    Role.MANAGER: frozenset(
        {Permission.CONFIGURATION_WRITE, Permission.ENDPOINTS_WRITE, Permission.AUDIT_READ}
    ),
    Role.ADMIN: frozenset({Permission.USERS_WRITE, Permission.KEYS_WRITE}),
}


def _granted() -> dict[Role, frozenset[Permission]]:
    found: dict[Role, frozenset[Permission]] = {}
    so_far: frozenset[Permission] = frozenset()
    for role in Role:
        so_far |= _ADDED[role]
        found[role] = so_far
    return found


GRANTED: Final[Mapping[Role, frozenset[Permission]]] = _granted()
"""Every permission of every role."""

UNBOUNDED: Final = frozenset(
    {
        Permission.METRICS_READ,
        Permission.CONFIGURATION_WRITE,
        Permission.ENDPOINTS_WRITE,
        Permission.AUDIT_READ,
        Permission.USERS_WRITE,
        Permission.KEYS_WRITE,
    }
)
"""Permissions over the whole house: whoever is kept to some channels or locations has none."""


def permissions_of(role: Role) -> frozenset[Permission]:
    """What a role may do where it reaches everywhere."""
    return GRANTED[role]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The channels and locations that somebody is kept to; None: all of them, later ones too."""

    channels: frozenset[str] | None = None
    locations: frozenset[str] | None = None

    @property
    def is_everywhere(self) -> bool:
        """Whether nothing is out of reach."""
        return self.channels is None and self.locations is None

    def has_channel(self, name: str) -> bool:
        """Whether a channel is within reach."""
        return self.channels is None or name in self.channels

    def has_location(self, code: str) -> bool:
        """Whether a location is within reach."""
        return self.locations is None or code in self.locations


EVERYWHERE: Final = Reach()


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks: a person who signed in, a program with a key, or this machine's own operator."""

    name: str
    """As the ledger and the audit trail call it: `user:ada`, `key:till`, `local`."""
    permissions: frozenset[Permission]
    reach: Reach = EVERYWHERE
    role: Role | None = None
    """None: a key."""

    def may(self, permission: Permission) -> bool:
        """Whether it carries a permission. One over the whole house needs an unbounded reach."""
        if permission in UNBOUNDED and not self.reach.is_everywhere:
            return False
        return permission in self.permissions
