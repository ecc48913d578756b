"""`connectors list` and `connectors new`: what can be spoken to, and how to speak to more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from channelsync.cli.failures import Refused
from channelsync.cli.output import Grid, Screen
from channelsync.cli.session import Session
from channelsync.domain.wording import counted

if TYPE_CHECKING:
    from channelsync.plugins.registry import Registry

__all__ = ["list_connectors", "new"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityView:
    """What a connector says of itself, in short (docs/reference/connector-quality.md)."""

    tier: str | None
    """The highest tier of which nothing is still to do."""
    done: int
    todo: int
    exempt: int
    broken: str | None
    """Why its quality.yaml cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorView:
    """One installed connector."""

    connector: str
    title: str
    package: str | None
    """The package that offers it, with its version."""
    push_semantics: str | None
    enforces: str | None
    quality: QualityView | None
    """None: it says nothing of its quality."""
    broken: str | None
    """Why it cannot be used."""


def list_connectors(session: Session) -> None:
    """List the installed connectors, how good they are, and why some cannot be used."""
    registry = session.registry
    views = [_usable(registry, name) for name in registry.connectors]
    views += [
        ConnectorView(
            connector=name,
            title="",
            package=registry.packages.get(name),
            push_semantics=None,
            enforces=None,
            quality=None,
            broken=why,
        )
        for name, why in registry.broken.items()
    ]
    views.sort(key=lambda view: view.connector)
    session.output.result({"connectors": views}, lambda screen: _show(screen, views))


def _usable(registry: Registry, name: str) -> ConnectorView:
    connector = registry.connectors[name]
    manifest = connector.manifest
    return ConnectorView(
        connector=name,
        title=manifest.title,
        package=registry.packages.get(name),
        push_semantics=manifest.push_semantics,
        enforces=manifest.enforces,
        quality=_quality(connector),
        broken=None,
    )


def _quality(connector: object) -> QualityView | None:
    from channelsync.sdk.quality import BadQualityFile, quality_of

    try:
        quality = quality_of(connector)
    except BadQualityFile as error:
        return QualityView(tier=None, done=0, todo=0, exempt=0, broken=str(error))
    if quality is None:
        return None
    return QualityView(tier=quality.tier, broken=None, **quality.count())


def _show(screen: Screen, views: list[ConnectorView]) -> None:
    if not views:
        screen.line("No connector is installed.")
        return
    grid = Grid("Connector", "What", "Package", "Writes", "Enforces", "Quality", "State")
    for view in views:
        state = f"broken: {view.broken}" if view.broken else "usable"
        grid.row(
            view.connector,
            view.title,
            view.package or "",
            view.push_semantics or "",
            view.enforces or "",
            _spoken(view.quality),
            state,
        )
    screen.grid(grid)


def _spoken(quality: QualityView | None) -> str:
    if quality is None:
        return ""
    if quality.broken:
        return f"unreadable: {quality.broken}"
    return f"{quality.tier or 'none yet'}, {quality.todo} to do"


# ------------------------------------------------------------------ new


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConnector:
    """What was written."""

    connector: str
    folder: str
    files: tuple[str, ...]


def new(
    session: Session,
    name: Annotated[
        str, typer.Argument(help="What merchants write behind `connector:`; like acme or big_shop.")
    ],
    into: Annotated[
        Path | None,
        typer.Option(
            help="The folder to make its folder in. Default: here.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write the package of a new connector: complete, typed, tested, and yours.

    It speaks to a simulated marketplace and keeps the whole connector contract. Make it speak to
    the real one, part by part. docs/how-to/write-a-connector.md goes through it.
    """
    from channelsync.cli.scaffold import BadName, folder_name, render

    registry = session.registry
    try:
        files = render(name)
    except BadName as error:
        raise Refused(str(error)) from error
    if name in registry.connectors or name in registry.broken:
        raise Refused(f"there is a connector {name!r} already: choose another name")
    target = (into or Path.cwd()) / folder_name(name)
    _require_elsewhere(target)
    _write(target, files)
    made = NewConnector(connector=name, folder=str(target), files=tuple(sorted(files)))
    session.output.result(
        made, lambda screen: screen.line(f"wrote {counted(len(files), 'file')} to {target}")
    )
    session.output.say(
        f"Next: cd {target}, install it with `python -m pip install -e .` beside pytest, and run"
        " `python -m pytest`."
    )


def _require_elsewhere(target: Path) -> None:
    """A package of yours lies neither on another one nor inside of channelsync's own checkout.

    Raises:
        Refused: it would.
    """
    from channelsync.resources import resource_folder

    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Refused(f"{target} exists already: nothing was written")
    checkout = resource_folder("templates").parent
    inside = target.resolve().is_relative_to(checkout)
    if inside and (checkout / "pyproject.toml").is_file():
        raise Refused(
            f"{target} lies in channelsync's own checkout, and the package is to be yours: name a"
            " folder outside of it with --into"
        )


def _write(target: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
