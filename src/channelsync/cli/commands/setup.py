"""`init` and `check`: from nothing to a configuration that is right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.exit_codes import ExitCode
from channelsync.cli.failures import Refused
from channelsync.cli.output import Grid, Screen
from channelsync.cli.session import Session
from channelsync.cli.variables import misspelt_variables

if TYPE_CHECKING:
    from channelsync.configuration.configuration import Configuration

__all__ = ["check", "init"]

SCHEMA_NAME = "channelsync.schema.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class InitReport:
    """What was written."""

    configuration: str
    schema: str


def init(
    session: Session,
    path: Annotated[
        Path | None, typer.Option(help="Where to write it.", metavar="FILE", show_default=False)
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Overwrite what is there.",
            show_envvar=False,
            allow_from_autoenv=False,
        ),
    ] = False,
) -> None:
    """Write a commented configuration to start from.

    The JSON schema beside it makes editors complete and explain every key.
    """
    from channelsync.configuration.schema import schema_text
    from channelsync.resources import resource_folder

    target = path or session.settings.config
    schema = target.with_name(SCHEMA_NAME)
    there = [one for one in (target, schema) if one.exists()]
    if there and not force:
        names = " and ".join(str(one) for one in there)
        raise Refused(f"{names} exists already: nothing was written. --force overwrites it")
    example = (resource_folder("config") / "example.yaml").read_text(encoding="utf-8")
    target.parent.mkdir(parents=True, exist_ok=True)
    schema.write_text(schema_text(session.registry.manifests), encoding="utf-8")
    target.write_text(example, encoding="utf-8")
    report = InitReport(configuration=str(target), schema=str(schema))
    session.output.result(report, lambda screen: screen.line(f"wrote {target} and {schema}"))
    session.output.say(
        "Next: edit it, put its secrets into the environment, then run `channelsync check`."
    )


# ------------------------------------------------------------------ check


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedChannel:
    """One channel of a valid file."""

    channel: str
    connector: str
    pool: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """A valid file in short."""

    file: str
    ok: bool
    fingerprint: str
    locations: tuple[str, ...]
    channels: tuple[CheckedChannel, ...]
    rules: int
    warnings: tuple[str, ...]


def check(session: Session) -> int:
    """Check the configuration and list everything that is wrong with it, at once."""
    configuration = session.configuration()
    report = CheckReport(
        file=str(session.settings.config),
        ok=True,
        fingerprint=configuration.fingerprint,
        locations=tuple(configuration.locations),
        channels=_channels(configuration),
        rules=sum(len(configuration.rules_for(pool)) for pool in configuration.pools),
        warnings=misspelt_variables(),
    )
    session.output.result(report, lambda screen: _show_check(screen, report))
    for warning in report.warnings:
        session.output.warn(warning)
    return ExitCode.DONE


def _channels(configuration: Configuration) -> tuple[CheckedChannel, ...]:
    return tuple(
        CheckedChannel(channel=one.channel, connector=one.connector, pool=one.pool, mode=one.mode)
        for one in configuration.channels.values()
    )


def _show_check(screen: Screen, report: CheckReport) -> None:
    screen.line(f"{report.file} is valid")
    grid = Grid("Channel", "Connector", "Pool", "Mode")
    for one in report.channels:
        grid.row(one.channel, one.connector, one.pool, one.mode)
    if report.channels:
        screen.grid(grid)
