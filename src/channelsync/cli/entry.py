"""The door: runs one command and returns its exit code. No traceback reaches a person unasked."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Sequence

import typer

from channelsync.cli.application import PROGRAM, build
from channelsync.cli.exit_codes import ExitCode
from channelsync.cli.failures import Failure, failure_of
from channelsync.cli.output import printable
from channelsync.cli.session import Outside, Session

__all__ = ["main"]

# `UsageError` and `ClickException`, which typer does not export under names of their own.
_COMMAND_LINE_WRONG: tuple[type[BaseException], ...] = typer.BadParameter.__mro__[1:3]


def main(arguments: Sequence[str] | None = None, *, outside: Outside | None = None) -> int:
    """Run the command line (this process's own by default). Returns the exit code."""
    session = Session(outside or Outside())
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = build().main(
            given, prog_name=PROGRAM, standalone_mode=False, obj=session, **_VARIABLES
        )
    except _COMMAND_LINE_WRONG as error:
        return _fail(session, _usage(error), error)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("\n")
        return ExitCode.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - whatever happened, a person reads one message
        return _fail(session, failure_of(error), error)
    return int(code or 0)


_VARIABLES = {"auto_envvar_prefix": "CHANNELSYNC"}
"""Every option is also a variable: CHANNELSYNC_, the command, the option."""


def _usage(error: BaseException) -> Failure:
    context = getattr(error, "ctx", None)
    said = str(getattr(error, "format_message", lambda: str(error))())
    # Without a command typer has shown the help, and says nothing.
    message = said or "name one of these commands"
    path = context.command_path if context is not None else PROGRAM
    return Failure(
        code=ExitCode.USAGE,
        kind="usage",
        message=f"{message}\nTry: {path} --help",
    )


def _fail(session: Session, failure: Failure, error: BaseException) -> int:
    if not failure.expected and session.options.verbose:
        traceback.print_exception(error, file=sys.stderr)
    if session.options.as_json:
        sys.stdout.write(json.dumps(failure.as_json(), ensure_ascii=False, indent=2) + "\n")
    sys.stderr.write(printable(f"{PROGRAM}: {failure.message}") + "\n")
    return failure.code
