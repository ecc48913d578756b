"""`/endpoints`: where events are sent, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final, get_args
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync.engine.endpoints_desk import EndpointsDesk, UnknownEndpoint
from channelsync.web.api.counter import UseCase
from channelsync.web.api.endpoints import EndpointDeeds, Kind, NewEndpoint
from channelsync.web.dashboard.table import Column
from channelsync.web.desk.desk import Desk, Outcome, Question
from channelsync.web.desk.files import file_of, told
from channelsync.web.desk.forms import Form, read_form, validated
from channelsync.web.gate import principal_of
from channelsync.web.problems import Problem

__all__ = ["EndpointPages"]

DELIVERIES_MAX: Final = 50
KINDS: Final = tuple((kind, kind) for kind in get_args(Kind))

COLUMNS: Final = (
    Column("id", "endpoint"),
    Column("url", "address"),
    Column("types", "events"),
    Column("description", "description"),
    Column("created_at", "made", "when"),
    Column("created_by", "made by"),
    Column("failing_since", "failing since", "when"),
    Column("disabled_at", "stopped", "when"),
    Column("disabled_why", "why"),
)


class EndpointPages:
    """A page of all, and one of each."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._deeds = EndpointDeeds(desk.counter, desk.options)

    @property
    def routes(self) -> Sequence[Route]:
        """Where it all is."""
        path = "/endpoints/{endpoint_id}"
        return (
            Route("/endpoints", self.show_all, methods=["GET"]),
            Route("/endpoints", self.add, methods=["POST"]),
            Route("/endpoints.csv", self.save_all, methods=["GET"]),
            Route(path, self.show, methods=["GET"]),
            Route(f"{path}/rotate", self.rotate, methods=["POST"]),
            Route(f"{path}/enable", self.enable, methods=["POST"]),
            Route(f"{path}/test", self.test, methods=["POST"]),
            Route(f"{path}/remove", self.remove, methods=["POST"]),
        )

    async def show_all(self, request: Request) -> Response:
        """Every endpoint, and the form for one more."""
        return await self._all(request)

    async def save_all(self, request: Request) -> Response:
        """Every endpoint, as a file; secrets are nowhere."""
        engine = self._desk.engine
        async with engine.database.read() as tx:
            found = await self._deeds.desk(engine).list(tx)
        rows = (
            {
                **{column.key: getattr(one, column.key) for column in COLUMNS},
                "types": told(one.types),
            }
            for one in found
        )
        return file_of("endpoints", COLUMNS, rows)

    async def _all(
        self,
        request: Request,
        form: Form | None = None,
        outcome: Outcome | None = None,
        errors: Mapping[str, str] | None = None,
    ) -> Response:
        engine = self._desk.engine
        async with engine.database.read() as tx:
            found = await self._deeds.desk(engine).list(tx)
        made = outcome is not None and outcome.error is None
        return self._desk.page(
            request,
            "endpoints",
            active="endpoints",
            title="Endpoints",
            outcome=outcome,
            endpoints=found,
            kinds=KINDS,
            made=made,
            secret=outcome.revealed.get("secret", "") if outcome is not None else "",
            values={} if form is None or made else form.kept(),
            chosen=() if form is None or made else form.all("types"),
            errors=errors,
        )

    async def add(self, request: Request) -> Response:
        """Send events there from now on; the secret is on the page that answers alone."""
        form = await read_form(request)
        given = {
            "url": form.get("url"),
            "description": form.get("description"),
            "types": form.all("types") or None,
        }
        body, errors = validated(NewEndpoint, given)
        if body is None:
            return await self._all(request, form, errors=errors)
        act = self._deeds.adding(body, principal_of(request).name)
        return await self._all(
            request, form, await self._desk.do(request, form, "endpoint.add", act)
        )

    async def show(self, request: Request) -> Response:
        """One endpoint, with what became of its events."""
        return await self._one(request)

    async def _one(self, request: Request, outcome: Outcome | None = None) -> Response:
        engine, endpoint_id = self._desk.engine, request.path_params["endpoint_id"]
        desk = self._deeds.desk(engine)
        async with engine.database.read() as tx:
            try:
                deliveries = await desk.deliveries(
                    tx, endpoint_id, before=None, limit=DELIVERIES_MAX
                )
            except UnknownEndpoint as error:
                raise Problem(HTTPStatus.NOT_FOUND, str(error)) from None
            [found] = [one for one in await desk.list(tx) if one.id == endpoint_id]
        return self._desk.page(
            request,
            "endpoint",
            active="endpoints",
            title=found.url,
            outcome=outcome,
            endpoint=found,
            deliveries=deliveries,
            path=_path(endpoint_id),
            secret="" if outcome is None else outcome.revealed.get("secret", ""),
            rotated=outcome is not None and outcome.error is None,
        )

    async def rotate(self, request: Request) -> Response:
        """A new secret, which is on the page that answers alone."""
        form, endpoint_id = await read_form(request), request.path_params["endpoint_id"]
        if not form.is_sure:
            return self._desk.ask(request, form, _rotate_question(endpoint_id))
        act = self._deeds.changing(endpoint_id, EndpointsDesk.rotate)
        return await self._one(request, await self._desk.do(request, form, "endpoint.rotate", act))

    async def enable(self, request: Request) -> Response:
        """Send again."""
        act = self._deeds.changing(request.path_params["endpoint_id"], EndpointsDesk.enable)
        return await self._do(request, "endpoint.enable", act, "endpoint-enabled")

    async def test(self, request: Request) -> Response:
        """Send it an event of its own."""
        act = self._deeds.changing(request.path_params["endpoint_id"], EndpointsDesk.test)
        return await self._do(request, "endpoint.test", act, "endpoint-tested")

    async def remove(self, request: Request) -> Response:
        """Send nothing there any more."""
        form, endpoint_id = await read_form(request), request.path_params["endpoint_id"]
        if not form.is_sure:
            return self._desk.ask(request, form, _remove_question(endpoint_id))
        act = self._deeds.changing(endpoint_id, EndpointsDesk.remove)
        outcome = await self._desk.do(request, form, "endpoint.remove", act)
        if outcome.error is not None:
            return await self._all(request, None, outcome)
        return self._desk.go(form, "/endpoints", "endpoint-removed")

    async def _do(self, request: Request, action: str, act: UseCase, done: str) -> Response:
        form = await read_form(request)
        outcome = await self._desk.do(request, form, action, act)
        if outcome.error is not None:
            return await self._one(request, outcome)
        return self._desk.go(form, _path(request.path_params["endpoint_id"]), done)


def _path(endpoint_id: str) -> str:
    return f"/endpoints/{quote(endpoint_id, safe='')}"


def _rotate_question(endpoint_id: str) -> Question:
    return Question(
        title="Make a new secret?",
        text="The old one signs beside it for a day: put the new one into the receiving system by"
        " then. It is shown once.",
        button="Make a new secret",
        back=_path(endpoint_id),
        active="endpoints",
    )


def _remove_question(endpoint_id: str) -> Question:
    return Question(
        title="Remove the endpoint?",
        text="Nothing is sent there any more, what waits for it included. This cannot be undone.",
        button="Remove it",
        back=_path(endpoint_id),
        active="endpoints",
    )
