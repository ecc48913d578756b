"""Traces: when they are wanted, and that they cost nothing where nobody wants them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from channelsync.telemetry.redaction import redacted
from channelsync.telemetry.traces import open_tracing, traces_are_wanted
from channelsync.tracing import NoTracing, SpanKind, causes_here

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "shop"}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "TRUE"}, False),
    ],
)
def test_the_standards_variables_say_whether_traces_are_wanted(
    environment: dict[str, str], wanted: bool
) -> None:
    assert traces_are_wanted(environment) is wanted
    if not wanted:
        assert isinstance(open_tracing(environment), NoTracing)


async def test_an_exporter_that_nobody_has_is_told_and_stops_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tracing = open_tracing({"OTEL_TRACES_EXPORTER": "carrier-pigeon"})
    assert isinstance(tracing, NoTracing)
    with tracing.span("x", SpanKind.INTERNAL):
        assert causes_here() == ()
    assert "carrier-pigeon" in capsys.readouterr().out


async def test_the_collectors_key_is_hidden() -> None:
    key = "a-collectors-own-key"
    tracing = open_tracing(
        {"OTEL_TRACES_EXPORTER": "none-such", "OTEL_EXPORTER_OTLP_HEADERS": f"api-key={key}"}
    )
    await tracing.close()
    assert key not in redacted(f"refused: api-key={key}")


def test_what_makes_and_sends_spans_is_not_loaded_unless_it_is_wanted() -> None:
    # Its API alone may be there: the web framework looks for it by itself.
    script = (
        "import sys; from channelsync.daemon import open_tracing; open_tracing({});"
        "parts = ('opentelemetry.sdk', 'opentelemetry.exporter', 'channelsync.telemetry.spans');"
        "print([name for name in sys.modules if name.startswith(parts)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    )
    assert done.stdout == "[]\n"
