"""Traces: which piece of work came of which, from a webhook to the attempt that it led to.

What is done now has a cause; whoever marks work or opens a push writes it beside that, and whoever
does the work goes on from there, in another process as well. `telemetry` makes the spans, where
that is configured. Where it is not nothing has a cause, and nothing is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

__all__ = [
    "CAUSES_MAX",
    "CAUSE_CHARACTERS_MAX",
    "Cause",
    "NoTracing",
    "Span",
    "SpanKind",
    "Tracing",
    "caused_by",
    "causes_here",
    "meeting",
    "read_causes",
    "written_causes",
]

CAUSES_MAX: Final = 8
"""Causes that are kept of one piece of work; those after them are not told."""
CAUSE_CHARACTERS_MAX: Final = 59
"""Of one as the store keeps it, with the space before it."""
_CAUSE: Final = re.compile(r"(00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2})/(\d{1,2})")


@dataclass(frozen=True, slots=True)
class Cause:
    """What something came of: a span, and how many steps it is from where its trace began."""

    traceparent: str
    """W3C Trace Context, version 00."""
    steps: int = 0

    @property
    def trace(self) -> str:
        """The trace that it belongs to."""
        return self.traceparent.split("-")[1]


_CAUSES: Final[ContextVar[tuple[Cause, ...]]] = ContextVar("causes", default=())


def causes_here() -> tuple[Cause, ...]:
    """What whatever is marked or opened now comes of."""
    return _CAUSES.get()


@contextmanager
def caused_by(causes: Sequence[Cause]) -> Iterator[None]:
    """Inside, everything comes of these causes and no others."""
    before = _CAUSES.set(tuple(causes))
    try:
        yield
    finally:
        _CAUSES.reset(before)


def written_causes(causes: Sequence[Cause]) -> str | None:
    """As the store keeps them."""
    if not causes:
        return None
    return " ".join(f"{one.traceparent}/{one.steps}" for one in causes[:CAUSES_MAX])


def read_causes(text: str | None) -> tuple[Cause, ...]:
    """As the store kept them; what cannot be read is left out."""
    if not text:
        return ()
    return tuple(Cause(found[1], int(found[3])) for found in _CAUSE.finditer(text))


def meeting(told: Sequence[Cause]) -> tuple[Cause, ...]:
    """The causes of something that has its own, done within something that has others.

    It goes on from here if that is of the same trace, else from its own first cause.
    """
    here = causes_here()
    traces = {one.trace for one in told}
    if here and (not told or here[0].trace in traces):
        return (*here, *(one for one in told if one.trace != here[0].trace))
    return (*told, *here)


class SpanKind(StrEnum):
    """Which way a span looks, as OpenTelemetry names it."""

    SERVER = "server"
    CONSUMER = "consumer"
    """A piece of work that was marked: one step further in its trace."""
    CLIENT = "client"
    INTERNAL = "internal"


class Span(Protocol):
    """One thing that is being done."""

    def note(self, name: str, value: str | float) -> None:
        """Remember an attribute: never a secret, never anything of a person."""

    def fail(self, why: str) -> None:
        """It went wrong; `why` is a word, not a message."""


class Tracing(Protocol):
    """Makes spans."""

    def span(
        self,
        name: str,
        kind: SpanKind,
        *,
        causes: Sequence[Cause] | None = None,
        attributes: Mapping[str, str | int] | None = None,
    ) -> AbstractContextManager[Span]:
        """Something that is done inside the block, which everything marked inside comes of.

        Without `causes` it is part of what is done here. With them it goes on from the first and is
        linked to the others; none begin a trace. An exception that leaves the block fails it.
        """

    def link(self, causes: Sequence[Cause]) -> None:
        """What is done here came of these as well."""

    async def close(self) -> None:
        """Send what is waiting."""


class _NoSpan:
    def note(self, name: str, value: str | float) -> None:
        """Nobody wants to know."""

    def fail(self, why: str) -> None:
        """Nobody wants to know."""


_NOTHING: Final = nullcontext(_NoSpan())


class NoTracing:
    """Where nobody asked for traces."""

    def span(
        self,
        name: str,
        kind: SpanKind,
        *,
        causes: Sequence[Cause] | None = None,
        attributes: Mapping[str, str | int] | None = None,
    ) -> AbstractContextManager[Span]:
        """Nothing."""
        return _NOTHING

    def link(self, causes: Sequence[Cause]) -> None:
        """Nobody wants to know."""

    async def close(self) -> None:
        """Nothing waits."""
