"""The generic till as a channel.

Its sales are facts: the goods have left the shop when we hear of them, so nothing can be refused
and no number binds it (`push_semantics = live`, `enforces = none`). It owns a protected slice, or
better a location of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from channelsync.sdk.connector import SDK_VERSION, Channel, ChannelContext, Manifest
from channelsync.sdk.errors import BadDelivery, Retryable
from channelsync.sdk.types import (
    Assumption,
    AssumptionFinding,
    CancelEffect,
    CheckResult,
    Enforces,
    Instant,
    ListingRef,
    OrderPage,
    PushSemantics,
)
from channelsync_pos.api import Page, RegisterStatus, StockItem, TillApi
from channelsync_pos.checks import api_checks, feed_finding, own_checks
from channelsync_pos.cursor import Cursor, complete_to
from channelsync_pos.drop.channel import open_folder
from channelsync_pos.mapping import joined
from channelsync_pos.settings import TillSettings
from channelsync_pos.till import Till
from channelsync_pos.wire import SEQUENCE_MAX, Event, read_envelope, read_event

__all__ = ["PosConnector", "TillChannel", "TillChannelWithApi", "connector"]

MANIFEST: Final = Manifest(
    name="pos",
    title="Shop till (channelsync-pos/1)",
    sdk_version=SDK_VERSION,
    push_semantics=PushSemantics.LIVE,
    enforces=Enforces.NONE,
    settings_model=TillSettings,
    checks=frozenset({Assumption.FEED_COMPLETE}),
    own_hosts=(),
    batch_size=500,
    poll_interval_seconds=60.0,
    quiet_limit_seconds=900.0,
    cancel_effect=CancelEffect.NOT_RELISTED,
)
ORDERS_A_CALL: Final = 50
UNREAD_MAX: Final = 100


class TillChannel(Till):
    """A till that is only heard."""

    async def test(self) -> Sequence[CheckResult]:
        """What can be said without the till: it calls us."""
        return own_checks(self._settings)

    async def check_assumptions(self) -> Sequence[AssumptionFinding]:
        """Whether its feed is complete shows only in the numbers that arrive: the host checks."""
        return ()


class TillChannelWithApi(Till):
    """A till that can also be asked what it sold, and told what to show."""

    def __init__(self, context: ChannelContext, settings: TillSettings, base_url: str) -> None:
        super().__init__(context, settings)
        self._api = TillApi(context, settings, base_url)
        self._unread: dict[str, str] = {}

    # ------------------------------------------------------------ what it sold

    def first_cursor(self, since: Instant) -> str:
        """Begin with what reached the till's server at `since` or later.

        A sale is complete when it is made, so nothing older can be open; what was sold offline
        before `since` and is uploaded after it is found by its upload.
        """
        return Cursor(uploaded_from=since).text()

    async def orders_since(self, cursor: str) -> OrderPage:
        """The next page, in the order in which events reached the till's server."""
        place = Cursor.read(cursor)
        page = await self._api.events_after(place.after, uploaded_from=place.uploaded_from)
        if page.more and page.next == place.after:
            raise Retryable("the till's API repeats a page: `next` must move on while `more` holds")
        events = list(self._readable(page))
        _hear(place, events, page)
        place.after, place.uploaded_from = page.next, None
        complete = None if page.more else self._complete_to(place, page)
        told = joined(self._mapping.parsed(event) for event in events)
        return OrderPage(
            facts=told.facts,
            voids=told.voids,
            counts=told.counts,
            sequences=told.sequences,
            cursor=place.text(),
            more=page.more,
            complete_to=complete,
        )

    def _complete_to(self, place: Cursor, page: Page) -> Instant | None:
        done = {status.register_id for status in page.registers if _is_done(place, status)}
        return complete_to(
            place,
            [
                (status.register_id, status.sequence, status.last_contact)
                for status in page.registers
                if status.register_id not in done
            ],
            expected=set(self._settings.registers) - done,
            as_of=page.as_of,
        )

    async def orders_by_id(self, order_ids: Sequence[str]) -> OrderPage:
        """The current state of some sales and returns."""
        told = []
        for start in range(0, len(order_ids), ORDERS_A_CALL):
            page = await self._api.events_of(order_ids[start : start + ORDERS_A_CALL])
            told += [self._mapping.parsed(event) for event in self._readable(page)]
        every = joined(told)
        return OrderPage(facts=every.facts, voids=every.voids, cursor="", more=False)

    def _readable(self, page: Page) -> Iterator[Event]:
        """Events that can be read. Another is left out, so that it does not block those behind it.

        Its number then counts as not heard, which keeps the feed from being called complete.
        """
        for one in page.events:
            try:
                envelope = read_envelope(one)
                event = read_event(envelope.type, envelope.data)
            except BadDelivery as error:
                self._note_unread(one, str(error))
            else:
                self._unread.pop(f"{event.register_id}/{event.sequence}", None)
                yield event

    def _note_unread(self, one: Mapping[str, Any], why: str) -> None:
        data = one.get("data")
        told = data if isinstance(data, Mapping) else {}
        if len(self._unread) < UNREAD_MAX:
            self._unread[f"{told.get('register_id')}/{told.get('sequence')}"] = why

    # ------------------------------------------------------------ what it shows

    async def tell(self, quantities: Sequence[tuple[ListingRef, int]]) -> None:
        """Show these numbers at the till."""
        await self._api.show(
            [
                StockItem(
                    sku=listing.sku,
                    location=listing.external.get("location", self._settings.location),
                    absolute=quantity,
                )
                for listing, quantity in quantities
            ]
        )

    # ------------------------------------------------------------ checks

    async def test(self) -> Sequence[CheckResult]:
        """The settings, then the API: reachable, its clock right, every register heard of."""
        return (
            *own_checks(self._settings),
            *await api_checks(self._api, self._settings, now=self._context.now),
        )

    async def check_assumptions(self) -> Sequence[AssumptionFinding]:
        """Whether every register was in contact lately, and everything could be read."""
        page = await self._api.events_after(None, uploaded_from=self._context.now())
        reasons = tuple(self._unread.values())
        return (feed_finding(page, self._settings, unread=reasons, now=self._context.now()),)


