"""The command line as data: every command with its arguments, options and variables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from channelsync.cli.application import PROGRAM, build
from channelsync.cli.command import COMMON

__all__ = [
    "ArgumentInfo",
    "CommandInfo",
    "OptionInfo",
    "command_variables",
    "commands",
    "common_options",
]

PREFIX: Final = "CHANNELSYNC"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgumentInfo:
    """One argument."""

    name: str
    help: str
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionInfo:
    """One option."""

    names: tuple[str, ...]
    help: str
    required: bool
    default: str
    """As people read it; empty where there is none to speak of."""
    variables: tuple[str, ...]
    """Environment variables that it is read from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandInfo:
    """One command."""

    path: tuple[str, ...]
    """Its name, behind the name of its noun where it has one."""
    help: str
    arguments: tuple[ArgumentInfo, ...]
    options: tuple[OptionInfo, ...]
    """Its own; those of every command are left out."""

    @property
    def text(self) -> str:
        """As it is typed."""
        return " ".join((PROGRAM, *self.path))


def common_options() -> tuple[OptionInfo, ...]:
    """The options of every command, as the root has them."""
    return tuple(
        _option((), one) for one in build().params if getattr(one, "rich_help_panel", "") == COMMON
    )


def command_variables() -> set[str]:
    """Every environment variable that an option is read from."""
    own = [option for one in commands() for option in one.options]
    return {variable for option in (*common_options(), *own) for variable in option.variables}


def commands() -> tuple[CommandInfo, ...]:
    """Every command, in the order of the help."""
    return tuple(_walk((), build()))


def _walk(path: tuple[str, ...], command: Any) -> Iterator[CommandInfo]:
    members = getattr(command, "commands", None)
    if members is None:
        yield _command(path, command)
        return
    for name, member in members.items():
        yield from _walk((*path, name), member)


def _command(path: tuple[str, ...], command: Any) -> CommandInfo:
    own = [
        one
        for one in command.params
        if getattr(one, "rich_help_panel", None) != COMMON and one.name != "help"
    ]
    arguments = [one for one in own if one.param_type_name == "argument"]
    options = [one for one in own if one.param_type_name == "option"]
    return CommandInfo(
        path=path,
        help=command.help or "",
        arguments=tuple(
            ArgumentInfo(name=_argument_name(one), help=one.help or "", required=one.required)
            for one in arguments
        ),
        options=tuple(_option(path, one) for one in options),
    )


def _argument_name(argument: Any) -> str:
    said = str(argument.metavar or argument.name.upper())
    return said if argument.required else said.removeprefix("[").replace("]...", "…")


def _option(path: tuple[str, ...], option: Any) -> OptionInfo:
    named = [option.envvar] if isinstance(option.envvar, str) else list(option.envvar or ())
    if option.allow_from_autoenv and option.name:
        named.append("_".join((PREFIX, *path, option.name)).upper().replace("-", "_"))
    return OptionInfo(
        names=tuple(sorted(option.opts, key=len, reverse=True)),
        help=option.help or "",
        required=option.required,
        default=_default(option),
        variables=tuple(named),
    )


def _default(option: Any) -> str:
    if isinstance(option.show_default, str):
        return option.show_default
    if option.is_flag or option.default in {None, ""} or not option.show_default:
        return ""
    return str(option.default)
