"""`channels …`: see, test, stop and forget selling accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.commands.status import channels_grid
from channelsync.cli.exit_codes import ExitCode
from channelsync.cli.failures import Refused
from channelsync.cli.output import Grid, Screen
from channelsync.cli.session import Session
from channelsync.cli.trail import Told, change
from channelsync.domain.wording import counted

if TYPE_CHECKING:
    from channelsync.engine.channel_desk import Forgotten
    from channelsync.engine.status import ChannelStatus
    from channelsync.sdk.types import CheckResult
    from channelsync.store.database import Database

__all__ = [
    "YES",
    "ask_channel",
    "forget",
    "list_channels",
    "pause",
    "require_yes",
    "resume",
    "say_alone",
    "test",
]

NAME = Annotated[str, typer.Argument(help="The channel's name in the configuration.")]
YES = Annotated[
    bool, typer.Option("--yes", help="Yes, I mean it.", show_envvar=False, allow_from_autoenv=False)
]


def require_yes(given: bool, warning: str) -> None:
    """Go on only with an explicit consent.

    Raises:
        Refused: it was not given; the message is the warning.
    """
    if not given:
        raise Refused(f"{warning}\nNothing was done. Repeat the command with --yes if that is so.")


def say_alone(session: Session) -> None:
    """Say that the second approver of the dashboard is not asked here."""
    if session.settings.second_approver:
        session.output.warn(
            "on the dashboard this waits for a second user's approval; whoever works at this"
            f" machine acts alone, and the trail says so: {session.actor}"
        )


async def list_channels(session: Session) -> None:
    """List the channels and how they fare."""
    from channelsync.engine.status import channel_statuses

    configuration = session.configuration_if_valid("the limits that it sets")
    now = session.environment.now()
    async with session.store() as database, database.read() as tx:
        engine = session.engine(database, configuration)
        found = await channel_statuses(engine, tx, now)
    session.output.result({"channels": found}, lambda screen: _show(screen, found, now))


def _show(screen: Screen, found: tuple[ChannelStatus, ...], now: float) -> None:
    if not found:
        screen.line("No channel is known yet: start the daemon with `channelsync run`.")
    screen.grid(channels_grid(found, now))
    for one in found:
        if one.paused is not None:
            screen.line(f"{one.channel} is stopped: {one.paused}")
        if one.failing_since is not None:
            screen.line(f"{one.channel} is failing: {one.last_error}")


# ------------------------------------------------------------------ test


async def test(session: Session, name: NAME) -> int:
    """Ask the channel whether credentials, rights and settings are right. Changes nothing.

    Exit code 5: it does not answer.
    """
    from channelsync.bootstrap import lent_by
    from channelsync.plugins.opening import open_channel
    from channelsync.store.stock_queries import closest

    configuration = session.configuration()
    wanted = configuration.channels.get(name)
    if wanted is None:
        near = closest(name, configuration.channels)
        hint = f"; did you mean {near!r}?" if near else ""
        raise Refused(f"there is no channel {name!r} in {session.settings.config}{hint}")
    opened = await open_channel(
        session.registry,
        name=name,
        connector=wanted.connector,
        settings=wanted.settings,
        lent=lent_by(session.settings, session.environment),
    )
    try:
        results = await ask_channel(opened.channel, session.environment.now())
    finally:
        await opened.close()
    ok = all(one.ok for one in results)
    data = {"channel": name, "ok": ok, "checks": results}
    session.output.result(data, lambda screen: _show_results(screen, results))
    return ExitCode.DONE if ok else ExitCode.FAILED


async def ask_channel(channel: object, now: float) -> list[CheckResult]:
    """What the channel says of itself; one that says nothing is asked for its newest orders."""
    from channelsync.sdk.connector import FetchesOrders, TestsItself
    from channelsync.sdk.types import CheckResult

    if isinstance(channel, TestsItself):
        return list(await channel.test())
    if isinstance(channel, FetchesOrders):
        await channel.orders_since(channel.first_cursor(now))
        return [CheckResult(name="orders", ok=True, message="it answers")]
    message = "it cannot be asked: it only ever tells"
    return [CheckResult(name="settings", ok=True, message=message)]


def _show_results(screen: Screen, results: list[CheckResult]) -> None:
    grid = Grid("Check", "Result", "What it says")
    for one in results:
        style = None if one.ok else "red"
        grid.row(one.name, "ok" if one.ok else "FAILED", one.message, style=style)
    screen.grid(grid)


# ------------------------------------------------------------------ pause, resume, forget


async def pause(
    session: Session,
    name: NAME,
    reason: Annotated[
        str, typer.Option("--reason", "-r", help="Why; `status` and `explain` show it.")
    ] = "paused by hand",
) -> None:
    """Push nothing to a channel until it is resumed. Its orders are counted all the same.

    What it may sell by now stays set aside for it: a pause takes nothing off sale.
    """
    from channelsync.engine.channel_desk import pause_channel

    async def use(joined: Database) -> Told[None]:
        await pause_channel(session.engine(joined, None), name, reason)
        sides = {"before": {"paused": None}, "after": {"paused": reason}}
        return Told(result=None, subject=f"channel:{name}", **sides)

    async with session.store() as database:
        await change(session, database, "channel.pause", use)
    session.output.result(
        {"channel": name, "paused": reason}, lambda screen: screen.line(f"{name} is paused")
    )


async def resume(session: Session, name: NAME) -> None:
    """Push to a paused channel again."""
    from channelsync.engine.channel_desk import require_channel, resume_channel

    async def use(joined: Database) -> Told[None]:
        async with joined.read() as tx:
            was = (await require_channel(tx, name)).paused_reason
        await resume_channel(session.engine(joined, None), name)
        sides = {"before": {"paused": was}, "after": {"paused": None}}
        return Told(result=None, subject=f"channel:{name}", **sides)

    async with session.store() as database:
        await change(session, database, "channel.resume", use)
    session.output.result(
        {"channel": name, "paused": None}, lambda screen: screen.line(f"{name} is resumed")
    )


async def forget(session: Session, name: NAME, yes: YES = False) -> None:
    """Give back the units set aside for a channel that is no longer configured.

    Only for a channel that cannot be zeroed any more. You state that all its listings are at 0 on
    the marketplace and that every order of it is counted here.
    """
    from channelsync.engine.channel_desk import forget_channel, require_channel

    async def use(joined: Database) -> Told[Forgotten]:
        engine = session.engine(joined, None)
        gone = await forget_channel(engine, name, actor=session.actor)
        kept = {"listings": gone.listings, "units": gone.units}
        sides = {"before": {"set_aside": kept}, "after": {"set_aside": None}}
        return Told(result=gone, subject=f"channel:{name}", **sides)

    async with session.store() as database:
        async with database.read() as tx:
            await require_channel(tx, name)
        require_yes(
            yes,
            f"Forgetting {name} gives its units to the other channels. If a listing of it can"
            " still sell,\nor an order of it is not counted here yet, units will be sold twice.",
        )
        say_alone(session)
        forgotten = await change(session, database, "channel.forget", use)
    session.output.result(
        forgotten,
        lambda screen: screen.line(
            f"{name} is forgotten: {counted(forgotten.units, 'unit')} of"
            f" {counted(forgotten.listings, 'listing')} free again"
        ),
    )
