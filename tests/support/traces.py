"""Spans that a test can look at: kept in this process, or received from any."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from typing_extensions import override

from channelsync.telemetry.spans import Spans

__all__ = ["Collector", "Seen", "collector", "kept_spans", "way_to"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A span as it was exported."""

    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, object]
    links: frozenset[str]
    """Traces that it is linked to."""
    sender: str = ""
    """The process that made it."""


def kept_spans() -> tuple[Spans, InMemorySpanExporter]:
    """Spans that stay in this process."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Spans(provider), exporter


def seen(exporter: InMemorySpanExporter) -> list[Seen]:
    """What was kept, in the order in which it ended."""
    return [_seen(span) for span in exporter.get_finished_spans()]


def _seen(span: ReadableSpan) -> Seen:
    return Seen(
        name=span.name,
        trace=f"{span.context.trace_id:032x}",
        id=f"{span.context.span_id:016x}",
        parent="" if span.parent is None else f"{span.parent.span_id:016x}",
        attributes=dict(span.attributes or {}),
        links=frozenset(f"{link.context.trace_id:032x}" for link in span.links),
    )


def way_to(last: Seen, spans: Sequence[Seen]) -> list[str]:
    """The names from the beginning of a trace to one of its spans."""
    by_id = {span.id: span for span in spans}
    names, here = [last.name], last
    while here.parent:
        here = by_id[here.parent]
        assert here.trace == last.trace
        names.append(here.name)
    return names[::-1]


@dataclass(slots=True)
class Collector:
    """Receives what OTLP exporters send to it over HTTP."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)

    @property
    def spans(self) -> list[Seen]:
        """All that has come."""
        return [span for body in tuple(self.bodies) for span in _received(body)]


def _received(body: bytes) -> Iterator[Seen]:
    for batch in ExportTraceServiceRequest.FromString(body).resource_spans:
        resource = {one.key: one.value.string_value for one in batch.resource.attributes}
        for scope in batch.scope_spans:
            for span in scope.spans:
                yield Seen(
                    name=span.name,
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    attributes={one.key: one.value for one in span.attributes},
                    links=frozenset(link.trace_id.hex() for link in span.links),
                    sender=f"{resource['service.name']}/{resource['service.instance.id']}",
                )


@contextmanager
def collector() -> Iterator[Collector]:
    """A collector on a loopback port."""
    built = Collector()

    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            built.bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Door) as server:
        built.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield built
        server.shutdown()
