"""`/keys`: programs that may ask, what for, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync.domain.permissions import UNBOUNDED, Permission
from channelsync.engine.core import Engine
from channelsync.engine.keys_desk import DAYS_DEFAULT, KeysDesk
from channelsync.web.api.counter import Deed
from channelsync.web.api.people import KeyShown, NewKey
from channelsync.web.dashboard.table import Column
from channelsync.web.desk.desk import Desk, Outcome, Question
from channelsync.web.desk.files import file_of, told
from channelsync.web.desk.forms import Form, number, read_form, validated
from channelsync.web.desk.reaching import known_places, reach_from
from channelsync.web.gate import principal_of

__all__ = ["KeyPages"]

_SCOPES = tuple((one, f"{one}{' (whole house)' if one in UNBOUNDED else ''}") for one in Permission)

COLUMNS: Final = (
    Column("id", "key"),
    Column("name", "name"),
    Column("scopes", "scopes"),
    Column("channels", "channels"),
    Column("locations", "locations"),
    Column("created_at", "made", "when"),
    Column("created_by", "made by"),
    Column("used_at", "used last", "when"),
    Column("expires_at", "ends", "when"),
    Column("revoked_at", "revoked", "when"),
)


class KeyPages:
    """One page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def routes(self) -> Sequence[Route]:
        """Where it all is."""
        return (
            Route("/keys", self.show, methods=["GET"]),
            Route("/keys", self.make, methods=["POST"]),
            Route("/keys.csv", self.save, methods=["GET"]),
            Route("/keys/{key_id}/revoke", self.revoke, methods=["POST"]),
        )

    async def show(self, request: Request) -> Response:
        """Every key there was, and the form for one more."""
        return await self._page(request)

    async def save(self, request: Request) -> Response:
        """Every key there was, as a file; what proves them is nowhere."""
        engine = self._desk.engine
        async with engine.database.read() as tx:
            found = await KeysDesk(engine.database, engine.now).list(tx)
        rows = (
            {
                **{column.key: getattr(one, column.key) for column in COLUMNS},
                "scopes": ", ".join(one.scopes),
                "channels": told(one.channels),
                "locations": told(one.locations),
            }
            for one in found
        )
        return file_of("keys", COLUMNS, rows)

    async def _page(
        self,
        request: Request,
        form: Form | None = None,
        outcome: Outcome | None = None,
        errors: dict[str, str] | None = None,
    ) -> Response:
        engine = self._desk.engine
        async with engine.database.read() as tx:
            found = await KeysDesk(engine.database, engine.now).list(tx)
            places = await known_places(tx)
        made = outcome is not None and outcome.error is None
        return self._desk.page(
            request,
            "keys",
            active="keys",
            title="API keys",
            outcome=outcome,
            keys=found,
            scopes=_SCOPES,
            places=places,
            made=made,
            text=outcome.revealed.get("text", "") if outcome is not None else "",
            values={} if form is None or made else form.kept(),
            chosen=reach_from(form) if form is not None and not made else None,
            chosen_scopes=form.all("scopes") if form is not None and not made else ("read",),
            days_default=f"{DAYS_DEFAULT:.0f}",
            errors=errors,
        )

    async def make(self, request: Request) -> Response:
        """Make a key. Its text is on the page that answers, and nowhere else."""
        form = await read_form(request)
        given = {
            "name": form.get("name"),
            "scopes": form.all("scopes"),
            "days": number(form.get("days")),
        }
        body, errors = validated(NewKey, given)
        if body is None:
            return await self._page(request, form, errors=errors)
        actor, reach = principal_of(request).name, reach_from(form)

        async def act(joined: Engine, _tx: AsyncConnection) -> Deed:
            made = await KeysDesk(joined.database, joined.now).create(
                body.name,
                set(body.scopes),
                actor=actor,
                days=body.days,
                reach=reach,
                request=request.scope["request_id"],
            )
            return Deed(answer=KeyShown.model_validate(made.key), revealed={"text": made.text})

        outcome = await self._desk.do(request, form, "key.create", act)
        return await self._page(request, form, outcome)

    async def revoke(self, request: Request) -> Response:
        """Let a key in no more."""
        form, key_id = await read_form(request), request.path_params["key_id"]
        if not form.is_sure:
            return self._desk.ask(request, form, _revoke_question(key_id))
        actor = principal_of(request).name

        async def act(joined: Engine, _tx: AsyncConnection) -> Deed:
            gone = await KeysDesk(joined.database, joined.now).revoke(
                key_id, actor=actor, request=request.scope["request_id"]
            )
            return Deed(answer=KeyShown.model_validate(gone))

        outcome = await self._desk.do(request, form, "key.revoke", act)
        if outcome.error is not None:
            return await self._page(request, None, outcome)
        return self._desk.go(form, "/keys", "key-revoked")


def _revoke_question(key_id: str) -> Question:
    return Question(
        title=f"Revoke key {key_id}?",
        text="Whatever program uses it is refused from that moment on. This cannot be undone; a new"
        " key can be made.",
        button="Revoke it",
        back="/keys",
        active="keys",
    )
