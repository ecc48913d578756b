"""Whether somebody wants traces, told before anything of OpenTelemetry is imported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import structlog

from channelsync.telemetry.redaction import hide_values
from channelsync.tracing import NoTracing, Tracing

__all__ = ["open_tracing", "traces_are_wanted"]

_log = structlog.get_logger("channelsync.traces")

_ASKS: Final = (
    "OTEL_TRACES_EXPORTER",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
)
_HEADERS: Final = ("OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS")
"""Most collectors that are somebody else's want a key there."""


def traces_are_wanted(environment: Mapping[str, str]) -> bool:
    """Whether OpenTelemetry's variables name where traces are to go."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return False
    return any(environment.get(name) for name in _ASKS)


def open_tracing(environment: Mapping[str, str]) -> Tracing:
    """Spans where they are wanted and can be made; that they cannot is told, and stops nothing."""
    if not traces_are_wanted(environment):
        return NoTracing()
    try:
        # Slow to load, and an extra.
        from channelsync.telemetry.spans import exporting
    except ModuleNotFoundError as error:
        _log.warning(
            "traces are asked for and OpenTelemetry is not installed: install channelsync[otel]",
            missing=error.name,
        )
        return NoTracing()
    for name in _HEADERS:
        hide_values(pair.partition("=")[2] for pair in environment.get(name, "").split(","))
    return exporting(environment) or NoTracing()
