"""The tables of the dashboard: what each shows, and which use case reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import OrderState
from channelsync.engine.browse import (
    Rows,
    Wanted,
    alarms_page,
    broken_assumptions,
    levels_page,
    lines_page,
    listings_page,
    movements_page,
    shortfalls_page,
)
from channelsync.engine.core import Engine
from channelsync.engine.holds_view import view_holds
from channelsync.engine.items_view import stocked_items_page
from channelsync.engine.pushes_view import cursor_of, pushes_page
from channelsync.store.stock_queries import load_locations
from channelsync.store.tables import ListingState, MovementKind
from channelsync.web.dashboard.marks import (
    PUSH_OUTCOMES,
    change_of,
    of_alarm,
    of_line,
    of_listing,
    of_push,
)
from channelsync.web.dashboard.table import (
    CHANNELS,
    LOCATIONS,
    Column,
    Mark,
    Reader,
    Table,
    chosen,
    typed,
)
from channelsync.web.dashboard.words import cause_words

__all__ = ["TABLES"]

HOLDS_MAX: Final = 1_000
CHANNEL: Final = chosen("channel", "Channel", CHANNELS)
SKU: Final = typed("sku", "SKU")


def _with(
    page: Callable[[AsyncConnection, Wanted], Any],
    more: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
) -> Reader:
    """A use case's page, each row with what is made of it for people."""

    async def read(_engine: Engine, tx: AsyncConnection, wanted: Wanted) -> Rows:
        return [{**row, **more(row)} for row in await page(tx, wanted)]

    return read


# ------------------------------------------------------------------ items and their stock


def _of_item(row: Mapping[str, Any]) -> Mark:
    if row["free"] < 0:
        return Mark("bad", "deficit", "more is on sale than there is: listings are being cut")
    if row["adopting"]:
        return Mark("wait", "adopting", "a listing was never settled: nothing of it is raised")
    if not row["listings"]:
        return Mark("off", "not listed")
    return Mark("good", "in step") if row["exposure"] else Mark("warn", "not on sale")


async def _items(engine: Engine, tx: AsyncConnection, wanted: Wanted) -> Rows:
    found = await stocked_items_page(engine, tx, wanted)
    return [{**row, "standing": _of_item(row)} for row in found]


ITEMS: Final = Table(
    key="items",
    path="/items",
    title="Items",
    about="What is sold, what of it there is, and how much of that may be sold now.",
    columns=(
        Column("sku", "SKU", "sku"),
        Column("name", "Name", "long"),
        Column("pool", "Pool"),
        Column("on_hand", "On hand", "number", "Physical units"),
        Column("reserved", "Reserved", "number", "Promised to orders and holds"),
        Column("safety_stock", "Safety stock", "number", "Never offered"),
        Column("atp", "ATP", "number", "Available to promise"),
        Column("exposure", "On sale", "number", "What channels may still sell, in item units"),
        Column("free", "Free", "signed", "What no channel may sell yet", whole_house=True),
        Column("standing", "State", "mark", whole_house=True),
    ),
    read=_items,
    cursor="sku",
    cursor_of=str,
    filters=(typed("q", "SKU or name", "search"),),
    empty="No items yet. New item makes one; `channelsync stock import stock.csv` makes many.",
    template="items.html",
)
STOCK: Final = Table(
    key="stock",
    path="/stock",
    title="Stock by location",
    about="Physical units of every item at every place that holds some.",
    columns=(
        Column("sku", "SKU", "sku"),
        Column("location", "Location"),
        Column("pool", "Pool"),
        Column("on_hand", "On hand", "number"),
        Column("reserved", "Reserved", "number", "Promised to orders and holds"),
        Column("safety_stock", "Safety stock", "number", "Never offered"),
        Column("on_order", "On order", "number"),
        Column("in_transit", "In transit", "number", "On the way from another location"),
        Column("counted_at", "Counted", "when"),
    ),
    read=_with(levels_page),
    cursor="sku",
    cursor_of=str,
    filters=(SKU, chosen("location", "Location", LOCATIONS)),
    empty="No stock yet. Import it: `channelsync stock import stock.csv`",
)


async def _locations(_engine: Engine, tx: AsyncConnection, wanted: Wanted) -> Rows:
    found = (await load_locations(tx)).values()
    return [
        {**asdict(one), "standing": Mark("good", "in use") if one.active else Mark("off", "closed")}
        for one in found
        if wanted.reach.has_location(one.code)
    ]


