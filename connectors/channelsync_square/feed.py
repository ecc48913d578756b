"""The feed: changed orders, then the inventory ledger, window after window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from channelsync.sdk.types import Instant, LookAt, OrderFact, OrderPage
from channelsync_square.api import Answer, CursorLost, SquareApi
from channelsync_square.cursor import Cursor, Phase
from channelsync_square.history import History
from channelsync_square.ledger import Kind, Row, read_rows
from channelsync_square.mapping import FactMaker
from channelsync_square.names import Names
from channelsync_square.settings import Mode, SquareSettings
from channelsync_square.times import iso
from channelsync_square.wire import ChangesPage, PhysicalCount, understood
from channelsync_square.wire_orders import Order, OrdersPage

__all__ = ["LEDGER_PAGE_SIZE", "VISIBILITY_LAG_SECONDS", "Feed"]

VISIBILITY_LAG_SECONDS: Final = 60.0
"""How long a row may stay invisible (undocumented; the overlap of the windows is longer)."""
LEDGER_PATH: Final = "/v2/inventory/changes/batch-retrieve"
ORDERS_PATH: Final = "/v2/orders/search"
LEDGER_PAGE_SIZE: Final = 1_000
ORDERS_PAGE_SIZE: Final = 200
STATES: Final = ("OPEN", "COMPLETED", "CANCELED")


class Feed:
    """The order half of an open channel."""

    def __init__(self, api: SquareApi, settings: SquareSettings, names: Names) -> None:
        self._api = api
        self._settings = settings
        self._names = names
        self._history = History(api, settings)
        lag = settings.visibility_lag_seconds
        self._lag = VISIBILITY_LAG_SECONDS if lag is None else lag

    def first_cursor(self, since: Instant) -> str:
        """From here paging finds every order to be handed over, and all that moved since."""
        return Cursor.first(since).text()

    async def orders_since(self, cursor: str) -> OrderPage:
        """The next page.

        Raises:
            ConnectorError: nothing was learnt; the same cursor may be used again.
        """
        here = Cursor.read(cursor)
        try:
            if here.phase is Phase.LEDGER:
                return await self._ledger_page(here)
            return await self._orders_page(here)
        except CursorLost:
            # Square's cursors do not live for ever: the window begins anew.
            anew = here.model_copy(update={"after": None})
            return OrderPage(facts=(), cursor=anew.text(), more=True)

    async def orders_by_id(self, order_ids: Sequence[str]) -> OrderPage:
        """The current state of some orders; those that Square does not show are left out."""
        orders = await self._history.orders(order_ids)
        here = [one for one in orders if one.location_id == self._settings.location_id]
        return OrderPage(facts=tuple(await self._facts_of_orders(here)), cursor="", more=False)

    # ------------------------------------------------------------ orders

    async def _orders_page(self, here: Cursor) -> OrderPage:
        answer = await self._search(here)
        page = understood(OrdersPage, answer)
        telling = [one for one in page.orders if one.is_fulfilled_later or _may_be_unpaid(one)]
        facts = await self._facts_of_orders(telling)
        started = here.started if here.started is not None else answer.not_before
        following = here.onward(page.cursor, started=started)
        return OrderPage(facts=tuple(facts), cursor=following.text(), more=True)

    async def _search(self, here: Cursor) -> Answer:
        field = "created_at" if here.phase is Phase.OPEN else "updated_at"
        filters: dict[str, Any] = {"state_filter": {"states": list(STATES)}}
        if here.phase is Phase.OPEN:
            filters = {"state_filter": {"states": ["OPEN"]}}
        else:
            filters["date_time_filter"] = {field: {"start_at": iso(here.orders_from(self._lag))}}
        content: dict[str, Any] = {
            "location_ids": [self._settings.location_id],
            "limit": ORDERS_PAGE_SIZE,
            "return_entries": False,
            "query": {
                "filter": filters,
                "sort": {"sort_field": field.upper(), "sort_order": "ASC"},
            },
        }
        if here.after is not None:
            content["cursor"] = here.after
        return await self._api.call("POST", ORDERS_PATH, content)

    async def _facts_of_orders(self, orders: Sequence[Order]) -> list[OrderFact]:
        if not orders:
            return []
        rows, counts = await self._history.of_orders(orders)
        unpaid = await self._history.unpaid(one for one in orders if one.id not in rows)
        skus = await self._names.of(
            variation
            for order in orders
            for variation in (line.catalog_object_id for line in order.line_items)
            if variation is not None
        )
        maker = FactMaker(self._settings, skus)
        facts: list[OrderFact] = []
        for order in orders:
            facts += maker.of_order(order, rows.get(order.id, ()), counts)
            if order.id in unpaid:
                facts += maker.of_unpaid(order, unpaid[order.id])
        return facts

    # ------------------------------------------------------------ the ledger

    async def _ledger_page(self, here: Cursor) -> OrderPage:
        answer = await self._api.call("POST", LEDGER_PATH, self._ledger_query(here))
        page = understood(ChangesPage, answer)
        rows, counts = read_rows(page.changes, self._settings.location_id)
        started = here.started if here.started is not None else answer.not_before
        following = here.onward(page.cursor, started=started)
        facts = await self._facts_of_rows(rows)
        maker = FactMaker(
            self._settings, await self._names.of(count.catalog_object_id for count in counts)
        )
        mirrored = self._settings.mode is Mode.MIRROR
        strange = _rows_by_others(rows, counts, told_before=here.since - self._lag)
        return OrderPage(
            facts=tuple(facts),
            counts=tuple(maker.of_counts(_by_others(counts))) if mirrored else (),
            look_at=LookAt(listings=strange) if strange and not mirrored else None,
            cursor=following.text(),
            more=bool(page.cursor),
            complete_to=None if page.cursor else started - self._lag,
        )

    def _ledger_query(self, here: Cursor) -> Mapping[str, Any]:
        content: dict[str, Any] = {
            "types": ["ADJUSTMENT", "PHYSICAL_COUNT"],
            "location_ids": [self._settings.location_id],
            "updated_after": iso(here.ledger_from(self._lag)),
            "limit": LEDGER_PAGE_SIZE,
        }
        if here.after is not None:
            content["cursor"] = here.after
        return content

    async def _facts_of_rows(self, rows: Sequence[Row]) -> list[OrderFact]:
        """Facts of one page. Rows whose order must be asked are told with all of its rows."""
        asked = {row.entry.transaction_id for row in rows if row.needs_its_order}
        orders = await self._history.orders(sorted(one for one in asked if one is not None))
        found = {order.id for order in orders}
        alone = [row for row in rows if row.entry.transaction_id not in found]
        counts = await self._history.counts_around(alone)
        skus = await self._names.of(row.entry.catalog_object_id for row in alone)
        facts = list(FactMaker(self._settings, skus).of_rows(alone, counts))
        return facts + await self._facts_of_orders(orders)


def _may_be_unpaid(order: Order) -> bool:
    """A sale that was not completed although somebody paid: perhaps offline, and declined."""
    return order.state != "COMPLETED" and any(one.payment_id for one in order.tenders)


def _by_others(counts: Iterable[PhysicalCount]) -> list[PhysicalCount]:
    return [count for count in counts if count.source.product != "EXTERNAL_API"]


def _rows_by_others(
    rows: Sequence[Row], counts: Sequence[PhysicalCount], *, told_before: Instant
) -> tuple[Mapping[str, str], ...]:
    """Variations whose number somebody else wrote lately, by hand or from another system."""
    written = {
        row.entry.catalog_object_id
        for row in rows
        if row.kind in {Kind.RECEIVED, Kind.MOVED} and row.entry.created_at >= told_before
    }
    written |= {one.catalog_object_id for one in counts if one.created_at >= told_before}
    return tuple({"variation_id": variation} for variation in sorted(written))
