"""Polling orders: what was created and changed since the last look, and all still to ship."""

from __future__ import annotations

from collections.abc import Sequence

from channelsync.sdk.types import Instant, OrderPage
from channelsync_amazon.api import AmazonApi, InvalidRequest
from channelsync_amazon.cursor import Cursor
from channelsync_amazon.mapping import OrderView, facts_of, voids_of
from channelsync_amazon.order_source import FoundOrders, Orders2026, OrderSource
from channelsync_amazon.orders_v0 import OrdersV0
from channelsync_amazon.settings import AmazonSettings

__all__ = ["Orders"]


class Orders:
    """The order half of an open channel."""

    def __init__(self, api: AmazonApi, settings: AmazonSettings) -> None:
        self._lag = settings.visibility_lag_seconds
        v0 = settings.orders_api == "v0"
        self._source: OrderSource = OrdersV0(api, settings) if v0 else Orders2026(api, settings)

    def first_cursor(self, since: Instant) -> str:
        """From here paging finds every order unshipped at `since` or changed after."""
        return Cursor.first(since).text()

    async def orders_since(self, cursor: str) -> OrderPage:
        """The next page.

        Raises:
            ConnectorError: nothing was learnt; the same cursor may be used again.
        """
        here = Cursor.read(cursor)
        try:
            found = await self._source.page(here)
        except InvalidRequest:
            if here.token is None:
                raise
            # A token lives 24 hours; a daemon that slept longer begins the window anew.
            here = here.begun_anew()
            found = await self._source.page(here)
        return self._page(here, found)

    def _page(self, here: Cursor, found: FoundOrders) -> OrderPage:
        began = found.answer.not_before
        started = here.started if here.started is not None else began
        told = here.complete if here.complete is not None else found.complete
        complete = min(started - self._lag, started if told is None else told)
        if found.next_token is not None:
            following = here.onward(found.next_token, started, complete, found.count)
        else:
            following = here.next_window(complete, found.count)
        last = found.next_token is None and here.is_last_of_poll
        return _order_page(
            found.views,
            cursor=following.text(),
            more=not last,
            complete_to=complete if last else None,
        )

    async def orders_by_id(self, order_ids: Sequence[str]) -> OrderPage:
        """The current state of some orders; those that Amazon does not show are left out."""
        views = [await self._source.one(order_id) for order_id in dict.fromkeys(order_ids)]
        known = [view for view in views if view is not None]
        return _order_page(known, cursor="", more=False, complete_to=None)


def _order_page(
    views: Sequence[OrderView], *, cursor: str, more: bool, complete_to: Instant | None
) -> OrderPage:
    return OrderPage(
        facts=tuple(fact for view in views for fact in facts_of(view)),
        voids=tuple(void for view in views for void in voids_of(view)),
        cursor=cursor,
        more=more,
        complete_to=complete_to,
    )
