"""Gives every command the options that all have, and runs it.

A command is a function of the session and its own options, plain or asynchronous; it returns an
exit code, or None for 0. The common options may stand before the command's name or after it.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import fields
from functools import cache, wraps
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias, get_type_hints

import typer

from channelsync.cli.session import Options, Session

__all__ = ["COMMON", "Command", "command", "common_parameters", "session_of"]

Command: TypeAlias = Callable[..., Awaitable[int | None] | int | None]

TAKES_NEGATIVE_NUMBERS: Final = frozenset({"adjust"})
"""Commands with an argument such as -3, which must not be taken for an option."""
COMMON: Final = "Options of every command"


def _given(*names: str, help_text: str, **more: Any) -> Any:
    return typer.Option(*names, help=help_text, rich_help_panel=COMMON, show_default=False, **more)


@cache
def common_parameters(*, with_variables: bool) -> tuple[inspect.Parameter, ...]:
    """The common options as parameters; environment variables belong to those of the root alone.

    Were they read again behind the command's name, they would outrank an option in front of it.
    """
    options: dict[str, tuple[Any, Any, str | None]] = {
        "config": (
            Path | None,
            _given("--config", "-c", help_text="The merchant's file.", metavar="FILE"),
            "CHANNELSYNC_CONFIG",
        ),
        "data_dir": (
            Path | None,
            _given("--data-dir", help_text="Folder of the database.", metavar="FOLDER"),
            "CHANNELSYNC_DATA_DIR",
        ),
        "as_json": (
            bool,
            _given("--json", help_text="Print one JSON object."),
            "CHANNELSYNC_JSON",
        ),
        "quiet": (
            bool,
            _given("--quiet", "-q", help_text="Say only what must not be missed."),
            "CHANNELSYNC_QUIET",
        ),
        "verbose": (
            bool,
            _given("--verbose", "-v", help_text="Log what happens; show where it failed."),
            "CHANNELSYNC_VERBOSE",
        ),
        "no_color": (
            bool,
            _given("--no-color", help_text="No colour (as with NO_COLOR)."),
            "CHANNELSYNC_NO_COLOR",
        ),
    }
    parameters = []
    for name, (kind, option, variable) in options.items():
        option.allow_from_autoenv = False
        option.envvar = variable if with_variables else None
        option.show_envvar = with_variables
        parameters.append(
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=False if kind is bool else None,
                annotation=Annotated[kind, option],
            )
        )
    return tuple(parameters)


def session_of(context: typer.Context) -> Session:
    """The session of this run."""
    found = context.find_root().obj
    if not isinstance(found, Session):
        raise TypeError("the command line was entered by another door than `main`")
    return found


def command(
    app: typer.Typer, name: str, *, panel: str | None = None
) -> Callable[[Command], Command]:
    """Register a function as the command `name`; its docstring is the help."""
    settings = {"ignore_unknown_options": name in TAKES_NEGATIVE_NUMBERS}

    def register(function: Command) -> Command:
        hints = get_type_hints(function, include_extras=True)
        own = [
            one.replace(annotation=hints[one.name], kind=inspect.Parameter.KEYWORD_ONLY)
            for one in list(inspect.signature(function).parameters.values())[1:]
        ]

        @wraps(function)
        def run(context: typer.Context, **given: Any) -> int:
            session = session_of(context)
            common = {one.name: given.pop(one.name) for one in fields(Options)}
            session.options.merge(common)
            session.start()
            outcome = function(session, **given)
            if inspect.isawaitable(outcome):
                import asyncio

                outcome = asyncio.run(_awaited(outcome))
            return int(outcome or 0)

        _present(run, [*own, *common_parameters(with_variables=False)])
        app.command(name, rich_help_panel=panel, context_settings=settings)(run)
        return function

    return register


def _present(run: Callable[..., Any], parameters: list[inspect.Parameter]) -> None:
    """Let typer see these parameters behind the context."""
    context = inspect.Parameter(
        "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
    )
    shown = [context, *parameters]
    vars(run)["__signature__"] = inspect.Signature(shown)
    run.__annotations__ = {one.name: one.annotation for one in shown}
    del vars(run)["__wrapped__"]  # what was wrapped has other parameters


async def _awaited(outcome: Awaitable[int | None]) -> int | None:
    return await outcome
