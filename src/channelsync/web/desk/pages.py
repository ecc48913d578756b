"""All pages of the desk, put together."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.routing import Route

from channelsync.web.api.counter import Counter
from channelsync.web.dashboard.frame import Frame
from channelsync.web.desk.channels import ChannelPages
from channelsync.web.desk.desk import Desk
from channelsync.web.desk.quotas import QuotaPages
from channelsync.web.desk.repairs import RepairPages
from channelsync.web.options import WebOptions

__all__ = ["desk_routes"]


def desk_routes(counter: Counter, options: WebOptions) -> Sequence[Route]:
    """The routes of every page on which people change things."""
    desk = Desk(counter, Frame(counter.engine.now), options)
    return (*RepairPages(desk).routes, *ChannelPages(desk).routes, *QuotaPages(desk).routes)
