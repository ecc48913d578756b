"""Polling orders: what changed since the last look, and everything that was still to ship."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from channelsync.sdk.types import Instant, OrderFact, OrderPage
from channelsync_shopify.api import Answer, ShopifyApi
from channelsync_shopify.cursor import OVERLAP_SECONDS, Cursor
from channelsync_shopify.documents import ORDERS_CHANGED
from channelsync_shopify.mapping import OrderView, facts_of
from channelsync_shopify.order_details import OrderDetails
from channelsync_shopify.settings import ShopifySettings
from channelsync_shopify.wire import Page, understood
from channelsync_shopify.wire_orders import ChangedOrder, OrdersChanged

__all__ = ["VISIBILITY_LAG_SECONDS", "Orders"]

VISIBILITY_LAG_SECONDS: Final = 120.0
"""How long the order search may lag behind the orders (undocumented; the overlap is longer)."""
PAGE_SIZE: Final = 25
PAGES_MAX: Final = 200
"""Shopify pages through at most 25,000 objects, so the search begins anew before that."""
SEEN_MAX: Final = 10_000
SAME_SECOND_SECONDS: Final = 5.0
"""An order read this soon after its last change may change again within the same second."""


class _Seen:
    """Orders that one uninterrupted chain of polls has told already.

    The overlap shows each order several times. One that was told is skipped only when the engine
    has come back with the very cursor that was handed out with it, that is, after keeping it.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Instant] = OrderedDict()
        self._told: tuple[str, Mapping[str, Instant]] = ("", {})

    def take_up(self, cursor: str) -> None:
        """The engine comes back with this cursor."""
        handed_out, told = self._told
        if cursor != handed_out:
            self._kept.clear()
            return
        for order_id, updated_at in told.items():
            self._kept[order_id] = updated_at
            self._kept.move_to_end(order_id)
        while len(self._kept) > SEEN_MAX:
            self._kept.popitem(last=False)

    def is_new(self, order: ChangedOrder) -> bool:
        """Whether this state of the order was not kept yet."""
        kept = self._kept.get(order.id)
        return kept is None or order.updated_at > kept

    def tell(self, cursor: str, views: Sequence[OrderView], server_time: Instant) -> None:
        """These orders go out with this cursor."""
        settled = {
            view.order_id: view.updated_at
            for view in views
            if view.updated_at + SAME_SECOND_SECONDS < server_time
        }
        self._told = (cursor, settled)


class Orders:
    """The order half of an open channel."""

    def __init__(self, api: ShopifyApi, settings: ShopifySettings) -> None:
        self._api = api
        self._settings = settings
        self._details = OrderDetails(api)
        self._seen = _Seen()
        lag = settings.visibility_lag_seconds
        self._lag = VISIBILITY_LAG_SECONDS if lag is None else lag

    def first_cursor(self, since: Instant) -> str:
        """From here paging finds every order unshipped at `since` or changed after."""
        return Cursor.first(since).text()

    async def orders_since(self, cursor: str) -> OrderPage:
        """The next page: order ids by last change, then those orders whole.

        Raises:
            ConnectorError: nothing was learnt; the same cursor may be used again.
        """
        here = Cursor.read(cursor)
        self._seen.take_up(cursor)
        variables = {"q": here.search, "first": PAGE_SIZE, "after": here.after}
        answer = await self._api.read(ORDERS_CHANGED, variables)
        page = understood(OrdersChanged, answer).orders
        began = _shop_time(answer)
        started = here.started if here.started is not None else began
        new = [order.id for order in page.nodes if self._seen.is_new(order)]
        views = await self._details.fetch(list(dict.fromkeys(new)))
        following = _following(here, page, started)
        last = here.phase == "changed" and not page.page_info.has_next_page
        self._seen.tell(following.text(), views, began)
        return OrderPage(
            facts=self._facts(views),
            cursor=following.text(),
            more=not last,
            complete_to=started - self._lag if last else None,
        )

    async def orders_by_id(self, order_ids: Sequence[str]) -> OrderPage:
        """The current state of some orders; those that Shopify does not show are left out.

        A missing order proves nothing: without `read_all_orders` it may just be older than 60 days.
        """
        views = await self._details.fetch(list(dict.fromkeys(order_ids)))
        return OrderPage(facts=self._facts(views), cursor="", more=False)

    def _facts(self, views: Sequence[OrderView]) -> tuple[OrderFact, ...]:
        return tuple(
            fact
            for view in views
            for fact in facts_of(
                view,
                location=self._settings.location_id,
                count_test_orders=self._settings.count_test_orders,
            )
        )


def _shop_time(answer: Answer) -> Instant:
    """An instant, on the shop's clock and on ours, before which the answer was not made."""
    server_time = answer.server_time
    if server_time is None:
        return answer.sent_at
    return min(answer.sent_at, server_time - (answer.received_at - answer.sent_at))


def _following(here: Cursor, page: Page[ChangedOrder], started: Instant) -> Cursor:
    if page.page_info.has_next_page:
        onward = here.model_copy(
            update={
                "started": started,
                "after": page.page_info.end_cursor,
                "pages": here.pages + 1,
            }
        )
        return _begun_anew(onward, page)
    if here.phase == "unshipped":
        return Cursor(phase="changed", since=here.since)
    return Cursor(phase="changed", since=started)


def _begun_anew(onward: Cursor, page: Page[ChangedOrder]) -> Cursor:
    """The same window from its last order on, before Shopify's limit of one search is reached."""
    reached = page.nodes[-1].updated_at if page.nodes else onward.since
    begins_at = onward.since - OVERLAP_SECONDS
    can_skip = onward.phase == "changed" and reached > begins_at
    if onward.pages < PAGES_MAX or not can_skip:
        return onward
    since = reached + OVERLAP_SECONDS
    return onward.model_copy(update={"since": since, "after": None, "pages": 0})
