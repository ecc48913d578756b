"""All pages of the desk, put together."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import Route

from channelsync.web.api.counter import Counter
from channelsync.web.api.notifications import NoticeTests
from channelsync.web.dashboard.frame import Frame
from channelsync.web.desk.channels import ChannelPages
from channelsync.web.desk.desk import Desk
from channelsync.web.desk.endpoints import EndpointPages
from channelsync.web.desk.holds import HoldPages
from channelsync.web.desk.items import ItemPages
from channelsync.web.desk.keys import KeyPages
from channelsync.web.desk.notices import NoticePages
from channelsync.web.desk.proposals import ProposalPages
from channelsync.web.desk.quotas import QuotaPages
from channelsync.web.desk.repairs import RepairPages
from channelsync.web.desk.second_factor import SecondFactorPages
from channelsync.web.desk.stock import StockPages
from channelsync.web.desk.transfers import TransferPages
from channelsync.web.desk.users import UserPages
from channelsync.web.options import WebOptions

__all__ = ["desk_routes"]


def desk_routes(counter: Counter, options: WebOptions, tests: NoticeTests) -> Sequence[Route]:
    """The routes of every page on which people change things."""
    desk = Desk(counter, Frame(counter.engine.now), options)
    pages = (
        RepairPages(desk),
        ProposalPages(desk),
        ChannelPages(desk),
        QuotaPages(desk),
        StockPages(desk),
        ItemPages(desk),
        TransferPages(desk),
        HoldPages(desk),
        UserPages(desk),
        SecondFactorPages(desk),
        KeyPages(desk),
        EndpointPages(desk),
        NoticePages(desk, tests),
    )
    return [route for page in pages for route in page.routes]
