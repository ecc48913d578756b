"""Business figures: how well the stock is used, as numbers and day by day as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from channelsync.engine.browse import Rows, Wanted
from channelsync.engine.business import view_business
from channelsync.engine.business_days import Day, view_days
from channelsync.engine.core import Engine
from channelsync.web.api.books import require_everywhere
from channelsync.web.dashboard.frame import Frame
from channelsync.web.dashboard.table import Column, Table, chosen

__all__ = ["DAYS_TABLE", "Chart", "chart_of", "show_figures"]

PERIODS: Final = ("7", "30", "90", "365")
DAYS: Final = 30
WIDTH: Final = 100.0
HEIGHT: Final = 30.0


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars over days, in hundredths of the width and parts of the height."""

    key: str
    title: str
    look: str
    bars: tuple[tuple[float, float, float, float], ...]
    """Place, top, width and height of each."""
    most: int
    total: int
    said: str
    """The same in a sentence."""


def chart_of(key: str, title: str, look: str, days: Sequence[Day]) -> Chart:
    """One number of every day as a bar."""
    values = [int(getattr(day, key)) for day in days]
    most, each = max(values, default=0), WIDTH / max(len(values), 1)
    bars = tuple(
        (place * each, HEIGHT - HEIGHT * value / most, each * 0.78, HEIGHT * value / most)
        for place, value in enumerate(values)
        if value
    )
    said = f"{title}: {sum(values)} in {len(values)} days, at most {most} on one"
    return Chart(key, title, look, bars, most, sum(values), said)


def _period(wanted: str | None) -> int:
    return int(wanted) if wanted in PERIODS else DAYS


async def show_figures(engine: Engine, frame: Frame, request: Request) -> Response:
    """The page.

    Raises:
        Problem: the visitor is kept to a part of the house (403).
    """
    require_everywhere(request)
    days = _period(request.query_params.get("days"))
    async with engine.database.read() as tx:
        figures = await view_business(engine, tx, days=days)
        found = await view_days(tx, now=engine.now(), days=days)
    charts = [
        chart_of("sold", "Units sold", "c0", found),
        chart_of("shipped", "Units shipped", "c3", found),
        chart_of("pushes", "Pushes sent", "c2", found),
        chart_of("oversold", "Units oversold", "over", found),
    ]
    return frame.page(
        request,
        "figures.html",
        active="figures",
        title="Figures",
        figures=figures,
        charts=charts,
        days=days,
        periods=PERIODS,
        first=found[0].begins_at,
    )


async def _days(engine: Engine, tx: AsyncConnection, wanted: Wanted) -> Rows:
    found = await view_days(tx, now=engine.now(), days=_period(wanted.kind))
    return [_row(day) for day in reversed(found)]


def _row(day: Day) -> Mapping[str, Any]:
    each = day.pushes_a_unit
    return {**asdict(day), "pushes_a_unit": None if each is None else f"{each:.2f}"}


DAYS_TABLE: Final = Table(
    key="days",
    path="/figures/days",
    title="Day by day",
    about="What was sold, shipped, pushed and oversold on each day, as UTC counts days.",
    columns=(
        Column("begins_at", "Day", "day"),
        Column("sold", "Units sold", "number"),
        Column("shipped", "Units shipped", "number"),
        Column("oversold", "Units oversold", "number"),
        Column("pushes", "Pushes sent", "number"),
        Column("pushes_a_unit", "Pushes a unit sold", "decimal"),
    ),
    read=_days,
    paged=False,
    whole_house=True,
    filters=(chosen("days", "Days", PERIODS, "kind"),),
    empty="There are no days yet.",
)
