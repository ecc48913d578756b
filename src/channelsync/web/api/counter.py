"""The counter: runs a use case once for its key, tells the audit trail, and answers.

The key, what was done, its entry in the trail and the answer are one transaction. A refusal rolls
its own savepoint back and is an answer like any other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from http import HTTPStatus
from typing import Any, Final

from msgspec import Struct, structs
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from channelsync.configuration.editing import FileChanged, FileUnwritable
from channelsync.domain.errors import HoldConflict, TransferConflict
from channelsync.domain.permissions import Principal, Reach
from channelsync.engine.alarm_desk import AlarmStands, UnknownAlarm
from channelsync.engine.audit import note_change
from channelsync.engine.channel_desk import ChannelRefused, UnknownChannel
from channelsync.engine.core import Engine
from channelsync.engine.dead_letters import DeadLetterEnded, UnknownDeadLetter
from channelsync.engine.endpoints_desk import EndpointRefused, UnknownEndpoint
from channelsync.engine.idempotency import Act, Answer, Once, Outside
from channelsync.engine.identity_errors import IdentityError, UnknownKey, UnknownUser
from channelsync.engine.proposals import ProposalRefused, UnknownProposal
from channelsync.engine.stock_errors import (
    ItemExists,
    StaleCount,
    StockError,
    UnknownItem,
    UnknownLocation,
)
from channelsync.security.passwords import PasswordTooWeak
from channelsync.store.audit_chain import Change
from channelsync.store.database import Joined
from channelsync.web.gate import LOCAL, principal_of
from channelsync.web.keys import answer_of, key_of
from channelsync.web.problems import Problem, problem_body

__all__ = [
    "Counter",
    "Deed",
    "Propose",
    "Refusal",
    "Risky",
    "UseCase",
    "plain",
    "refused_as",
    "require_reach",
]

_STATUSES: Final[tuple[tuple[type[Exception], int], ...]] = (
    (UnknownItem, HTTPStatus.NOT_FOUND),
    (UnknownLocation, HTTPStatus.NOT_FOUND),
    (UnknownChannel, HTTPStatus.NOT_FOUND),
    (UnknownDeadLetter, HTTPStatus.NOT_FOUND),
    (UnknownUser, HTTPStatus.NOT_FOUND),
    (UnknownKey, HTTPStatus.NOT_FOUND),
    (UnknownEndpoint, HTTPStatus.NOT_FOUND),
    (UnknownAlarm, HTTPStatus.NOT_FOUND),
    (UnknownProposal, HTTPStatus.NOT_FOUND),
    (ProposalRefused, HTTPStatus.CONFLICT),
    (EndpointRefused, HTTPStatus.UNPROCESSABLE_ENTITY),
    (ItemExists, HTTPStatus.CONFLICT),
    (StaleCount, HTTPStatus.CONFLICT),
    (ChannelRefused, HTTPStatus.CONFLICT),
    (DeadLetterEnded, HTTPStatus.CONFLICT),
    (AlarmStands, HTTPStatus.CONFLICT),
    (FileChanged, HTTPStatus.CONFLICT),
    (FileUnwritable, HTTPStatus.CONFLICT),
    (HoldConflict, HTTPStatus.CONFLICT),
    (TransferConflict, HTTPStatus.CONFLICT),
    (StockError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (PasswordTooWeak, HTTPStatus.UNPROCESSABLE_ENTITY),
    (IdentityError, HTTPStatus.CONFLICT),
)
"""The status of every refusal; the first line that fits."""


class Refusal(Exception):
    """A use case's own refusal, with the status that it is answered with."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """What was done."""

    answer: BaseModel
    subject: str | None = None
    """What it was done to: `item:MUG`, `channel:amazon-us`. None: the trail knows already."""
    before: Any = None
    after: Any = None
    revealed: Mapping[str, str] | None = None
    """Joins the first answer and is kept nowhere: a key's text."""


UseCase = Callable[[Engine, AsyncConnection], Awaitable[Deed]]
"""Works in the transaction that it is given, over an engine whose database is joined to it."""


@dataclass(frozen=True, slots=True)
class Risky:
    """A request that may want a second approver, as it can be done later by another."""

    kind: str
    """As the trail calls the act."""
    request: Mapping[str, Any]
    """JSON and nothing else."""


