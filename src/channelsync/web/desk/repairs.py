"""`/repairs` and `/dead-letters`: what wants a person, with its fix as a button."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal
from urllib.parse import quote, urlencode

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync.engine.dead_letters import list_dead_letters
from channelsync.engine.fixes import Fix, FixVerb
from channelsync.engine.proposals import list_proposals
from channelsync.engine.repairs import Repairs, view_repairs
from channelsync.web.api.deeds import acknowledging, deciding, dropping
from channelsync.web.approvals import may_decide
from channelsync.web.desk.desk import Desk, Outcome, Question
from channelsync.web.desk.forms import number_of, read_form
from channelsync.web.gate import principal_of

__all__ = ["RepairPages"]

_LABELS: Final[Mapping[FixVerb, str]] = {
    FixVerb.REPLAY: "Replay it",
    FixVerb.DROP: "Drop it …",
    FixVerb.RESUME: "Resume the channel",
    FixVerb.LOOK_AGAIN: "Look again now",
    FixVerb.FORGET: "Forget the channel …",
    FixVerb.ENABLE: "Enable it again",
    FixVerb.TEST: "Send a test message",
    FixVerb.COUNT: "Count the item",
    FixVerb.CONFIGURE: "Edit the file",
    FixVerb.ACKNOWLEDGE: "I have seen it",
}


@dataclass(frozen=True, slots=True)
class _Button:
    """A fix as the page has it: a form to send, or a link to where it is done."""

    label: str
    href: str
    posts: bool
    fix: Fix


def _button(fix: Fix) -> _Button:
    target = quote(fix.target, safe="")
    posts = {
        FixVerb.REPLAY: f"/dead-letters/{target}/replay",
        FixVerb.DROP: f"/dead-letters/{target}/drop",
        FixVerb.RESUME: f"/change/channels/{target}/resume",
        FixVerb.LOOK_AGAIN: f"/change/channels/{target}/look-again",
        FixVerb.FORGET: f"/change/channels/{target}/forget",
        FixVerb.ACKNOWLEDGE: f"/repairs/{target}/acknowledge",
    }
    links = {
        FixVerb.ENABLE: f"/endpoints/{target}",
        FixVerb.TEST: "/notifications",
        FixVerb.COUNT: f"/change/stock?{urlencode({'sku': fix.target})}",
        FixVerb.CONFIGURE: "/quotas",
    }
    href = posts.get(fix.verb) or links[fix.verb]
    return _Button(_LABELS[fix.verb], href, fix.verb in posts, fix)


class RepairPages:
    """The two pages."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def routes(self) -> Sequence[Route]:
        """Where it all is."""
        return (
            Route("/repairs", self.show, methods=["GET"]),
            Route("/repairs/{number}/acknowledge", self.acknowledge, methods=["POST"]),
            Route("/dead-letters", self.letters, methods=["GET"]),
            Route("/dead-letters/{number}/replay", self.replay, methods=["POST"]),
            Route("/dead-letters/{number}/drop", self.drop, methods=["POST"]),
        )

    async def show(self, request: Request) -> Response:
        """Everything that wants a person."""
        return await self._repairs(request)

    async def _repairs(
        self, request: Request, *, error: str | None = None, status: int = HTTPStatus.OK
    ) -> Response:
        engine, me = self._desk.engine, principal_of(request)
        async with engine.database.read() as tx:
            found = await view_repairs(tx, now=engine.now(), reach=me.reach)
            proposed = await self._proposed(request, tx)
        kind = request.query_params.get("kind", "")
        shown = [one for one in found.items if not kind or one.kind == kind]
        rows = [
            (one, [_button(fix) for fix in one.fixes if me.may(fix.permission)]) for one in shown
        ]
        return self._desk.page(
            request,
            "repairs",
            active="repairs",
            title="Repairs",
            error=error,
            status=status,
            rows=rows,
            proposed=proposed,
            kind=kind,
            counts=found.counts,
            total=found.total,
            beyond=_beyond(found, kind),
        )

    async def _proposed(self, request: Request, tx: AsyncConnection) -> int:
        """How many proposals wait for somebody who may decide as whoever asks may."""
        if self._desk.options.approval_seconds is None:
            return 0
        found, me = await list_proposals(tx, now=self._desk.engine.now()), principal_of(request)
        return sum(one.state == "waiting" and may_decide(me, one) for one in found)

    async def acknowledge(self, request: Request) -> Response:
        """End an alarm about something past."""
        form = await read_form(request)
        number = number_of(request)
        act = acknowledging(number, principal_of(request).reach)
        outcome = await self._desk.do(request, form, "alarm.acknowledge", act)
        if outcome.error is not None:
            return await self._repairs(request, error=outcome.error, status=outcome.status)
        return self._desk.go(form, "/repairs", "acknowledged")

    # -------------------------------------------------------------- dead letters

    async def letters(self, request: Request) -> Response:
        """Deliveries that wait for a decision."""
        return await self._letters(request)

    async def _letters(self, request: Request, outcome: Outcome | None = None) -> Response:
        reach = principal_of(request).reach
        async with self._desk.engine.database.read() as tx:
            found = await list_dead_letters(tx)
        return self._desk.page(
            request,
            "letters",
            active="dead-letters",
            title="Dead letters",
            outcome=outcome,
            letters=[one for one in found if reach.has_channel(one.channel or "")],
        )

    async def replay(self, request: Request) -> Response:
        """Have it applied once more."""
        return await self._decide(request, "replay", "replayed")

    async def drop(self, request: Request) -> Response:
        """Decide that it is not needed."""
        return await self._decide(request, "drop", "dropped")

    async def _decide(
        self, request: Request, verb: Literal["replay", "drop"], done: str
    ) -> Response:
        form, number = await read_form(request), number_of(request)
        if verb == "drop" and not form.is_sure:
            return self._desk.ask(request, form, _drop_question(number))
        act = deciding(number, verb, principal_of(request).reach)
        risky = dropping(number) if verb == "drop" else None
        outcome = await self._desk.do(request, form, f"dead_letter.{verb}", act, risky=risky)
        if outcome.error is not None:
            return await self._letters(request, outcome)
        return self._desk.go(form, "/dead-letters", "proposed" if outcome.is_proposed else done)


def _beyond(found: Repairs, kind: str) -> int:
    """How many are not on the page."""
    if not kind:
        return found.total - len(found.items)
    return found.counts.get(kind, 0) - sum(one.kind == kind for one in found.items)


def _drop_question(number: int) -> Question:
    return Question(
        title=f"Drop dead letter {number}?",
        text="It is never applied then. The order that it spoke of is found by polling, where the"
        " channel still shows it. This cannot be undone.",
        button="Drop it",
        back="/dead-letters",
        active="dead-letters",
    )
