"""`run`, `web`, `worker`, `demo`, `simulate`: the daemon, and two ways to see what it does."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.exit_codes import ExitCode
from channelsync.cli.failures import Refused
from channelsync.cli.output import Grid, Screen
from channelsync.cli.session import Session
from channelsync.cli.variables import misspelt_variables

if TYPE_CHECKING:
    from channelsync.simulate import Result

__all__ = ["demo", "run", "simulate", "web", "worker"]

OURS = "escrow"
"""The policy whose promise is that nothing is sold twice."""


Port = Annotated[
    int | None,
    typer.Option(
        envvar="CHANNELSYNC_PORT",
        min=0,
        max=65_535,
        help="Port to listen on; 0 takes any free one.",
        show_default="8484",
    ),
]
Host = Annotated[
    str | None,
    typer.Option(envvar="CHANNELSYNC_HOST", help="Address to listen on.", show_default="127.0.0.1"),
]


def run(session: Session, port: Port = None, host: Host = None) -> int:
    """Run the daemon: webhook receivers, workers and the live page, until Ctrl-C or SIGTERM."""
    return _serve(session, port, host, "all")


def web(session: Session, port: Port = None, host: Host = None) -> int:
    """Run webhook receivers, API and page alone; workers are other processes. Needs PostgreSQL."""
    return _serve(session, port, host, "web")


def worker(session: Session, port: Port = None, host: Host = None) -> int:
    """Run workers alone, as many processes as you like, any of which may die. Needs PostgreSQL.

    They listen too, for probes and metrics.
    """
    return _serve(session, port, host, "work")


def _serve(session: Session, port: int | None, host: str | None, part: str) -> int:
    import asyncio
    import gc

    # What is made from here until the daemon is up stays: looking through it for cycles, again and
    # again, is a sixth of the start.
    gc.disable()

    import structlog

    from channelsync.bootstrap import Part
    from channelsync.cli.logs import start_logs
    from channelsync.daemon import serve

    settings = session.settings_with(port=port, host=host)
    start_logs(_level(session), settings.log_format)
    for warning in misspelt_variables():
        structlog.get_logger("channelsync.run").warning(warning)
    try:
        serving = serve(settings, configuration_path=settings.config, part=Part(part))
        return asyncio.run(serving)
    except OSError as error:
        raise _refused_address(error, f"{settings.host}:{settings.port}") from error


def _refused_address(error: OSError, address: str) -> OSError | Refused:
    if error.filename is not None:  # it is about a file
        return error
    return Refused(
        f"{address} cannot be listened on: {error.strerror}; stop what uses it, or choose another"
        " port with --port"
    )


def _level(session: Session) -> int:
    if session.options.verbose:
        return logging.DEBUG
    return logging.WARNING if session.options.quiet else logging.INFO


def demo(
    session: Session,
    seconds: Annotated[
        float | None,
        typer.Option(min=1, help="End by itself after so long.", show_default="until Ctrl-C"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=65_535,
            help="Port of the live page; 0 takes any free one.",
            show_default="8484, or the next free one",
        ),
    ] = None,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Do not open the page in a browser.")
    ] = False,
) -> int:
    """Watch it work: simulated marketplaces, shoppers and a flash sale, in one command.

    Exit code 1: something was oversold, or the books did not add up at the end.
    """
    import asyncio

    from channelsync.cli.logs import start_logs
    from channelsync.demo import DemoOptions, run_demo

    start_logs(logging.DEBUG if session.options.verbose else logging.ERROR, "console")
    browser = not no_browser and not os.environ.get("CI") and sys.stdout.isatty()
    options = DemoOptions(seconds=seconds, port=port, open_browser=browser, say=session.output.say)
    try:
        result = asyncio.run(run_demo(options))
    except OSError as error:
        raise _refused_address(error, f"127.0.0.1:{port}") from error
    session.output.result(result, lambda screen: screen.line(result.summary()))
    return ExitCode.FAILED if result.oversold or result.books_differ else ExitCode.DONE


# ------------------------------------------------------------------ simulate


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationView:
    """One scenario under one policy, summed over all trials."""

    scenario: str
    policy: str
    trials: int
    demand: int
    sold: int
    oversold: int
    refused: int
    stranded: int
    pushes: int


def simulate(
    session: Session,
    scenario: Annotated[
        str,
        typer.Option(help="steady, busy, flash, deep or all.", metavar="NAME", show_default=True),
    ] = "all",
    policy: Annotated[
        str, typer.Option(help="escrow, mirror, percent or fixed.", metavar="NAME")
    ] = OURS,
    trials: Annotated[int, typer.Option(min=1, help="Runs of each scenario.")] = 20,
    seed: Annotated[int, typer.Option(help="The same seed gives the same buyers.")] = 1,
    daemon: Annotated[
        bool,
        typer.Option(
            "--daemon", help="The whole daemon on virtual time, with every fault, instead."
        ),
    ] = False,
    hours: Annotated[float, typer.Option(min=0.0, help="With --daemon: hours of faults.")] = 6.0,
    daemons: Annotated[
        int | None,
        typer.Option(min=1, max=2, help="With --daemon: processes on one store; by the seed."),
    ] = None,
) -> int:
    """Simulate a policy on virtual time, and say what it oversold, refused and pushed.

    With --daemon, the real engine, store and connectors live through hours of crashes, lost
    messages and broken answers, and an auditor that knows the true sales checks every commit; one
    seed always lives the same hours.

    Exit code 3: the escrow policy oversold, or an invariant broke. The other policies show what is
    usual elsewhere.
    """
    if daemon:
        from channelsync.cli.rehearsing import rehearse

        return rehearse(session, seed, hours=hours, daemons=daemons)
    from channelsync.simulate import POLICIES, SCENARIOS
    from channelsync.simulate import run as play

    names = list(SCENARIOS) if scenario == "all" else [scenario]
    _require("scenario", scenario, [*SCENARIOS, "all"])
    _require("policy", policy, POLICIES)
    views = []
    with session.output.progress("simulating") as progress:
        for done, name in enumerate(names):
            progress(done, len(names))
            views.append(_view(play(name, policy, trials=trials, seed=seed)))
    data = views[0] if scenario != "all" else {"scenarios": views}
    session.output.result(data, lambda screen: _show(screen, views))
    oversold = policy == OURS and any(view.oversold for view in views)
    return ExitCode.INVARIANT_VIOLATED if oversold else ExitCode.DONE


def _require(what: str, given: str, known: Iterable[str]) -> None:
    names = list(known)
    if given not in names:
        raise typer.BadParameter(f"there is no {what} {given!r}: choose {', '.join(names)}")


def _view(result: Result) -> SimulationView:
    return SimulationView(
        scenario=result.scenario,
        policy=result.policy,
        trials=result.trials,
        demand=result.demand,
        sold=result.sold,
        oversold=result.oversold,
        refused=result.refused,
        stranded=result.stranded,
        pushes=result.pushes,
    )


def _show(screen: Screen, views: list[SimulationView]) -> None:
    numbers = ("Demand", "Sold", "Oversold", "Refused", "Stranded", "Pushes")
    grid = Grid("Scenario", "Policy", *numbers, right=numbers)
    for view in views:
        grid.row(
            view.scenario,
            view.policy,
            view.demand,
            view.sold,
            view.oversold,
            f"{view.refused / (view.demand or 1):.1%}",
            view.stranded,
            view.pushes,
        )
    screen.grid(grid)
