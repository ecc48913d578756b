"""Every table, with the constraints that guard the books a second time.

Instants are POSIX seconds (double precision). Quantities are whole units. Listing quantities
(`exposure`, pushes, order lines) are in listing units; stock and movements of stock in item units.
Enumerations are stored as their text and checked.
"""

from __future__ import annotations

from channelsync.store.chain_tables import anchors, folds, seals
from channelsync.store.channel_tables import (
    assumptions,
    attempts,
    channels,
    listings,
    offers,
    pushes,
    readings,
    recipes,
    registers,
    requests,
)
from channelsync.store.event_tables import endpoints, event_deliveries, events
from channelsync.store.identity_tables import (
    api_keys,
    audit,
    proposals,
    recovery_codes,
    second_factors,
    sessions,
    sign_ins,
    users,
)
from channelsync.store.notice_tables import low_stock, notices
from channelsync.store.order_tables import (
    deliveries,
    inbox,
    line_events,
    line_stock,
    order_lines,
    order_voids,
    shortfalls,
)
from channelsync.store.schema import metadata
from channelsync.store.stock_tables import (
    hold_lines,
    holds,
    items,
    locations,
    movements,
    stock,
)
from channelsync.store.transfer_tables import inspections, transfer_differences, transfers
from channelsync.store.vault_tables import data_keys, kept_secrets
from channelsync.store.words import (
    ChannelState,
    InspectionOutcome,
    ListingState,
    MovementKind,
    PushState,
    Quantity,
)
from channelsync.store.work_tables import (
    alarms,
    books,
    configurations,
    dead_letters,
    idempotency,
    pruned,
    work,
)

__all__ = [
    "ChannelState",
    "InspectionOutcome",
    "ListingState",
    "MovementKind",
    "PushState",
    "Quantity",
    "alarms",
    "anchors",
    "api_keys",
    "assumptions",
    "attempts",
    "audit",
    "books",
    "channels",
    "configurations",
    "data_keys",
    "dead_letters",
    "deliveries",
    "endpoints",
    "event_deliveries",
    "events",
    "folds",
    "hold_lines",
    "holds",
    "idempotency",
    "inbox",
    "inspections",
    "items",
    "kept_secrets",
    "line_events",
    "line_stock",
    "listings",
    "locations",
    "low_stock",
    "metadata",
    "movements",
    "notices",
    "offers",
    "order_lines",
    "order_voids",
    "proposals",
    "pruned",
    "pushes",
    "readings",
    "recipes",
    "recovery_codes",
    "registers",
    "requests",
    "seals",
    "second_factors",
    "sessions",
    "shortfalls",
    "sign_ins",
    "stock",
    "transfer_differences",
    "transfers",
    "users",
    "work",
]
