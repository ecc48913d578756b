"""`/api/v1/me`, `/api/v1/users` and `/api/v1/keys`: who may do what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from pydantic import Field, SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from channelsync.domain.permissions import Permission, Reach, Role
from channelsync.engine.core import Engine
from channelsync.engine.keys_desk import DAYS_DEFAULT, DAYS_MAX, KeysDesk
from channelsync.engine.users_desk import UsersDesk, reach_values
from channelsync.security.passwords import Passwords
from channelsync.web.api.counter import Counter, Deed
from channelsync.web.api.shapes import ERRORS, Body, Moment, Shown, Text
from channelsync.web.gate import principal_of

__all__ = ["people_router"]

NAMES_MAX: Final = 500
Names = Annotated[tuple[Text, ...], Field(max_length=NAMES_MAX)]
UserName = Annotated[str, Path(max_length=64)]
KeyId = Annotated[str, Path(max_length=64)]


class Me(Shown):
    """Who asks, as this program knows them."""

    name: str = Field(examples=["user:ada"])
    role: Role | None = Field(description="Null: an API key.")
    permissions: Sequence[Permission]
    channels: list[str] | None = Field(description="Null: all of them.")
    locations: list[str] | None = Field(description="Null: all of them.")


class UserShown(Shown):
    """Somebody who may sign in."""

    name: str = Field(examples=["ada"])
    role: Role
    channels: Sequence[str] | None = Field(description="Null: all of them.")
    locations: Sequence[str] | None = Field(description="Null: all of them.")
    second_factor_since: Moment | None = Field(description="Null: the password alone lets in.")
    created_at: Moment


class Users(Shown):
    """Everybody."""

    items: list[UserShown]


class NewUser(Body):
    """Somebody to let in."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    password: Annotated[SecretStr, Field(min_length=1, max_length=1_000)]
    role: Role
    channels: Names | None = Field(default=None, description="Left out: all of them.")
    locations: Names | None = Field(default=None, description="Left out: all of them.")


class UserChange(Body):
    """What shall be otherwise; role, reach and password are changed only where they are given."""

    role: Role | None = None
    password: Annotated[SecretStr, Field(min_length=1, max_length=1_000)] | None = None
    channels: Names | None = None
    locations: Names | None = None
    everywhere: bool = Field(default=False, description="Lift what they were kept to.")


class Gone(Shown):
    """Who may sign in no more."""

    name: str


class KeyShown(Shown):
    """A program that may ask."""

    id: str
    name: str
    scopes: Sequence[Permission]
    channels: Sequence[str] | None
    locations: Sequence[str] | None
    created_at: Moment
    created_by: str
    expires_at: Moment
    used_at: Moment | None
    revoked_at: Moment | None


class NewKeyShown(KeyShown):
    """A key just made."""

    text: str | None = Field(
        default=None,
        description="The key itself: only in the first answer, for only its hash is kept.",
    )


class Keys(Shown):
    """All there were, the newest first."""

    items: list[KeyShown]


class NewKey(Body):
    """A key to make."""

    name: Text
    scopes: Annotated[tuple[Permission, ...], Field(min_length=1, max_length=len(Permission))]
    days: Annotated[float, Field(gt=0, le=DAYS_MAX)] = DAYS_DEFAULT
    channels: Names | None = None
    locations: Names | None = None


def people_router(counter: Counter, passwords: Passwords) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/api/v1", tags=["people"], responses=ERRORS)

    @router.get("/me", response_model=Me)
    async def show_me(request: Request) -> Any:
        """Who asks, and what they may do."""
        me = principal_of(request)
        granted = sorted(one for one in me.permissions if me.may(one))
        return {"name": me.name, "role": me.role, "permissions": granted} | reach_values(me.reach)

    _add_users(router, counter, passwords)
    _add_keys(router, counter)
    return router


def _reach(body: NewUser | NewKey | UserChange) -> Reach:
    return Reach(
        channels=None if body.channels is None else frozenset(body.channels),
        locations=None if body.locations is None else frozenset(body.locations),
    )


