"""The whole command line, put together."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Annotated, Any

import typer

from channelsync import __version__
from channelsync.cli.command import Command, command, common_parameters, session_of
from channelsync.cli.commands import (
    api_keys,
    books,
    channels,
    connectors,
    database,
    dead_letters,
    doctor,
    explain,
    folding,
    items,
    kept,
    moving,
    notices,
    orders,
    people,
    plan,
    pruning,
    returns,
    running,
    setup,
    shipping,
    status,
    stock,
    stock_files,
    transfers,
)
from channelsync.cli.exit_codes import MEANINGS

__all__ = ["PROGRAM", "build"]

PROGRAM = "channelsync"
EVERY_DAY = "Every day"
STOCK = "Stock and orders"
CHANNELS = "Channels"
HOUSE = "The house"

ALONE: tuple[tuple[str, str, Command], ...] = (
    (EVERY_DAY, "status", status.status),
    (EVERY_DAY, "explain", explain.explain),
    (EVERY_DAY, "plan", plan.plan),
    (EVERY_DAY, "run", running.run),
    (HOUSE, "web", running.web),
    (HOUSE, "worker", running.worker),
    (STOCK, "orders", orders.orders),
    (STOCK, "ship", shipping.ship),
    (HOUSE, "init", setup.init),
    (HOUSE, "check", setup.check),
    (HOUSE, "doctor", doctor.doctor),
    (HOUSE, "verify", books.verify),
    (HOUSE, "demo", running.demo),
    (HOUSE, "simulate", running.simulate),
)
"""Commands without a noun: panel, name, function."""

GROUPS: tuple[tuple[str, str, str, tuple[tuple[str, Command], ...]], ...] = (
    (
        STOCK,
        "stock",
        "Show, count, correct, move, import and export stock.",
        (
            ("show", stock.show),
            ("set", stock.set_units),
            ("count", stock.count),
            ("adjust", stock.adjust),
            ("safety", stock.safety),
            ("transfer", transfers.begin),
            ("return", returns.inspect),
            ("import", stock_files.import_file),
            ("export", stock_files.export_file),
        ),
    ),
    (
        STOCK,
        "items",
        "Add, rename and list the things that are sold.",
        (("add", items.add), ("rename", items.rename), ("list", items.list_items)),
    ),
    (
        STOCK,
        "transfers",
        "See, ship, receive and cancel units on their way between locations.",
        (
            ("list", transfers.list_transfers),
            ("ship", transfers.ship),
            ("receive", transfers.receive),
            ("cancel", transfers.cancel),
        ),
    ),
    (STOCK, "returns", "See what came back and waits.", (("list", returns.list_returns),)),
    (STOCK, "holds", "See what carts keep.", (("list", orders.holds_list),)),
    (
        CHANNELS,
        "channels",
        "List, test, pause, resume and forget selling accounts.",
        (
            ("list", channels.list_channels),
            ("test", channels.test),
            ("pause", channels.pause),
            ("resume", channels.resume),
            ("forget", channels.forget),
        ),
    ),
    (
        CHANNELS,
        "deadletters",
        "List, replay and drop deliveries that were not understood.",
        (
            ("list", dead_letters.list_letters),
            ("replay", dead_letters.replay),
            ("drop", dead_letters.drop),
        ),
    ),
    (
        CHANNELS,
        "connectors",
        "See what is installed; write another.",
        (("list", connectors.list_connectors), ("new", connectors.new)),
    ),
    (
        HOUSE,
        "users",
        "Say who may sign in, and as what.",
        (
            ("add", people.add),
            ("list", people.list_users),
            ("remove", people.remove),
            ("password", people.password),
            ("second-factor-off", people.second_factor_off),
        ),
    ),
    (
        HOUSE,
        "keys",
        "Make, list and revoke the keys of programs that ask; rotate what seals secrets.",
        (
            ("list", api_keys.list_keys),
            ("create", api_keys.create),
            ("revoke", api_keys.revoke),
            ("rotate", kept.rotate),
        ),
    ),
    (
        HOUSE,
        "secrets",
        "Keep credentials of channels in the store, sealed.",
        (
            ("set", kept.keep),
            ("list", kept.list_kept),
            ("remove", kept.remove),
        ),
    ),
    (
        HOUSE,
        "notify",
        "See what people were told; send a test message.",
        (("list", notices.list_notices), ("test", notices.try_targets)),
    ),
    (
        HOUSE,
        "db",
        "Upgrade, back up, prune, fold, move and restore the database.",
        (
            ("upgrade", database.upgrade),
            ("current", database.current),
            ("backup", database.backup),
            ("prune", pruning.prune),
            ("fold", folding.fold),
            ("copy", moving.copy),
            ("restored", moving.restored),
        ),
    ),
)
"""Commands under a noun: panel, noun, help, its commands."""


@cache
def build() -> Any:
    """The command line as one command that can be run, again and again; it keeps nothing."""
    app = typer.Typer(
        name=PROGRAM,
        help="Multi-channel stock sync that never sells a unit twice.",
        epilog=_exit_codes(),
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root())
    for panel, name, function in ALONE:
        command(app, name, panel=panel)(function)
    for panel, noun, text, members in GROUPS:
        group = typer.Typer(help=text, no_args_is_help=True)
        for name, function in members:
            command(group, name)(function)
        app.add_typer(group, name=noun, rich_help_panel=panel)
    return _in_order(typer.main.get_command(app))


def _in_order(root: Any) -> Any:
    """Panels in the order of the constants above, whatever the order of registration."""
    panels = {name: panel for panel, name, _ in ALONE} | {noun: panel for panel, noun, *_ in GROUPS}
    order = [EVERY_DAY, STOCK, CHANNELS, HOUSE]
    names = sorted(panels, key=lambda name: order.index(panels[name]))
    root.commands = {name: root.commands[name] for name in names}
    for option in root.params:
        if "completion" in option.name:  # typer's own; a variable would install it at every run
            option.allow_from_autoenv = option.show_envvar = False
    return root


def _exit_codes() -> str:
    lines = "\n".join(f"- {int(code)}: {meaning}" for code, meaning in MEANINGS.items())
    return (
        f"Exit codes:\n\n{lines}\n\nEvery option is also an environment variable:"
        " CHANNELSYNC_, the command, the option (CHANNELSYNC_STOCK_COUNT_LOCATION);"
        " --yes and --force are not."
    )


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


def _root() -> Any:
    """The callback that takes the options in front of a command's name."""

    def root(context: typer.Context, **given: Any) -> None:
        given.pop("version")
        session_of(context).options.merge(given)

    option = typer.Option(
        "--version",
        help="Show the version and exit.",
        callback=_version,
        is_eager=True,
        allow_from_autoenv=False,
    )
    shown = [
        inspect.Parameter(
            "context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context
        ),
        inspect.Parameter(
            "version",
            inspect.Parameter.KEYWORD_ONLY,
            default=False,
            annotation=Annotated[bool, option],
        ),
        *common_parameters(with_variables=True),
    ]
    vars(root)["__signature__"] = inspect.Signature(shown)
    root.__annotations__ = {one.name: one.annotation for one in shown}
    return root
