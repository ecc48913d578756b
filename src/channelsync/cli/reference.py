"""docs/reference/cli.md, generated from the commands themselves; a test keeps the file current."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from channelsync.cli.exit_codes import MEANINGS
from channelsync.cli.shapes import FAILURE, SHAPES
from channelsync.cli.tree import CommandInfo, OptionInfo, commands, common_options

__all__ = ["reference_page"]

_INTRODUCTION = """\
# The command line

<!-- Generated: python -m channelsync.cli.reference > docs/reference/cli.md -->

`channelsync COMMAND --help` shows the same. Data goes to stdout, talk to stderr; with `--json`
stdout holds exactly one JSON object, a failure included. Times in JSON are ISO 8601 in UTC, units
are whole numbers. Colour appears on a terminal only, never with `--no-color` or `NO_COLOR`.

Commands that read open no marketplace and may run at any time, the daemon at work or not. Commands
that write are one transaction each; a running daemon takes up what they changed within seconds.
"""

_VARIABLES = """\
Every option is also an environment variable: `CHANNELSYNC_`, the command and the option, as
`CHANNELSYNC_STOCK_COUNT_LOCATION`. The command line outranks it. `--yes` and `--force` are given
for one run and have none. The settings of the daemon are variables as well; `channelsync check`
names variables that nothing reads.
"""

_WITHOUT_JSON = dict.fromkeys(
    ("run", "web", "worker"),
    "It writes log lines to stderr (`CHANNELSYNC_LOG_FORMAT`) and nothing to stdout.",
)
_NOTES = {
    "demo": "The object is printed at the end; durations are in seconds.",
    "simulate": "The object below is that of one scenario; of all of them it is"
    ' `{"scenarios": […]}` with such objects. With `--daemon` it is `seed`, `hours`, `sold`,'
    " `refused`, `oversold`, `commits`, `digest` (of everything that happened, in its order),"
    " `faults` and `checks` (how often each), `violation` (what did not hold, or null) and `replay`"
    " (the command that plays the same again).",
    "verify": "`findings` is what differs now, `repaired` what was put right by this run.",
    "stock import": "`before` and `after` are numbers, or text where `field` is `name`; `before`"
    " is null for a new item.",
    "stock export": "With a `FILE`, or with `--json`, stdout does not hold the sheet itself.",
}


def reference_page() -> str:
    """The whole page."""
    parts = [_INTRODUCTION, _exit_codes(), _common()]
    parts += ["\n".join(_command(one)) for one in commands()]
    return "\n".join(parts)


def _exit_codes() -> str:
    rows = [f"| {int(code)} | {meaning} |" for code, meaning in MEANINGS.items()]
    failure = "A failure with `--json`:"
    lines = ["## Exit codes", "", "| code | meaning |", "|---|---|", *rows, ""]
    return "\n".join([*lines, failure, "", *_json(FAILURE)])


def _common() -> str:
    heading = "## Options of every command"
    before = "They may stand in front of the command or behind it."
    return "\n".join([heading, "", before, "", *_options(common_options()), _VARIABLES])


def _command(one: CommandInfo) -> Iterator[str]:
    yield f"## `{_usage(one)}`"
    yield ""
    yield " ".join(one.help.split("\n\n")[0].split())
    yield ""
    for paragraph in one.help.split("\n\n")[1:]:
        yield " ".join(paragraph.split())
        yield ""
    if one.arguments:
        yield from ("| argument | meaning |", "|---|---|")
        for argument in one.arguments:
            yield f"| `{argument.name}` | {argument.help} |"
        yield ""
    if one.options:
        yield from _options(one.options)
    name = " ".join(one.path)
    if name in _NOTES:
        yield _NOTES[name]
        yield ""
    if name in SHAPES:
        yield "With `--json`:"
        yield ""
        yield from _json(SHAPES[name])
    else:
        yield _WITHOUT_JSON[name]
        yield ""


def _usage(one: CommandInfo) -> str:
    arguments = [
        argument.name if argument.required else f"[{argument.name}]" for argument in one.arguments
    ]
    options = ["[OPTIONS]"] if one.options else []
    return " ".join([one.text, *options, *arguments])


def _options(options: Iterable[OptionInfo]) -> Iterator[str]:
    yield from ("| option | meaning | default | variable |", "|---|---|---|---|")
    for option in options:
        names = ", ".join(f"`{name}`" for name in option.names)
        default = "required" if option.required else option.default
        variables = ", ".join(f"`{name}`" for name in option.variables)
        yield f"| {names} | {option.help} | {default} | {variables} |"
    yield ""


def _json(shape: object) -> Iterator[str]:
    text = json.dumps(shape, indent=2, ensure_ascii=False, default=dict)
    yield from ("```json", text, "```", "")


if __name__ == "__main__":
    print(reference_page(), end="")  # noqa: T201 - the page is the output
