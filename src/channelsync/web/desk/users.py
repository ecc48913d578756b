"""`/users` and `/account`: who may sign in, as what, how far; and one's own password."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from channelsync.domain.permissions import Reach, Role, permissions_of
from channelsync.engine.core import Engine
from channelsync.engine.users_desk import User, UsersDesk
from channelsync.security.passwords import CHARACTERS_MIN
from channelsync.web.api.counter import Deed, UseCase
from channelsync.web.dashboard.table import Column
from channelsync.web.desk.desk import Desk, Outcome, Question
from channelsync.web.desk.files import file_of, told
from channelsync.web.desk.forms import Form, read_form
from channelsync.web.desk.reaching import known_places, reach_from
from channelsync.web.desk.second_factor import own_name
from channelsync.web.factors import factors_of
from channelsync.web.gate import principal_of
from channelsync.web.problems import Problem
from channelsync.web.throttle import Buckets

__all__ = ["UserPages"]

ROLES: Final = (
    (Role.VIEWER, "viewer: sees everything within reach"),
    (Role.OPERATOR, "operator: counts stock, stops channels, decides dead letters"),
    (Role.MANAGER, "manager: quotas, endpoints and the audit trail as well"),
    (Role.ADMIN, "admin: users and keys as well"),
)

COLUMNS: Final = (
    Column("name", "name"),
    Column("role", "role"),
    Column("channels", "channels"),
    Column("locations", "locations"),
    Column("second_factor_since", "second_factor_since", "when"),
    Column("created_at", "since", "when"),
)


class _Named(BaseModel):
    name: str


class UserPages:
    """The pages about people."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        # Who guesses at a password has a session already; still he shall not guess for long.
        self._guesses = Buckets(desk.engine.now, burst=5, per_second=1 / 30)

    @property
    def routes(self) -> Sequence[Route]:
        """Where it all is."""
        return (
            Route("/users", self.show_all, methods=["GET"]),
            Route("/users", self.add, methods=["POST"]),
            Route("/users.csv", self.save_all, methods=["GET"]),
            Route("/users/{name}", self.show, methods=["GET"]),
            Route("/users/{name}", self.change, methods=["POST"]),
            Route("/users/{name}/password", self.set_password, methods=["POST"]),
            Route("/users/{name}/sessions", self.end_sessions, methods=["POST"]),
            Route("/users/{name}/second-factor", self.take_off_factor, methods=["POST"]),
            Route("/users/{name}/remove", self.remove, methods=["POST"]),
            Route("/account", self.account, methods=["GET"]),
            Route("/account/password", self.own_password, methods=["POST"]),
        )

    def _users(self, engine: Engine) -> UsersDesk:
        return UsersDesk(engine.database, engine.now, self._desk.options.passwords)

    # -------------------------------------------------------------- everybody

    async def show_all(self, request: Request) -> Response:
        """Everybody, and the form for one more."""
        return await self._all(request)

    async def save_all(self, request: Request) -> Response:
        """Everybody, as a file."""
        async with self._desk.engine.database.read() as tx:
            found = await self._users(self._desk.engine).list(tx)
        rows = (
            {
                "name": one.name,
                "role": one.role.value,
                "channels": told(one.channels),
                "locations": told(one.locations),
                "second_factor_since": one.second_factor_since,
                "created_at": one.created_at,
            }
            for one in found
        )
        return file_of("users", COLUMNS, rows)

    async def _all(
        self,
        request: Request,
        form: Form | None = None,
        outcome: Outcome | None = None,
        errors: Mapping[str, str] | None = None,
    ) -> Response:
        async with self._desk.engine.database.read() as tx:
            found = await self._users(self._desk.engine).list(tx)
            places = await known_places(tx)
        return self._desk.page(
            request,
            "users",
            active="users",
            title="Users",
            outcome=outcome,
            users=found,
            roles=ROLES,
            factor_wanted=self._desk.options.second_factor_of,
            places=places,
            values={} if form is None else form.kept(),
            chosen=_chosen(form),
            errors=errors,
            minimum=CHARACTERS_MIN,
        )

    async def add(self, request: Request) -> Response:
        """Let somebody sign in."""
        form = await read_form(request)
        errors = _password_errors(form)
        role, reach = _role(form), reach_from(form)
        if not form.get("name"):
            errors["name"] = "this is wanted"
        if role is None:
            errors["role"] = "choose one of these"
        if errors or role is None:
            return await self._all(request, form, errors=errors)
        actor, request_id = principal_of(request).name, request.scope["request_id"]

        async def act(joined: Engine, _tx: AsyncConnection) -> Deed:
            made = await self._users(joined).add(
                form.get("name"),
                form.raw("password"),
                role,
                actor=actor,
                reach=reach,
                request=request_id,
            )
            return Deed(answer=_Named(name=made.name))

        outcome = await self._desk.do(request, form, "user.add", act)
        if outcome.error is not None:
            return await self._all(request, form, outcome)
        return self._desk.go(form, "/users", "user-added")

    # -------------------------------------------------------------- one of them

    async def show(self, request: Request) -> Response:
        """Somebody, and what may be changed."""
        return await self._one(request)

    async def _one(
        self,
        request: Request,
        outcome: Outcome | None = None,
        errors: Mapping[str, str] | None = None,
    ) -> Response:
        name = request.path_params["name"]
        async with self._desk.engine.database.read() as tx:
            everybody = await self._users(self._desk.engine).list(tx)
            places = await known_places(tx)
        found = [one for one in everybody if one.name == name]
        if not found:
            raise Problem(HTTPStatus.NOT_FOUND, f"there is no user {name!r}")
        return self._desk.page(
            request,
            "user",
            active="users",
            title=name,
            outcome=outcome,
            user=found[0],
            path=_path(name),
            roles=ROLES,
            factor_wanted=self._desk.options.second_factor_of,
            places=places,
            chosen=_reach_of(found[0]),
            errors=errors,
            minimum=CHARACTERS_MIN,
        )

    async def change(self, request: Request) -> Response:
        """Another role or reach; the user's sessions end."""
        form = await read_form(request)
        role, reach = _role(form), reach_from(form)
        if role is None:
            return await self._one(request, errors={"role": "choose one of these"})
        return await self._change(request, form, role=role, reach=reach)

    async def set_password(self, request: Request) -> Response:
        """Another password, where somebody has forgotten his."""
        form = await read_form(request)
        if errors := _password_errors(form):
            return await self._one(request, errors=errors)
        return await self._change(request, form, password=form.raw("password"))

    async def _change(self, request: Request, form: Form, **changes: Any) -> Response:
        step = partial(UsersDesk.change, **changes)
        return await self._take(request, form, "user.change", step, "user-changed")

    async def end_sessions(self, request: Request) -> Response:
        """Sign somebody out everywhere."""
        form, step = await read_form(request), UsersDesk.end_sessions
        return await self._take(request, form, "user.end_sessions", step, "sessions-ended")

    async def take_off_factor(self, request: Request) -> Response:
        """Take somebody's second factor off, who has lost it."""
        form, step = await read_form(request), UsersDesk.take_off_factor
        if not form.is_sure:
            return self._desk.ask(request, form, _factor_question(request.path_params["name"]))
        done = "second-factor-taken-off"
        return await self._take(request, form, "second_factor.take_off", step, done)

    async def remove(self, request: Request) -> Response:
        """Let somebody in no more."""
        form, step = await read_form(request), UsersDesk.remove
        if not form.is_sure:
            return self._desk.ask(request, form, _remove_question(request.path_params["name"]))
        return await self._take(request, form, "user.remove", step, "user-removed", goal="/users")

    async def _take(
        self,
        request: Request,
        form: Form,
        action: str,
        step: Callable[..., Awaitable[object]],
        done: str,
        *,
        goal: str | None = None,
    ) -> Response:
        """One step with the user whom the path names; on to his page, or to another one."""
        name = request.path_params["name"]
        actor, request_id = principal_of(request).name, request.scope["request_id"]

        async def act(joined: Engine, _tx: AsyncConnection) -> Deed:
            await step(self._users(joined), name, actor=actor, request=request_id)
            return Deed(answer=_Named(name=name))

        return await self._do(request, form, action, act, goal or _path(name), done)

    async def _do(
        self, request: Request, form: Form, action: str, act: UseCase, goal: str, done: str
    ) -> Response:
        outcome = await self._desk.do(request, form, action, act)
        if outcome.error is not None:
            return await self._one(request, outcome)
        return self._desk.go(form, goal, done)

    # -------------------------------------------------------------- oneself

    async def account(self, request: Request) -> Response:
        """Who one is here, and the form for another password."""
        return await self._account(request)

    async def _account(
        self,
        request: Request,
        error: str | None = None,
        errors: Mapping[str, str] | None = None,
        status: int = HTTPStatus.OK,
    ) -> Response:
        me = principal_of(request)
        granted = permissions_of(me.role) if me.role is not None else me.permissions
        kind, _, name = me.name.partition(":")
        factor = None
        if kind == "user":
            async with self._desk.engine.database.read() as tx:
                factor = await factors_of(self._desk.engine, self._desk.options).state(tx, name)
        return self._desk.page(
            request,
            "account",
            active="account",
            title="Account",
            error=error,
            status=status,
            me=me,
            granted=sorted(one for one in granted if me.may(one)),
            errors=errors,
            minimum=CHARACTERS_MIN,
            has_password=factor is not None,
            factor=factor,
        )

    async def own_password(self, request: Request) -> Response:
        """Another password of one's own; every session ends."""
        form, name = await read_form(request), own_name(request)
        if errors := _password_errors(form):
            return await self._account(request, errors=errors)
        if wait := self._guesses.take(name):
            error = f"too many tries: go on in {int(wait) + 1} s"
            return await self._account(request, error, status=HTTPStatus.TOO_MANY_REQUESTS)

        async def act(joined: Engine, _tx: AsyncConnection) -> Deed:
            await self._users(joined).change_own(
                name,
                present=form.raw("present"),
                password=form.raw("password"),
                request=request.scope["request_id"],
            )
            return Deed(answer=_Named(name=name))

        outcome = await self._desk.do(request, form, "user.change", act)
        if outcome.error is not None:
            return await self._account(request, outcome.error, status=outcome.status)
        return RedirectResponse("/login", HTTPStatus.SEE_OTHER)


def _path(name: str) -> str:
    return f"/users/{quote(name, safe='')}"


def _role(form: Form) -> Role | None:
    return next((role for role in Role if role == form.get("role")), None)


def _password_errors(form: Form) -> dict[str, str]:
    if not form.raw("password"):
        return {"password": "this is wanted"}
    if form.raw("password") != form.raw("again"):
        return {"again": "the two passwords differ"}
    return {}


def _chosen(form: Form | None) -> Reach:
    return Reach() if form is None else reach_from(form)


def _reach_of(user: User) -> Reach:
    return Reach(
        channels=None if user.channels is None else frozenset(user.channels),
        locations=None if user.locations is None else frozenset(user.locations),
    )


def _factor_question(name: str) -> Question:
    return Question(
        title=f"Take the second factor of {name} off?",
        text="From then on the password alone lets in. Be sure that it is the user who asks for it:"
        " whoever has stolen a password asks for this next.",
        button="Take it off",
        back=_path(name),
        active="users",
    )


def _remove_question(name: str) -> Question:
    return Question(
        title=f"Remove {name}?",
        text="The user is signed out everywhere and can sign in no more. What was done stays in the"
        " audit trail under this name.",
        button="Remove the user",
        back=_path(name),
        active="users",
    )
