"""The auditor: knows the true sales, believes no book, and looks after every commit.

I1 balances follow from movements. I2 the escrow protocol's theorem holds, and a raise is covered.
I3 nothing is promised that is not there. I4 each line is counted once. I6 no watermark stands
beyond what is counted. I7 an answered webhook is stored. I10 a hold ends once.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from channelsync.rehearsal.markets import Market, Markets
from channelsync.rehearsal.stage import Stage

__all__ = ["Auditor", "Truth"]

_LISTINGS: Final = "SELECT id, channel, sku, exposure FROM listings"
_COUNTED: Final = (
    "SELECT listing_id, SUM(ordered - cancelled - relisted) FROM order_lines"
    " WHERE listing_id IS NOT NULL GROUP BY listing_id"
)
_RECIPES: Final = "SELECT listing_id, item_id, units FROM recipes"
_STOCK: Final = (
    "SELECT s.item_id, i.sku, SUM(s.on_hand), SUM(s.reserved) FROM stock s"
    " JOIN items i ON i.id = s.item_id GROUP BY s.item_id, i.sku"
)
_MOVED: Final = (
    "SELECT id, kind, quantity, delta, item_id, location_id, listing_id FROM movements"
    " WHERE id > ? ORDER BY id"
)
_BALANCES: Final = "SELECT item_id, location_id, on_hand, reserved FROM stock"
_WATERMARKS: Final = "SELECT name, watermark FROM channels"
_HOLDS: Final = "SELECT id, state FROM holds"
_RESTLESS: Final = (
    ("SELECT channel, sku, settle_reasons FROM listings WHERE exposure IS NULL", "unsettled"),
    ("SELECT channel, sku, settle_reasons FROM listings WHERE settle_wanted", "to be settled"),
    ("SELECT channel, kind, state FROM pushes WHERE closed_at IS NULL", "push under way"),
    ("SELECT owner, started_at FROM attempts WHERE ended_at IS NULL", "attempt without an end"),
    ("SELECT channel, delivery_id FROM inbox", "delivery not taken in"),
    ("SELECT id, owner FROM holds WHERE state = 'active'", "cart"),
    ("SELECT name, state FROM channels WHERE state <> 'active'", "channel"),
)
_LINES: Final = (
    "SELECT order_id, sku, ordered - cancelled, shipped FROM order_lines WHERE channel = ?"
)
_Line = tuple[str, str]
_Units = tuple[int, int]
LOW_WATER: Final = 0.5
_RAISING: Final = frozenset({"charge", "slice"})


@dataclass(slots=True)
class Truth:
    """What is really there, whoever believes what."""

    shelf: Counter[str] = field(default_factory=Counter)
    """Units in the house."""
    excused: Counter[str] = field(default_factory=Counter)
    """Units that may have been promised and are not there, through nothing that we do: they broke
    after they were sold, or a marketplace sold more than it showed."""
    carts: dict[str, str] = field(default_factory=dict)
    """Holds that somebody was promised in our own shop, a unit each, with its SKU."""
    owed: Counter[str] = field(default_factory=Counter)
    """Units sold, net, that have not left the house."""


@dataclass(slots=True)
class Auditor:
    """Reads what is committed, over a connection of its own."""

    stage: Stage
    markets: Markets
    truth: Truth
    database: sqlite3.Connection
    beyond: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Units that a marketplace sold although its number did not show them, by listing."""
    _doubted: set[tuple[str, str]] = field(default_factory=set)
    """Listings of which restored books know too little, until they are doubted."""
    _exposure: dict[tuple[str, str], int | None] = field(default_factory=dict)
    _counted: dict[tuple[str, str], int] = field(default_factory=dict)
    _names: dict[int, tuple[str, str]] = field(default_factory=dict)
    _balances: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    _read_to: int = 0
    _watermarks: dict[str, float] = field(default_factory=dict)
    _complete_to: Counter[str] = field(default_factory=Counter)
    _holds: dict[str, str] = field(default_factory=dict)

    on_restored: Callable[[], None] = lambda: None

    def restored(self, database: sqlite3.Connection) -> None:
        """Audit a restored file from its beginning on; what our own shop forgot, it forgot."""
        self.database.close()
        self.database = database
        self._doubted = set(self._exposure)
        kept = {row[0] for row in self.rows("SELECT id FROM holds WHERE state = 'confirmed'")}
        for hold in set(self.truth.carts) - kept:
            del self.truth.carts[hold]
        self._exposure.clear()
        self._counted.clear()
        self._names.clear()
        self._balances.clear()
        self._watermarks.clear()
        self._complete_to.clear()
        self._holds.clear()
        self._read_to = 0
        self.look({"listings", "order_lines", "movements", "stock", "channels", "holds"})
        self.on_restored()

    def rows(self, query: str, *given: Any) -> list[Any]:
        """What is committed."""
        return self.database.execute(query, given).fetchall()

    # ------------------------------------------------------------ after a commit

    def look(self, touched: set[str]) -> None:
        """Check everything that a commit to these tables may have broken."""
        if touched & {"movements", "stock"}:
            self._conserved()
        if "listings" in touched:
            for key, channel, sku, exposure in self.rows(_LISTINGS):
                self._names[key] = (channel, sku)
                self._exposure[channel, sku] = exposure
        if "order_lines" in touched:
            self._counted = {
                self._names[key]: units for key, units in self.rows(_COUNTED) if key in self._names
            }
        if touched & {"listings", "order_lines"}:
            self.theorem()
            self.promises()
        if "channels" in touched:
            self._complete()
        if "holds" in touched:
            self._ended_once()

    def _check(self, invariant: str, *, holds: bool, what: str) -> None:
        self.stage.checks[invariant] += 1
        if not holds:
            self.stage.violated(f"{invariant}: {what}")

    def theorem(self) -> None:
        """I2: what a listing may still sell and has sold unseen is within its exposure."""
        for market in self.markets.all():
            self.theorem_at(market)

    def theorem_at(self, market: Market) -> None:
        """I2 for all listings of one market."""
        for sku in market.offers:
            self.theorem_of(market, sku)

    def theorem_of(self, market: Market, sku: str) -> None:
        """I2 for one listing."""
        exposure = self._exposure.get((market.name, sku))
        if exposure is None:
            self._doubted.discard((market.name, sku))
        if exposure is None or (market.name, sku) in self._doubted:
            return
        exposure += self.beyond[market.name, sku]
        may_sell = market.may_sell(sku)
        unseen = market.sold[sku] - self._counted.get((market.name, sku), 0)
        said = f"{market.name} {sku} may sell {may_sell}, sold {unseen} unseen, holds {exposure}"
        self._check("I2 theorem", holds=may_sell + unseen <= exposure, what=said)

    def promises(self) -> None:
        """I3: nobody was promised a unit that is not there, but for those that broke since."""
        truth = self.truth
        held = Counter(truth.carts.values())
        for sku, units in truth.owed.items():
            promised = units + held[sku]
            there = truth.shelf[sku] + truth.excused[sku]
            said = f"{sku}: {promised} promised, {there} there"
            self._check("I3 ground truth", holds=promised <= there, what=said)

    def _conserved(self) -> None:
        """I1, and of I2 that whatever was raised is covered."""
        raised: set[int] = set()
        # A whole file at once is history: what covered its raises then may be gone by its end.
        since = self._read_to
        for key, kind, quantity, delta, item, place, listing in self.rows(_MOVED, self._read_to):
            self._read_to = key
            self._balances[quantity, item or listing, place or 0] += delta
            if quantity == "exposure" and delta > 0 and kind in _RAISING:
                raised.add(listing)
        for item, place, on_hand, reserved in self.rows(_BALANCES):
            moved = self._balances["on_hand", item, place], self._balances["reserved", item, place]
            said = f"item {item}: {on_hand}, {reserved} in the books, {moved} moved"
            self._check("I1 conservation", holds=moved == (on_hand, reserved), what=said)
        for listing, _, _, exposure in self.rows(_LISTINGS):
            booked = self._balances["exposure", listing, 0]
            said = f"listing {listing}: exposure {exposure} in the books, {booked} moved"
            self._check("I1 conservation", holds=booked == (exposure or 0), what=said)
        if raised and since:
            self._covered(raised)

    def _covered(self, raised: set[int]) -> None:
        recipes = self.rows(_RECIPES)
        items = {item for listing, item, _ in recipes if listing in raised}
        held: Counter[int] = Counter()
        exposures = {key: exposure for key, _, _, exposure in self.rows(_LISTINGS)}
        unknown = set()
        for listing, item, units in recipes:
            if exposures[listing] is None:
                unknown.add(item)
            else:
                held[item] += units * exposures[listing]
        for item, sku, on_hand, reserved in self.rows(_STOCK):
            if item in items:
                free = on_hand - reserved - held[item]
                said = f"a raise of {sku} left {free} free; unsettled: {item in unknown}"
                self._check("I2 covered", holds=free >= 0 and item not in unknown, what=said)

    def _complete(self) -> None:
        """I6: up to the watermark every line of a channel is counted; it never goes back."""
        for name, watermark in self.rows(_WATERMARKS):
            before = self._watermarks.get(name)
            if watermark is None or watermark == before:
                continue
            self._watermarks[name] = watermark
            said = f"the watermark of {name} went back by {(before or 0) - watermark:.1f} s"
            self._check("I6 monotonic", holds=watermark >= (before or 0.0) - 10.0, what=said)
            missing = self._due(name, watermark) - self._known(name)
            self._check("I6 complete", holds=not missing, what=f"{name} lacks {sorted(missing)}")

    def _due(self, name: str, watermark: float) -> set[str]:
        """Orders up to the watermark that were not looked for before."""
        market = next(one for one in self.markets.all() if one.name == name)
        first = last = self._complete_to[name]
        while last < len(market.moved) and market.moved[last][0] <= watermark:
            last += 1
        self._complete_to[name] = last
        return {order for _, order in market.moved[first:last]}

    def _known(self, channel: str) -> set[str]:
        query = "SELECT order_id FROM order_lines WHERE channel = ?"
        return {row[0] for row in self.rows(query, channel)}

    def _ended_once(self) -> None:
        """I10: a hold that ended stays as it ended."""
        for key, state in self.rows(_HOLDS):
            before = self._holds.get(key, "active")
            said = f"hold {key} was {before} and is {state}"
            self._check("I10 ends once", holds=before in {"active", state}, what=said)
            self._holds[key] = state

    # ------------------------------------------------------------ beside commits

    def acknowledged(self, sha256: str) -> None:
        """I7: a webhook that was answered is stored."""
        found = self.rows("SELECT 1 FROM deliveries WHERE body_sha256 = ?", sha256)
        self._check("I7 stored", holds=bool(found), what="an answered webhook is not stored")

    # ------------------------------------------------------------ in the calm

    def unrest(self) -> list[str]:
        """What is not at rest yet, in words; nothing, when it is."""
        told: list[str] = []
        for query, words in _RESTLESS:
            told += [f"{words}: {row}" for row in self.rows(query)]
        for key, channel, sku, exposure in self.rows(_LISTINGS):
            del key
            market = next(one for one in self.markets.all() if one.name == channel)
            if exposure != market.may_sell(sku):
                told.append(f"{channel} {sku} holds {exposure} and shows {market.may_sell(sku)}")
        told += self._idle()
        # A shipment or a cancel is told by a search, which some marketplaces seldom allow.
        return told or [
            f"{market.name} lines, told and counted: {wrong}"
            for market in self.markets.all()
            if (wrong := self._wrong_lines(market))
        ]

    def _idle(self) -> list[str]:
        """Listings far below their target while units are free."""
        recipes = self.rows(_RECIPES)
        held: Counter[int] = Counter()
        listed = self.rows("SELECT id, channel, sku, exposure, target FROM listings")
        exposures = {key: exposure or 0 for key, _, _, exposure, _ in listed}
        for listing, item, units in recipes:
            held[item] += units * exposures[listing]
        free = {
            item: on_hand - reserved - held[item]
            for item, _, on_hand, reserved in self.rows(_STOCK)
        }
        told = []
        for key, channel, sku, exposure, target in listed:
            room = min(free[item] // units for listing, item, units in recipes if listing == key)
            if (exposure or 0) < target * LOW_WATER - 1 and room > 0:
                told.append(f"{channel} {sku} holds {exposure} of {target} with {room} free")
        return told

    def reckon(self) -> None:
        """I4 and I1 at the end: every line is counted as the marketplace knows it, none twice."""
        for market in self.markets.all():
            lines = self.rows(_LINES, market.name)
            said = f"{market.name}: {lines}"
            once = len({(order, sku) for order, sku, _, _ in lines}) == len(lines)
            self._check("I4 once", holds=once, what=said)
            wrong = self._wrong_lines(market)
            self._check("I4 lines", holds=not wrong, what=f"{market.name}: {wrong}")
        for _, sku, on_hand, _ in self.rows(_STOCK):
            there = self.truth.shelf[sku]
            said = f"{sku}: {there} on the shelf, {on_hand} in the books"
            self._check("I1 shelf", holds=there == on_hand, what=said)

    def _wrong_lines(self, market: Market) -> dict[_Line, tuple[_Units | None, _Units | None]]:
        """Lines that a marketplace knows otherwise than the books do: as told, as counted."""
        told = market.lines()
        counted: dict[_Line, _Units] = {
            (order, sku): (net, shipped)
            for order, sku, net, shipped in self.rows(_LINES, market.name)
        }
        return {
            line: (told.get(line), counted.get(line))
            for line in sorted(told.keys() | counted.keys())
            if told.get(line) != counted.get(line)
        }
