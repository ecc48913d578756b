"""Where pages are: the sections of the navigation, and what each asks of whoever sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from channelsync.domain.permissions import Permission, Principal

__all__ = ["SECTIONS", "Entry", "Section", "section_of", "sections_for"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One page that the navigation leads to."""

    key: str
    """What a page calls itself, to be marked as the active one."""
    label: str
    href: str
    permission: Permission = Permission.READ
    whole_house: bool = False
    """Whether it tells of everything together, so that nobody kept to some of it sees it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Pages that belong together; its own link leads to the first of them."""

    label: str
    letter: str
    """The key that leads there after `g`."""
    entries: tuple[Entry, ...]


DESK: Final = (
    Section(
        label="Repairs",
        letter="f",
        entries=(
            Entry(key="repairs", label="Repairs", href="/repairs"),
            Entry(key="proposals", label="Proposals", href="/proposals"),
            Entry(key="dead-letters", label="Dead letters", href="/dead-letters"),
            Entry(key="alarms", label="Alarms", href="/alarms"),
            Entry(key="drift", label="Drift", href="/drift"),
            Entry(key="assumptions", label="Broken assumptions", href="/assumptions"),
        ),
    ),
    Section(
        label="Quotas",
        letter="q",
        entries=(
            Entry(
                key="quotas",
                label="Quotas",
                href="/quotas",
                permission=Permission.CONFIGURATION_WRITE,
            ),
        ),
    ),
)
"""Pages on which people change things."""

SECTIONS: Final = (
    Section(
        label="Overview", letter="o", entries=(Entry(key="overview", label="Overview", href="/"),)
    ),
    Section(
        label="Items",
        letter="i",
        entries=(
            Entry(key="items", label="Items", href="/items"),
            Entry(key="stock", label="Stock by location", href="/stock"),
            Entry(key="transfers", label="Transfers", href="/transfers"),
            Entry(key="locations", label="Locations", href="/locations"),
            Entry(key="movements", label="Movements", href="/movements"),
            Entry(
                key="count",
                label="Count and correct",
                href="/change/stock",
                permission=Permission.STOCK_WRITE,
            ),
        ),
    ),
    Section(
        label="Channels",
        letter="c",
        entries=(
            Entry(key="channels", label="Channels", href="/channels"),
            Entry(
                key="operate",
                label="Stop and start",
                href="/change/channels",
                permission=Permission.CHANNELS_OPERATE,
            ),
            Entry(key="listings", label="Listings", href="/listings"),
            Entry(key="pushes", label="Pushes", href="/pushes"),
        ),
    ),
    Section(
        label="Orders",
        letter="r",
        entries=(
            Entry(key="orders", label="Order lines", href="/orders"),
            Entry(key="holds", label="Holds", href="/holds"),
            Entry(key="shortfalls", label="Shortfalls", href="/shortfalls"),
        ),
    ),
    *DESK,
    Section(
        label="Figures",
        letter="n",
        entries=(
            Entry(key="figures", label="Figures", href="/figures", whole_house=True),
            Entry(key="days", label="Day by day", href="/figures/days", whole_house=True),
        ),
    ),
    Section(
        label="House",
        letter="h",
        entries=(
            Entry(
                key="audit", label="Audit trail", href="/audit", permission=Permission.AUDIT_READ
            ),
            Entry(
                key="notifications",
                label="Notifications",
                href="/notifications",
                permission=Permission.CONFIGURATION_WRITE,
            ),
            Entry(
                key="endpoints",
                label="Endpoints",
                href="/endpoints",
                permission=Permission.ENDPOINTS_WRITE,
            ),
            Entry(key="users", label="Users", href="/users", permission=Permission.USERS_WRITE),
            Entry(key="keys", label="API keys", href="/keys", permission=Permission.KEYS_WRITE),
            Entry(key="account", label="Account", href="/account"),
        ),
    ),
)


def sections_for(
    principal: Principal, sections: Sequence[Section] = SECTIONS
) -> tuple[Section, ...]:
    """What somebody may see; a section without pages is left out."""
    kept = [
        replace(section, entries=tuple(e for e in section.entries if _may_see(principal, e)))
        for section in sections
    ]
    return tuple(section for section in kept if section.entries)


def section_of(sections: Sequence[Section], active: str) -> Section | None:
    """The section of a page, by the page's key."""
    return next((s for s in sections if any(e.key == active for e in s.entries)), None)


def _may_see(principal: Principal, entry: Entry) -> bool:
    if entry.whole_house and not principal.reach.is_everywhere:
        return False
    return principal.may(entry.permission)