def _add_users(router: APIRouter, counter: Counter, passwords: Passwords) -> None:
    def desk(engine: Engine) -> UsersDesk:
        return UsersDesk(engine.database, engine.now, passwords)

    _add_user_changes(router, counter, desk)

    @router.get("/users", response_model=Users)
    async def list_users() -> Any:
        """Who may sign in, as what, and how far they reach."""
        async with counter.engine.database.read() as tx:
            return {"items": await desk(counter.engine).list(tx)}

    @router.post("/users", status_code=HTTPStatus.CREATED, responses={201: {"model": UserShown}})
    async def add_user(request: Request, body: NewUser) -> Response:
        """Let somebody sign in. The first user must be an admin."""
        actor = principal_of(request).name

        async def act(joined: Engine, _tx: AsyncConnection) -> Deed:
            secret = body.password.get_secret_value()
            made = await desk(joined).add(
                body.name,
                secret,
                body.role,
                actor=actor,
                reach=_reach(body),
                request=request.scope["request_id"],
            )
            answer = UserShown.model_validate(made)
            return Deed(answer=answer)

        return await counter.serve(request, "user.add", act, body=body, status=HTTPStatus.CREATED)


def _add_user_changes(
    router: APIRouter, counter: Counter, desk: Callable[[Engine], UsersDesk]
) -> None:
    @router.patch("/users/{name}", responses={200: {"model": UserShown}})
    async def change_user(request: Request, name: UserName, body: UserChange) -> Response:
        """Give somebody another role, reach or password. Their sessions end."""
        actor = principal_of(request).name
        bounded = body.channels is not None or body.locations is not None
        reach = _reach(body) if bounded or body.everywhere else None
        password = None if body.password is None else body.password.get_secret_value()

        async def act(joined: Engine, _tx: AsyncConnection) -> Deed:
            made = await desk(joined).change(
                name,
                actor=actor,
                role=body.role,
                reach=reach,
                password=password,
                request=request.scope["request_id"],
            )
            return Deed(answer=UserShown.model_validate(made))

        return await counter.serve(request, "user.change", act, body=body)

    @router.delete("/users/{name}", responses={200: {"model": Gone}})
    async def remove_user(request: Request, name: UserName) -> Response:
        """Let somebody in no more, at once. Their traces stay."""
        actor = principal_of(request).name

        async def act(joined: Engine, _tx: AsyncConnection) -> Deed:
            await desk(joined).remove(name, actor=actor, request=request.scope["request_id"])
            return Deed(answer=Gone(name=name))

        return await counter.serve(request, "user.remove", act)


def _add_keys(router: APIRouter, counter: Counter) -> None:
    def desk(engine: Engine) -> KeysDesk:
        return KeysDesk(engine.database, engine.now)

    @router.get("/keys", response_model=Keys)
    async def list_keys() -> Any:
        """The keys there were, without what proves them."""
        async with counter.engine.database.read() as tx:
            return {"items": await desk(counter.engine).list(tx)}

    @router.post("/keys", status_code=HTTPStatus.CREATED, responses={201: {"model": NewKeyShown}})
    async def make_key(request: Request, body: NewKey) -> Response:
        """Make a key. Its text stands in the first answer alone, also where that is repeated."""
        actor = principal_of(request).name

        async def act(joined: Engine, _tx: AsyncConnection) -> Deed:
            made = await desk(joined).create(
                body.name,
                set(body.scopes),
                actor=actor,
                days=body.days,
                reach=_reach(body),
                request=request.scope["request_id"],
            )
            kept = KeyShown.model_validate(made.key)
            answer = NewKeyShown(**kept.model_dump())
            return Deed(answer=answer, revealed={"text": made.text})

        return await counter.serve(request, "key.create", act, body=body, status=HTTPStatus.CREATED)

    @router.delete("/keys/{key_id}", responses={200: {"model": KeyShown}})
    async def revoke_key(request: Request, key_id: KeyId) -> Response:
        """Let a key in no more, at once."""
        actor = principal_of(request).name

        async def act(joined: Engine, _tx: AsyncConnection) -> Deed:
            answer = KeyShown.model_validate(
                await desk(joined).revoke(key_id, actor=actor, request=request.scope["request_id"])
            )
            return Deed(answer=answer)

        return await counter.serve(request, "key.revoke", act)
