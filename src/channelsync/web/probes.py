"""`/livez` and `/readyz`: whether the loop turns, and whether work can be done."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Final

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from channelsync.domain.permissions import Permission
from channelsync.engine.core import Engine
from channelsync.engine.status import view_overdue
from channelsync.store import tables
from channelsync.store.tables import ChannelState
from channelsync.web.gate import Gate
from channelsync.web.problems import STORE_TROUBLE

__all__ = ["Probes"]

# Asked every few seconds, and late is as bad as no: nothing here grows with the books.
_CHANNELS: Final = tables.channels.c
_TROUBLED: Final = (
    sa.select(_CHANNELS.name, _CHANNELS.state, _CHANNELS.last_error)
    .where(sa.or_(_CHANNELS.failing_since.is_not(None), _CHANNELS.state != ChannelState.ACTIVE))
    .order_by(_CHANNELS.name)
)


@dataclass(frozen=True, slots=True)
class _Check:
    name: str
    ok: bool
    """False makes the whole not ready; a channel that fails does not: the others go on."""
    message: str


class Probes:
    """Answers of one process."""

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self._engine = engine
        self._gate = gate

    async def live(self, _request: Request) -> Response:
        """The event loop turns."""
        return PlainTextResponse("ok\n")

    async def ready(self, request: Request) -> Response:
        """The store answers and work is done; with `verbose`, all in detail to who may read."""
        checks = await self._checks()
        ok = all(check.ok for check in checks)
        status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
        if "verbose" not in request.query_params or not await self._may_see(request):
            return PlainTextResponse("ok\n" if ok else "not ready\n", status_code=status)
        body = {"ok": ok, "checks": [asdict(check) for check in checks]}
        return JSONResponse(body, status_code=status)

    async def _may_see(self, request: Request) -> bool:
        try:
            return await self._gate.may(request.scope, Permission.READ)
        except STORE_TROUBLE:
            return False

    async def _checks(self) -> list[_Check]:
        database = self._engine.database
        try:
            async with database.read() as connection:
                overdue = await view_overdue(connection, self._engine.now())
                channels = (await connection.execute(_TROUBLED)).all()
        except sa.exc.SQLAlchemyError as error:
            return [_Check("store", ok=False, message=type(error).__name__)]
        checks = [_Check("store", ok=True, message="answers")]
        message = "done in time" if overdue is None else f"waits since {overdue:.0f} s"
        checks.append(_Check("work", ok=overdue is None, message=message))
        checks += [
            _Check(f"channel {one.name}", ok=True, message=one.last_error or one.state)
            for one in channels
        ]
        return checks