PLACES: Final = Table(
    key="locations",
    path="/locations",
    title="Locations",
    about="Places that hold stock, in the order in which orders are routed to them.",
    columns=(
        Column("code", "Code", "code"),
        Column("name", "Name"),
        Column("pool", "Pool"),
        Column("standing", "State", "mark"),
    ),
    read=_locations,
    cursor="code",
    paged=False,
    empty="No locations yet. Write them into channelsync.yaml.",
)
MOVEMENTS: Final = Table(
    key="movements",
    path="/movements",
    title="Movements",
    about="The ledger: who changed which number where, by how much and why. Nothing is ever"
    " taken out of it.",
    columns=(
        Column("id", "No.", "number"),
        Column("at", "Booked", "when"),
        Column("kind", "Kind", "words"),
        Column("sku", "SKU", "sku"),
        Column("location", "Location"),
        Column("channel", "Channel", "channel"),
        Column("listing", "Listing", title="As the channel spells it"),
        Column("quantity", "Number", "words"),
        Column("delta", "Change", "signed"),
        Column("reference", "Belongs to", "long"),
        Column("actor", "By", "code"),
        Column("note", "Why", "long"),
    ),
    read=_with(movements_page),
    filters=(
        SKU,
        chosen("location", "Location", LOCATIONS),
        CHANNEL,
        chosen("kind", "Kind", tuple(MovementKind)),
    ),
    empty="Nothing has moved yet. The first import or sale is the first movement.",
)

# ------------------------------------------------------------------ channels and what they show

LISTINGS: Final = Table(
    key="listings",
    path="/listings",
    title="Listings",
    about="One channel’s offer of an item each: what it should hold, what it may still sell, and"
    " what it showed last. In listing units.",
    columns=(
        Column("channel", "Channel", "channel"),
        Column("sku", "SKU", title="As the channel spells it"),
        Column("holds", "Holds", "long", "Items in one unit of the offer"),
        Column("target", "Target", "number", "What policy would like it to hold"),
        Column("exposure", "May sell", "number", "An upper bound on what it may still sell"),
        Column("shown", "Shows", "number", "What the channel showed last"),
        Column("shown_at", "Seen", "when"),
        Column("settled_at", "Settled", "when", "When its number was last proven"),
        Column("standing", "State", "mark"),
    ),
    read=_with(
        listings_page,
        lambda row: {
            "standing": of_listing(row),
            "holds": ", ".join(f"{units} × {sku}" for sku, units in sorted(row["recipe"].items())),
        },
    ),
    filters=(CHANNEL, SKU, chosen("state", "State", tuple(ListingState), "kind")),
    empty="No listings yet. They are found by SKU once a channel is configured and has been"
    " searched.",
)
PUSHES: Final = Table(
    key="pushes",
    path="/pushes",
    title="Pushes",
    about="Every intended change of a number on a channel, with its cause and what came of it.",
    columns=(
        Column("id", "Push", "push"),
        Column("opened_at", "Opened", "when"),
        Column("channel", "Channel", "channel"),
        Column("sku", "SKU"),
        Column("change", "Change"),
        Column("cause", "Because", "long"),
        Column("copies", "Tries", "number", "Requests that were sent"),
        Column("closed_at", "Closed", "when"),
        Column("standing", "Outcome", "mark"),
    ),
    read=_with(pushes_page, lambda row: {"standing": of_push(row), "change": change_of(row)}),
    cursor="after",
    cursor_of=cursor_of,
    filters=(CHANNEL, SKU, chosen("state", "Outcome", ("open", *PUSH_OUTCOMES), "kind")),
    empty="No pushes yet: nothing had to change.",
)

# ------------------------------------------------------------------ orders and holds

LINES: Final = Table(
    key="orders",
    path="/orders",
    title="Order lines",
    about="As the channels told them, the newest first. Each line counts once, however often it"
    " is heard of. In listing units.",
    columns=(
        Column("id", "No.", "number"),
        Column("channel", "Channel", "channel"),
        Column("order", "Order", "tail"),
        Column("sku", "SKU", "sku"),
        Column("ordered", "Ordered", "number"),
        Column("cancelled", "Cancelled", "number"),
        Column("shipped", "Shipped", "number"),
        Column("returned", "Returned", "number"),
        Column("sold_at", "Sold", "when"),
        Column("heard_at", "Heard", "when", "When it was last heard of"),
        Column("standing", "State", "mark"),
    ),
    read=_with(lines_page, lambda row: {"standing": of_line(row)}),
    filters=(CHANNEL, SKU, chosen("state", "State", (*OrderState, "parked"), "kind")),
    empty="No orders yet. The first one appears seconds after a channel tells of it.",
)


