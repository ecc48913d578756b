"""What every page of the desk uses: its frame, doing a thing once, asking whether one is sure.

A form is answered by a redirect to a page that says what was done; one that is refused comes back
as it was filled in, with what is wrong. Two clicks are one deed: each form bears a key.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from channelsync.engine.core import Engine
from channelsync.engine.idempotency import KeyInFlight, KeyReused, Outside
from channelsync.web.api.counter import Counter, Risky, UseCase
from channelsync.web.dashboard.frame import Frame, Message
from channelsync.web.desk.forms import Form
from channelsync.web.desk.said import DONE
from channelsync.web.gate import principal_of
from channelsync.web.options import WebOptions
from channelsync.web.problems import Problem
from channelsync.web.reveals import Reveals

__all__ = ["Desk", "Outcome", "Question"]

BACK: Final = ("/repairs", "/dead-letters")
"""Pages whose buttons lead back to them, wherever the deed itself lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a form."""

    status: int
    answer: Mapping[str, Any]
    revealed: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None
    """Why it was refused; nothing was changed."""

    @property
    def is_proposed(self) -> bool:
        """Whether it waits for a second approver in place of being done."""
        return self.status == HTTPStatus.ACCEPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Whether somebody is sure of what cannot be undone."""

    title: str
    text: str
    button: str
    back: str
    active: str


@dataclass(slots=True)
class Desk:
    """One for all pages."""

    counter: Counter
    frame: Frame
    options: WebOptions
    _reveals: Reveals = field(default_factory=Reveals)

    @property
    def engine(self) -> Engine:
        """The engine."""
        return self.counter.engine

    def page(
        self,
        request: Request,
        template: str,
        *,
        active: str,
        title: str,
        error: str | None = None,
        status: int = HTTPStatus.OK,
        outcome: Outcome | None = None,
        errors: Mapping[str, Any] | None = None,
        **given: Any,
    ) -> Response:
        """A page with what was done last, or what is wrong, above it.

        `outcome` is what became of a form on it, `errors` what is wrong in one, by field. What
        else is given goes to the frame (`crumbs`) and the template.
        """
        if outcome is not None:
            error, status = outcome.error, outcome.status
        elif errors and status == HTTPStatus.OK:
            status = HTTPStatus.UNPROCESSABLE_ENTITY
        message = Message("bad", error) if error else _done(request)
        return self.frame.page(
            request,
            f"desk/{template}.html",
            active=active,
            title=title,
            message=message,
            status=status,
            once=self.engine.environment.new_id(),
            may=principal_of(request).may,
            errors=errors or {},
            **given,
        )

    async def do(
        self,
        request: Request,
        form: Form,
        action: str,
        use_case: UseCase,
        *,
        outside: Outside | None = None,
        risky: Risky | None = None,
    ) -> Outcome:
        """Do it once, with an entry in the audit trail; a refusal is an outcome like any other."""
        try:
            answer, revealed = await self.counter.perform(
                request,
                action,
                use_case,
                key=form.key,
                fingerprint=form.fingerprint,
                outside=outside,
                risky=risky,
            )
        except KeyReused:
            return _refused(
                HTTPStatus.CONFLICT,
                "this form was sent before, with something else in it: see what that did, and send"
                " this one if you still want it",
            )
        except KeyInFlight:
            return _refused(HTTPStatus.CONFLICT, "it is being done: reload the page in a moment")
        except Problem as problem:
            return _refused(problem.status, problem.detail)
        body: Mapping[str, Any] = json.loads(answer.body)
        if answer.status >= HTTPStatus.BAD_REQUEST:
            return _refused(answer.status, str(body.get("detail") or body["title"]))
        key, now = f"{principal_of(request).name} {form.key}", self.engine.now()
        if revealed:
            self._reveals.put(key, revealed, now)
        shown = revealed or self._reveals.get(key, now)
        return Outcome(status=answer.status, answer=body, revealed=shown)

    def ask(self, request: Request, form: Form, question: Question) -> Response:
        """The page that asks whether somebody is sure; its button sends the same form again."""
        return self.page(
            request,
            "sure",
            active=question.active,
            title=question.title,
            question=question,
            action=form.path,
            fields=form.kept(),
        )

    def go(self, form: Form, page: str, done: str) -> Response:
        """On to the page that says what was done."""
        wanted = form.get("back")
        goal = wanted if wanted in BACK else page
        return RedirectResponse(
            f"{goal}{'&' if '?' in goal else '?'}done={done}", HTTPStatus.SEE_OTHER
        )


def _refused(status: int, detail: str) -> Outcome:
    return Outcome(status=status, answer={}, error=detail)


def _done(request: Request) -> Message | None:
    """What was done, by its name in the address: nobody can put words of his own there."""
    text = DONE.get(request.query_params.get("done", ""))
    return None if text is None else Message("good", text)
