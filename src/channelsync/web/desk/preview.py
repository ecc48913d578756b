"""What a proposed file would change: its lines, and what every channel would hold."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.configuration.problems import Problem
from channelsync.engine.core import Engine
from channelsync.engine.plan import PlannedPush, StockPlan, view_plan
from channelsync.engine.propose import Proposal, propose
from channelsync.store.tables import items, recipes

__all__ = ["Line", "PlanPreview", "TargetChange", "difference", "marked_lines", "plan_preview"]

ITEMS_MAX: Final = 300
ROWS_MAX: Final = 60
AROUND: Final = 2
"""Lines that are shown before and after one with a problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a listing; `look` is gone, came, wrong, gap or nothing."""

    number: int | None
    text: str
    look: str = ""
    problems: Sequence[Problem] = ()


def difference(before: str, after: str) -> Sequence[Line]:
    """The lines that go and come, with what stands around them."""
    return list(_difference(before.splitlines(), after.splitlines()))


def _difference(before: Sequence[str], after: Sequence[str]) -> Iterator[Line]:
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for number, group in enumerate(matcher.get_grouped_opcodes(AROUND)):
        if number:
            yield Line(number=None, text="…", look="gap")
        for kind, first, last, start, end in group:
            if kind == "equal":
                for index in range(start, end):
                    yield Line(number=index + 1, text=after[index])
                continue
            for index in range(first, last):
                yield Line(number=index + 1, text=before[index], look="gone")
            for index in range(start, end):
                yield Line(number=index + 1, text=after[index], look="came")


def marked_lines(text: str, problems: Sequence[Problem]) -> Sequence[Line]:
    """The lines with problems, each with them, and what stands around."""
    lines = text.splitlines() or [""]
    by_line: dict[int, list[Problem]] = {}
    for problem in problems:
        if problem.line is not None:
            by_line.setdefault(min(problem.line, len(lines)), []).append(problem)
    wanted = sorted(
        {
            number
            for line in by_line
            for number in range(line - AROUND, line + AROUND + 1)
            if 1 <= number <= len(lines)
        }
    )
    found: list[Line] = []
    for number in wanted:
        if found and (found[-1].number or 0) < number - 1:
            found.append(Line(number=None, text="…", look="gap"))
        wrong = by_line.get(number, [])
        look = "wrong" if wrong else ""
        found.append(Line(number=number, text=lines[number - 1], look=look, problems=wrong))
    return found


# ------------------------------------------------------------------ the plan


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetChange:
    """What one listing should hold before and after, in listing units."""

    sku: str
    channel: str
    exposure: int | None
    before: int | None
    after: int | None
    push: PlannedPush | None
    waits: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPreview:
    """What would be pushed, and whose targets would be others."""

    pushes: int
    by_kind: Counter[str]
    shadow_pushes: int
    notes: Sequence[str]
    changes: Sequence[TargetChange]
    more: int
    """Changes beyond those that are shown."""
    looked_at: int
    is_part: bool
    """Whether there are more items than were looked at."""


async def plan_preview(engine: Engine, proposal: Proposal) -> PlanPreview:
    """Plan as the file is and as it is proposed. Nothing is written."""
    async with engine.database.read() as tx:
        skus = await _listed(tx)
        is_part, skus = len(skus) > ITEMS_MAX, skus[:ITEMS_MAX]
        now = await view_plan(engine, tx, skus) if skus else None
    async with engine.database.read() as tx:
        notes = await propose(tx, proposal.setup, now=engine.now())
        changed = replace(engine, policy=proposal.policy)
        planned = await view_plan(changed, tx, skus, notes=notes) if skus else None
    changes = _changes(now, planned) if now is not None and planned is not None else []
    return PlanPreview(
        pushes=0 if planned is None else planned.pushes,
        by_kind=Counter() if planned is None else planned.counts(),
        shadow_pushes=0 if planned is None else planned.shadow_pushes,
        notes=notes if planned is None else planned.notes,
        changes=changes[:ROWS_MAX],
        more=max(len(changes) - ROWS_MAX, 0),
        looked_at=len(skus),
        is_part=is_part,
    )


async def _listed(tx: AsyncConnection) -> list[str]:
    listed = sa.select(recipes.c.item_id).distinct()
    query = sa.select(items.c.sku).where(items.c.id.in_(listed)).order_by(items.c.sku)
    return list((await tx.execute(query.limit(ITEMS_MAX + 1))).scalars())


def _changes(now: StockPlan, planned: StockPlan) -> list[TargetChange]:
    before = {
        (item.sku, one.channel, one.sku): one.target for item in now.items for one in item.listings
    }
    found: list[TargetChange] = []
    for item in planned.items:
        for one in item.listings:
            was = before.pop((item.sku, one.channel, one.sku), None)
            if was != one.target:
                found.append(
                    TargetChange(
                        sku=item.sku,
                        channel=one.channel,
                        exposure=one.exposure,
                        before=was,
                        after=one.target,
                        push=one.push,
                        waits=one.waits,
                    )
                )
    found += [
        TargetChange(
            sku=sku,
            channel=channel,
            exposure=None,
            before=was,
            after=None,
            push=None,
            waits="the channel is not in the file any more",
        )
        for (sku, channel, _), was in before.items()
    ]
    return found
