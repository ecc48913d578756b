"""`/api/v1/proposals`: what waits for a second approver, and what became of the others."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from channelsync.engine.core import Engine
from channelsync.engine.proposals import list_proposals
from channelsync.web.api.proposed import ProposalShown
from channelsync.web.api.shapes import ERRORS, Shown
from channelsync.web.approvals import may_decide, shown_proposal
from channelsync.web.gate import principal_of

__all__ = ["proposals_router"]


class Proposals(Shown):
    """Those that wait first, then the newest."""

    items: list[ProposalShown]


def proposals_router(engine: Engine) -> APIRouter:
    """The route."""
    router = APIRouter(prefix="/api/v1/proposals", tags=["proposals"], responses=ERRORS)

    @router.get("", response_model=Proposals)
    async def list_all(request: Request) -> Any:
        """What was proposed and the caller may decide about; a user approves on the dashboard."""
        me, now = principal_of(request), engine.now()
        async with engine.database.read() as tx:
            found = await list_proposals(tx, now=now)
        return {"items": [shown_proposal(one) for one in found if may_decide(me, one)]}

    return router
