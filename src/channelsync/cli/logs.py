"""Where log lines go: stderr, as JSON for machines or readable for people. Never stdout."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import Literal, TextIO

__all__ = ["start_logs"]


class _Lines:
    """Writes lines. Where they cannot be written (a full disk, a closed pipe) they are lost.

    What a line is about must go on: an order is worth more than a line about it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write one line, whatever secret was about to be in it left out."""
        from channelsync.telemetry.redaction import redacted

        # ValueError: the stream was closed.
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(redacted(line) + "\n")
            self._stream.flush()

    debug = info = warning = error = critical = exception = fatal = log = msg


def start_logs(level: int, layout: Literal["auto", "json", "console"] = "auto") -> None:
    """Log lines of `level` and above go to stderr; `auto` is console on a terminal, else JSON."""
    import structlog

    from channelsync.telemetry.redaction import RedactingFormatter

    terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor
    if layout == "json" or (layout == "auto" and not terminal):
        renderer = structlog.processors.JSONRenderer()
        rest: list[structlog.typing.Processor] = [structlog.processors.format_exc_info]
    else:
        # A plain traceback: a pretty one shows the values of variables, secrets among them.
        plain = structlog.dev.plain_traceback
        renderer = structlog.dev.ConsoleRenderer(colors=terminal, exception_formatter=plain)
        rest = []
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *rest,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_names: _Lines(sys.stderr),
        cache_logger_on_first_use=False,
    )
    libraries = logging.StreamHandler(sys.stderr)
    libraries.setFormatter(RedactingFormatter(logging.BASIC_FORMAT))
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[libraries], force=True)
