"""`/livez` and `/readyz`: whether the loop turns, and whether work can be done."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from http import HTTPStatus

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from channelsync.domain.permissions import Permission
from channelsync.engine.core import Engine
from channelsync.engine.status import view_status
from channelsync.store.tables import ChannelState
from channelsync.web.gate import Gate
from channelsync.web.problems import STORE_TROUBLE

__all__ = ["Probes"]


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
                await connection.execute(sa.text("SELECT 1"))
                status = await view_status(self._engine, connection)
        except sa.exc.SQLAlchemyError as error:
            return [_Check("store", ok=False, message=type(error).__name__)]
        checks = [_Check("store", ok=True, message="answers")]
        overdue = status.overdue_seconds
        message = "done in time" if overdue is None else f"waits since {overdue:.0f} s"
        checks.append(_Check("work", ok=overdue is None, message=message))
        checks += [
            _Check(f"channel {one.channel}", ok=True, message=one.last_error or one.state)
            for one in status.channels
            if one.failing_since is not None or one.state != ChannelState.ACTIVE
        ]
        return checks