async def _holds(_engine: Engine, tx: AsyncConnection, wanted: Wanted) -> Rows:
    found = await view_holds(tx, limit=HOLDS_MAX)
    return [
        {**asdict(one), "held": ", ".join(f"{line.units} × {line.sku}" for line in one.lines)}
        for one in found
        if wanted.reach.has_channel(one.channel or "")
    ]


HOLDS: Final = Table(
    key="holds",
    path="/holds",
    title="Holds",
    about="Units that carts keep for a while; those that end first in front.",
    columns=(
        Column("id", "Hold", "hold"),
        Column("held", "Units", "long"),
        Column("owner", "For", "tail"),
        Column("channel", "Channel", "channel"),
        Column("pool", "Pool"),
        Column("created_at", "Made", "when"),
        Column("expires_at", "Ends", "when"),
    ),
    read=_holds,
    paged=False,
    empty="Nothing is held. Your storefront holds units with POST /api/v1/holds.",
)
SHORTFALLS: Final = Table(
    key="shortfalls",
    path="/shortfalls",
    title="Shortfalls",
    about="Demand that was accepted beyond what the books allowed, each with its cause.",
    columns=(
        Column("id", "No.", "number"),
        Column("at", "When", "when"),
        Column("sku", "SKU", "sku"),
        Column("units", "Units", "number"),
        Column("channel", "Channel", "channel"),
        Column("why", "Cause", "long"),
        Column("reference", "Belongs to", "tail"),
    ),
    read=_with(shortfalls_page, lambda row: {"why": cause_words(row["cause"])}),
    filters=(CHANNEL, SKU),
    empty="No shortfall: everything that was sold was there.",
)

# ------------------------------------------------------------------ what wants a person


async def _drifting(tx: AsyncConnection, wanted: Wanted) -> Rows:
    return await listings_page(tx, wanted, drifting=True)


DRIFT: Final = Table(
    key="drift",
    path="/drift",
    title="Drift",
    about="Listings whose shown number the books do not explain. Each is being settled: read"
    " back, compared with the orders, and set right.",
    columns=LISTINGS.columns,
    read=_with(_drifting, lambda row: {"standing": of_listing(row), "holds": ""}),
    filters=(CHANNEL,),
    empty="Every number that a channel shows is explained.",
)
ALARMS: Final = Table(
    key="alarms",
    path="/alarms",
    title="Alarms",
    about="What wants a person, and what wanted one. An alarm clears by itself once its cause"
    " is gone.",
    columns=(
        Column("id", "No.", "number"),
        Column("raised_at", "Raised", "when"),
        Column("cleared_at", "Cleared", "when"),
        Column("channel", "Channel", "channel"),
        Column("standing", "What", "mark"),
    ),
    read=_with(alarms_page, lambda row: {"standing": of_alarm(row)}),
    filters=(chosen("state", "State", ("open", "cleared"), "kind"), CHANNEL),
    empty="Nothing has wanted a person so far.",
)
ASSUMPTIONS: Final = Table(
    key="assumptions",
    path="/assumptions",
    title="Broken assumptions",
    about="What the guarantee rests on and does not stand now. While one is broken, its listings"
    " sell less or nothing.",
    columns=(
        Column("channel", "Channel", "channel"),
        Column("listing", "Listing", title="None: the whole channel"),
        Column("assumption", "Assumption", "words"),
        Column("why", "Why", "long"),
        Column("since", "Since", "when"),
        Column("checked_at", "Checked", "when"),
    ),
    read=_with(broken_assumptions),
    paged=False,
    cursor="since",
    empty="Every assumption of the guarantee stands, on every listing.",
)

TABLES: Final = (
    ITEMS,
    STOCK,
    PLACES,
    MOVEMENTS,
    LISTINGS,
    PUSHES,
    LINES,
    HOLDS,
    SHORTFALLS,
    DRIFT,
    ALARMS,
    ASSUMPTIONS,
)