def _hear(place: Cursor, events: Sequence[Event], page: Page) -> None:
    """Take the numbers of one page in.

    A register's count begins with the first number that we hear of it, or after what the till's
    server holds of it, whichever is lower: what never reached the server is a gap as well. One
    without any number up to the last page has been silent since we follow it.
    """
    numbers: dict[str, list[int]] = {}
    for event in events:
        numbers.setdefault(event.register_id, []).append(event.sequence)
    held = {status.register_id: status.received_to for status in page.registers}
    silent = set() if page.more else held.keys() - numbers.keys()
    for register_id in sorted(numbers.keys() | silent):
        heard = numbers.get(register_id, [])
        begins = [number - 1 for number in heard] + [held.get(register_id, SEQUENCE_MAX)]
        place.register(register_id, begins_after=min(begins)).hear(heard)


def _is_done(place: Cursor, status: RegisterStatus) -> bool:
    """Retired, and everything it ever sold was heard."""
    return status.retired and place.registers[status.register_id].through >= status.sequence


class PosConnector:
    """Opens tills."""

    @property
    def manifest(self) -> Manifest:
        """What a till promises: nothing but honest facts."""
        return MANIFEST

    async def open(self, context: ChannelContext) -> Channel:
        """Open one till. Which capabilities it has follows from its settings."""
        settings = cast("TillSettings", context.settings)
        if settings.drop_folder:
            return await open_folder(context, settings)
        if settings.base_url is None:
            return TillChannel(context, settings)
        return TillChannelWithApi(context, settings, settings.base_url)


connector: Final = PosConnector()
