"""Spans by OpenTelemetry, as the standard's own environment variables configure it.

Nothing of OpenTelemetry is imported before it is known that somebody wants traces. Who they are
sent to, how many and under what name is for `OTEL_…` variables to say. Source: OpenTelemetry
specification 1.50, "Environment Variable Specification".
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

import channelsync
from channelsync.tracing import Cause, Span, SpanKind, caused_by, causes_here

if TYPE_CHECKING:
    from opentelemetry.context import Context

__all__ = ["Spans", "exporting"]

_log = structlog.get_logger("channelsync.traces")

STEPS_MAX: Final = 8
"""Steps of one trace. Work that leads to work without an end begins a new one, linked to this."""
LINKS_MAX: Final = 100
CLOSE_SECONDS: Final = 2.0
EXPORTERS: Final = "opentelemetry_traces_exporter"
_TEXT: Final = TraceContextTextMapPropagator()
_KINDS: Final = {
    SpanKind.SERVER: trace.SpanKind.SERVER,
    SpanKind.CONSUMER: trace.SpanKind.CONSUMER,
    SpanKind.CLIENT: trace.SpanKind.CLIENT,
    SpanKind.INTERNAL: trace.SpanKind.INTERNAL,
}


class _Span:
    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self._linked = {span.get_span_context().trace_id}

    def note(self, name: str, value: str | float) -> None:
        self._span.set_attribute(name, value)

    def link(self, causes: Sequence[Cause]) -> None:
        """Once to every other trace."""
        for cause in causes:
            context = _context_of(cause)
            if context.trace_id not in self._linked and len(self._linked) <= LINKS_MAX:
                self._linked.add(context.trace_id)
                self._span.add_link(context)

    def fail(self, why: str) -> None:
        self._span.set_attribute("error.type", why)
        self._span.set_status(trace.Status(trace.StatusCode.ERROR))


_HERE: Final[ContextVar[_Span | None]] = ContextVar("span", default=None)


class Spans:
    """Makes spans with a provider, and ends it."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("channelsync", channelsync.__version__)

    @contextlib.contextmanager
    def span(
        self,
        name: str,
        kind: SpanKind,
        *,
        causes: Sequence[Cause] | None = None,
        attributes: Mapping[str, str | int] | None = None,
    ) -> Iterator[Span]:
        """As `channelsync.tracing.Tracing` says."""
        told = causes_here() if causes is None else tuple(causes)
        step = kind is SpanKind.CONSUMER
        parent = told[0] if told and not (step and told[0].steps >= STEPS_MAX) else None
        span = self._tracer.start_span(
            name,
            context=_parent(parent),
            kind=_KINDS[kind],
            attributes=dict(attributes or {}),
        )
        mine = _Span(span)
        mine.link(told if parent is None else told[1:])
        steps = 0 if parent is None else parent.steps + step
        before = _HERE.set(mine)
        try:
            with caused_by((_cause_of(span, steps),)):
                yield mine
        except Exception as error:
            mine.fail(type(error).__name__)
            raise
        finally:
            _HERE.reset(before)
            span.end()

    def link(self, causes: Sequence[Cause]) -> None:
        """As `channelsync.tracing.Tracing` says."""
        if (here := _HERE.get()) is not None:
            here.link(causes)

    async def close(self) -> None:
        """Send what is waiting, for as long as a stop may take; what is left then is lost."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await asyncio.to_thread(self._provider.shutdown)


def _parent(cause: Cause | None) -> Context:
    """Where a span begins: never in what a library believes to be going on."""
    if cause is None:
        return trace.set_span_in_context(trace.INVALID_SPAN)
    return _TEXT.extract({"traceparent": cause.traceparent})


def _context_of(cause: Cause) -> trace.SpanContext:
    return trace.get_current_span(_parent(cause)).get_span_context()


def _cause_of(span: trace.Span, steps: int) -> Cause:
    context = span.get_span_context()
    ids = f"{context.trace_id:032x}-{context.span_id:016x}"
    return Cause(f"00-{ids}-{context.trace_flags:02x}", steps)


def exporting(environment: Mapping[str, str]) -> Spans | None:
    """Spans that leave as the environment says; None where no exporter can be had, which is told.

    Sampling, the batches and the resource are read from the environment by OpenTelemetry itself.
    """
    wanted = environment.get("OTEL_TRACES_EXPORTER", "otlp")
    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    made = [one for name in wanted.split(",") if (one := _exporter(name.strip(), environment))]
    for exporter in made:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return Spans(provider) if made else None


def _resource() -> Resource:
    """Which process of which program; what the operator says of it comes first."""
    said = Resource.create().attributes
    ours = {
        "service.name": "channelsync",
        "service.version": channelsync.__version__,
        "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
    }
    unnamed = str(said["service.name"]).startswith("unknown_service")
    given = {name: said[name] for name in said if name != "service.name" or not unnamed}
    return Resource(ours).merge(Resource(given))


def _exporter(name: str, environment: Mapping[str, str]) -> Any:
    if name == "otlp":
        protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get(
            "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"
        )
        name = "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"
    try:
        (found,) = entry_points(group=EXPORTERS, name=name)
        return found.load()()
    except Exception as error:  # noqa: BLE001 - stock is kept in step without traces as well
        _log.warning("traces cannot be sent", exporter=name, why=str(error) or "no such exporter")
        return None
