"""Tills that ask: `POST /pos/v1/{channel}/sales` and `GET /pos/v1/{channel}/stock`.

Source: docs/reference/pos-interface.md, "Batches".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from channelsync.engine.core import Engine
from channelsync.engine.idempotency import Answer, Once
from channelsync.engine.till_desk import ROWS_MAX, RowResult, store_batch, view_shop_stock
from channelsync.ports import RunningChannel
from channelsync.sdk.connector import AcceptsSales
from channelsync.sdk.errors import Unauthentic
from channelsync.web.bodies import read_body
from channelsync.web.keys import answer_of, key_of
from channelsync.web.options import WebOptions
from channelsync.web.problems import Problem
from channelsync.web.receivers import as_webhook, open_channel

__all__ = ["Tills"]

_log = structlog.get_logger("channelsync.web")


class Tills:
    """The two routes. Each request proves that it is the till's own."""

    def __init__(self, engine: Engine, options: WebOptions, once: Once) -> None:
        self._engine = engine
        self._options = options
        self._once = once

    async def sales(self, request: Request) -> Response:
        """Take a batch in; one result a row, in their order."""
        running, door = await self._door(request)
        body = await read_body(request)
        self._prove(running, door, request, body)
        rows = _rows_of(body)
        key = key_of(request, f"pos/{running.name}")

        async def act(tx: AsyncConnection) -> Answer:
            results = await store_batch(tx, running.name, door, rows, now=self._engine.now())
            told = {"results": [_told(result) for result in results]}
            return Answer(status=HTTPStatus.OK, body=json.dumps(told))

        return await answer_of(self._once, key, hashlib.sha256(body).hexdigest(), act)

    async def stock(self, request: Request) -> Response:
        """What the till may sell: everything, or what changed since its last question."""
        running, door = await self._door(request)
        self._prove(running, door, request, await read_body(request))
        since = _since(request.query_params.get("since", "0"))
        location = request.query_params.get("location")
        async with self._engine.database.read() as connection:
            stock = await view_shop_stock(connection, running.name, location, since=since)
        if stock is None:
            raise Problem(HTTPStatus.BAD_REQUEST, f"there is no location {location!r}")
        tag = f'"{stock.version}-{since}"'
        headers = {"etag": tag, "cache-control": "private, no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        as_of = datetime.fromtimestamp(self._engine.now(), UTC).isoformat(timespec="seconds")
        items = [
            {
                "sku": item.sku,
                "available": str(item.available),
                "on_hand": str(item.on_hand),
                "version": item.version,
                "as_of": as_of.replace("+00:00", "Z"),
            }
            for item in stock.items
        ]
        return JSONResponse({"items": items, "next": str(stock.version)}, headers=headers)

    async def _door(self, request: Request) -> tuple[RunningChannel, AcceptsSales]:
        running = await open_channel(self._engine, request.path_params["channel"])
        if not isinstance(running.channel, AcceptsSales):
            raise Problem(HTTPStatus.NOT_FOUND, "this channel is no till")
        return running, running.channel

    def _prove(
        self, running: RunningChannel, door: AcceptsSales, request: Request, body: bytes
    ) -> None:
        now = self._engine.now()
        try:
            door.authenticate(as_webhook(request, body, self._options.public_url, now))
        except Unauthentic as error:
            _log.warning("till refused", channel=running.name, why=str(error))
            raise Problem(HTTPStatus.UNAUTHORIZED) from None
        except Exception:  # noqa: BLE001 - what cannot be proven is never accepted
            _log.exception("till could not be authenticated", channel=running.name)
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "try again later") from None


def _rows_of(body: bytes) -> list[Mapping[str, Any]]:
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is no JSON") from None
    rows = given.get("sales") if isinstance(given, Mapping) else None
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise Problem(HTTPStatus.BAD_REQUEST, 'write {"sales": [{…}, …]}')
    if len(rows) > ROWS_MAX:
        raise Problem(HTTPStatus.BAD_REQUEST, f"{len(rows)} rows: send at most {ROWS_MAX} at once")
    return rows


def _told(result: RowResult) -> dict[str, str]:
    return {name: value for name, value in asdict(result).items() if value}


def _since(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(2**63))):
        raise Problem(HTTPStatus.BAD_REQUEST, "since: give the `next` of an earlier answer")
    return int(text)