Propose = Callable[[Risky, Principal], UseCase]
"""Keeps a risky request for a second approver in place of doing it."""


class Counter:
    """Where the API's unsafe requests are served."""

    def __init__(self, engine: Engine, once: Once, propose: Propose | None = None) -> None:
        self.engine = engine
        self.once = once
        self._propose = propose

    async def serve(
        self,
        request: Request,
        action: str,
        use_case: UseCase,
        *,
        body: BaseModel | None = None,
        status: int = HTTPStatus.OK,
        outside: Outside | None = None,
        risky: Risky | None = None,
    ) -> Response:
        """Do it once, and answer; or keep it for a second approver (202), where it is `risky`.

        `outside` comes before the transaction, unless the key was answered already.
        """
        revealed: dict[str, str] = {}
        act = self._act(request, action, use_case, status, revealed, risky)
        key = key_of(request, f"api/{principal_of(request).name}")
        fingerprint = _fingerprint(request, body)
        answer = await answer_of(self.once, key, fingerprint, act, outside)
        return _with(answer, revealed) if revealed else answer

    async def perform(
        self,
        request: Request,
        action: str,
        use_case: UseCase,
        *,
        key: str,
        fingerprint: str,
        outside: Outside | None = None,
        risky: Risky | None = None,
    ) -> tuple[Answer, Mapping[str, str]]:
        """The same for a page: the answer, and what only its first copy bears.

        Raises:
            KeyReused, KeyInFlight: the key was used for something else, or is being answered.
        """
        revealed: dict[str, str] = {}
        act = self._act(request, action, use_case, HTTPStatus.OK, revealed, risky)
        key = f"page/{principal_of(request).name}/{key}"
        return await self.once.answer(key, fingerprint, act, outside), revealed

    def _act(
        self,
        request: Request,
        action: str,
        use_case: UseCase,
        status: int,
        revealed: dict[str, str],
        risky: Risky | None,
    ) -> Act:
        principal = principal_of(request)
        if risky is not None and self._propose is not None and principal is not LOCAL:
            use_case, status = self._propose(risky, principal), HTTPStatus.ACCEPTED
            action = "proposal.make"
        change = Change(
            at=self.engine.now(),
            actor=principal.name,
            action=action,
            subject="",
            request=request.scope["request_id"],
        )

        async def act(tx: AsyncConnection) -> Answer:
            joined = replace(self.engine, database=Joined(self.engine.database, tx))
            try:
                async with tx.begin_nested():
                    deed = await use_case(joined, tx)
            except Exception as error:
                if (refusal := refused_as(error)) is None:
                    raise
                return refusal
            if deed.subject is not None:
                sides = {"before": plain(deed.before), "after": plain(deed.after)}
                await note_change(tx, replace(change, subject=deed.subject, **sides))
            revealed.update(deed.revealed or {})
            return Answer(status=status, body=deed.answer.model_dump_json())

        return act


def _with(answer: Response, revealed: Mapping[str, str]) -> Response:
    whole = json.loads(bytes(answer.body)) | revealed
    return Response(json.dumps(whole), status_code=answer.status_code, media_type=answer.media_type)


def _fingerprint(request: Request, body: BaseModel | None) -> str:
    """The whole request: method, path, condition and body."""
    said = (
        request.method,
        request.url.path,
        request.headers.get("if-match", ""),
        "" if body is None else body.model_dump_json(),
    )
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


def refused_as(error: Exception) -> Answer | None:
    """A refusal as an answer; None: no refusal but a fault."""
    if isinstance(error, Refusal):
        return Answer(status=error.status, body=problem_body(error.status, str(error)))
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return Answer(status=status, body=problem_body(status, str(error)))
    return None


def plain(value: Any) -> Any:
    """A value as the audit trail keeps it: JSON and nothing else."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Struct):
        return plain(structs.asdict(value))
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [plain(one) for one in value]
    return value


def require_reach(
    principal: Principal, *, channel: str | None = None, location: str | None = None
) -> Reach:
    """The caller's reach.

    Raises:
        Problem: the channel or location is out of it: as if there were none (404).
    """
    reach = principal.reach
    if channel is not None and not reach.has_channel(channel):
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no channel {channel!r}")
    if location is not None and not reach.has_location(location):
        raise Problem(HTTPStatus.NOT_FOUND, f"there is no location {location!r}")
    return reach
