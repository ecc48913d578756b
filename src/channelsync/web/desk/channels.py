"""`/change/channels/…`: pausing, resuming, looking again, forgetting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync.domain.permissions import Permission
from channelsync.engine.status import ChannelStatus, channel_statuses
from channelsync.web.api.channels import Pause
from channelsync.web.api.counter import Risky, UseCase, require_reach
from channelsync.web.api.deeds import forgetting, looking_again, pausing, resuming
from channelsync.web.desk.desk import Desk, Outcome, Question
from channelsync.web.desk.forms import Form, read_form, validated
from channelsync.web.gate import principal_of
from channelsync.web.problems import Problem

__all__ = ["ChannelPages"]

_DONE: Final[Mapping[str, str]] = {
    "channel.pause": "channel-paused",
    "channel.resume": "channel-resumed",
    "channel.look_again": "channel-looked",
    "channel.forget": "channel-forgotten",
}


class ChannelPages:
    """One page a channel."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def routes(self) -> Sequence[Route]:
        """Where it all is."""
        path = "/change/channels/{channel}"
        return (
            Route("/change/channels", self.show_all, methods=["GET"]),
            Route(path, self.show, methods=["GET"]),
            Route(f"{path}/pause", self.pause, methods=["POST"]),
            Route(f"{path}/resume", self.resume, methods=["POST"]),
            Route(f"{path}/look-again", self.look, methods=["POST"]),
            Route(f"{path}/forget", self.forget, methods=["POST"]),
        )

    async def show_all(self, request: Request) -> Response:
        """Every channel within reach, with what may be done to it."""
        return self._desk.page(
            request,
            "channels",
            active="operate",
            title="Stop and start channels",
            channels=await self._statuses(request),
        )

    async def show(self, request: Request) -> Response:
        """A channel, and what may be done to it."""
        return await self._page(request, {"reason": ""})

    async def _statuses(self, request: Request) -> list[ChannelStatus]:
        engine, reach = self._desk.engine, principal_of(request).reach
        async with engine.database.read() as tx:
            found = await channel_statuses(engine, tx, engine.now())
        return [one for one in found if reach.has_channel(one.channel)]

    async def _page(
        self,
        request: Request,
        values: Mapping[str, str],
        *,
        errors: Mapping[str, str] | None = None,
        outcome: Outcome | None = None,
    ) -> Response:
        name = request.path_params["channel"]
        found = [one for one in await self._statuses(request) if one.channel == name]
        if not found:
            raise Problem(HTTPStatus.NOT_FOUND, f"there is no channel {name!r}")
        return self._desk.page(
            request,
            "channel",
            active="operate",
            title=name,
            outcome=outcome,
            channel=found[0],
            path=_path(name),
            values=values,
            errors=errors,
            may_forget=principal_of(request).may(Permission.CONFIGURATION_WRITE),
        )

    async def pause(self, request: Request) -> Response:
        """Send nothing until it is resumed."""
        form = await read_form(request)
        body, errors = validated(Pause, {"reason": form.get("reason")})
        if body is None:
            return await self._page(request, {"reason": form.get("reason")}, errors=errors)
        act = pausing(request.path_params["channel"], body.reason)
        return await self._do(request, form, "channel.pause", act)

    async def resume(self, request: Request) -> Response:
        """Send again."""
        act = resuming(request.path_params["channel"])
        return await self._do(request, await read_form(request), "channel.resume", act)

    async def look(self, request: Request) -> Response:
        """Have everything looked at now."""
        act = looking_again(request.path_params["channel"])
        return await self._do(request, await read_form(request), "channel.look_again", act)

    async def forget(self, request: Request) -> Response:
        """Give back what is set aside for a removed channel."""
        form, name = await read_form(request), request.path_params["channel"]
        if not form.is_sure:
            return self._desk.ask(request, form, _forget_question(name))
        act = forgetting(name, principal_of(request).name)
        risky = Risky("channel.forget", {"channel": name})
        return await self._do(request, form, "channel.forget", act, risky)

    async def _do(
        self, request: Request, form: Form, action: str, act: UseCase, risky: Risky | None = None
    ) -> Response:
        name = request.path_params["channel"]
        require_reach(principal_of(request), channel=name)
        outcome = await self._desk.do(request, form, action, act, risky=risky)
        if outcome.error is not None:
            return await self._page(request, {"reason": form.get("reason")}, outcome=outcome)
        done = "proposed" if outcome.is_proposed else _DONE[action]
        return self._desk.go(form, _path(name), done)


def _path(name: str) -> str:
    return f"/change/channels/{quote(name, safe='')}"


def _forget_question(name: str) -> Question:
    return Question(
        title=f"Forget {name}?",
        text="You state that its listings show 0 at the marketplace, and that every order of it is"
        " counted: nothing can be read from it any more. The units set aside for it can then be"
        " sold elsewhere. Where that is wrong, they may be sold twice. This cannot be undone.",
        button="Forget the channel",
        back=_path(name),
        active="operate",
    )
