"""Polling orders: what changed since the last look, with an overlap, and how far it is complete."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from channelsync.sdk.types import Instant, OrderPage
from channelsync.sdk.wire import StoredPlace
from channelsync_acme.api import AcmeApi
from channelsync_acme.mapping import facts_of
from channelsync_acme.wire import Orders

__all__ = ["OVERLAP_SECONDS", "VISIBILITY_LAG_SECONDS", "OrderFeed"]

PAGE_SIZE: Final = 50
ORDERS_A_CALL: Final = 50
VISIBILITY_LAG_SECONDS: Final = 5.0
"""How long an order may be missing from the search. Measure yours; the watermark rests on it."""
OVERLAP_SECONDS: Final = 60.0
"""Every window reaches this far back, so that what showed late is told all the same."""


class _Cursor(StoredPlace):
    """Where to go on."""

    WHERE = "Acme's orders"

    since: Instant
    open_too: bool = False
    """Whether orders that are still to ship are asked for as well, however old (adoption)."""
    page: str | None = None
    started: Instant | None = None
    """Acme's clock when the first page of this window was made."""


class OrderFeed:
    """The order half of an open channel."""

    def __init__(self, api: AcmeApi) -> None:
        self._api = api

    def first_cursor(self, since: Instant) -> str:
        """Finds every order unshipped at `since` or changed after."""
        return _Cursor(since=since, open_too=True).text()

    async def orders_since(self, cursor: str) -> OrderPage:
        """The next page. A failed call may be made again with the same cursor."""
        here = _Cursor.read(cursor)
        query = {"changed_from": _iso(here.since - OVERLAP_SECONDS), "limit": str(PAGE_SIZE)}
        query |= {"open_too": "true"} if here.open_too else {}
        query |= {"page": here.page} if here.page else {}
        answer = await self._api.ask(Orders, "GET", "/v1/orders", params=query)
        started = here.started or answer.as_of.timestamp()
        if answer.next is not None:
            onward = here.model_copy(update={"page": answer.next, "started": started})
        else:
            onward = _Cursor(since=started)
        return OrderPage(
            facts=tuple(fact for order in answer.orders for fact in facts_of(order)),
            cursor=onward.text(),
            more=answer.next is not None,
            complete_to=None if answer.next is not None else started - VISIBILITY_LAG_SECONDS,
        )

    async def orders_by_id(self, order_ids: Sequence[str]) -> OrderPage:
        """The current state of some orders."""
        facts = []
        for start in range(0, len(order_ids), ORDERS_A_CALL):
            query = {"id": list(order_ids[start : start + ORDERS_A_CALL])}
            answer = await self._api.ask(Orders, "GET", "/v1/orders", params=query)
            facts += [fact for order in answer.orders for fact in facts_of(order)]
        return OrderPage(facts=tuple(facts), cursor="", more=False)


def _iso(at: Instant) -> str:
    return datetime.fromtimestamp(max(at, 0.0), UTC).isoformat()
