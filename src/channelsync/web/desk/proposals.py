"""`/proposals`: what waits for a second approver, with approve and refuse."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync.engine.proposals import Proposed, list_proposals
from channelsync.store.tables import proposals
from channelsync.web.api.counter import UseCase
from channelsync.web.approvals import approving, may_decide, refusing, told_of
from channelsync.web.desk.desk import Desk, Outcome
from channelsync.web.desk.forms import Form, number_of, read_form
from channelsync.web.gate import principal_of

__all__ = ["ProposalPages"]


class ProposalPages:
    """The page of proposals."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def routes(self) -> Sequence[Route]:
        """Where it all is."""
        return (
            Route("/proposals", self.show, methods=["GET"]),
            Route("/proposals/{number}/approve", self.approve, methods=["POST"]),
            Route("/proposals/{number}/refuse", self.refuse, methods=["POST"]),
        )

    async def show(self, request: Request) -> Response:
        """Those that wait, and what became of the others."""
        return await self._page(request)

    async def _page(self, request: Request, outcome: Outcome | None = None) -> Response:
        engine, me = self._desk.engine, principal_of(request)
        async with engine.database.read() as tx:
            found = await list_proposals(tx, now=engine.now())
        mine = [(one, told_of(one)) for one in found if may_decide(me, one)]
        return self._desk.page(
            request,
            "proposals",
            active="proposals",
            title="Proposals",
            outcome=outcome,
            waiting=[(one, told) for one, told in mine if one.state == "waiting"],
            ended=[(one, told) for one, told in mine if one.state != "waiting"],
            me=me.name,
            is_wanted=self._desk.options.approval_seconds is not None,
            details=_details,
        )

    async def approve(self, request: Request) -> Response:
        """Do what somebody else has proposed."""
        form, number, me = await read_form(request), number_of(request), principal_of(request)
        async with self._desk.engine.database.read() as tx:
            kind = await tx.scalar(sa.select(proposals.c.kind).where(proposals.c.id == number))
        act = approving(self._desk.options, number, me, request=request.scope["request_id"])
        return await self._do(request, form, kind or "proposal.approve", act, "approved")

    async def refuse(self, request: Request) -> Response:
        """End it without doing it."""
        form, act = await read_form(request), refusing(number_of(request), principal_of(request))
        return await self._do(request, form, "proposal.refuse", act, "proposal-refused")

    async def _do(
        self, request: Request, form: Form, action: str, act: UseCase, done: str
    ) -> Response:
        outcome = await self._desk.do(request, form, action, act)
        if outcome.error is not None:
            return await self._page(request, outcome)
        return self._desk.go(form, "/proposals", done)


def _details(proposed: Proposed) -> Sequence[tuple[str, str | Sequence[str]]]:
    """What it is about: short texts, and lines where there are several."""
    return [
        (name.replace("_", " "), value if isinstance(value, list) else str(value))
        for name, value in sorted(proposed.about.seen.items())
        if name != "sha256"
    ]
