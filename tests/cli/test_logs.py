"""A line that cannot be written is lost; what it is about goes on."""

from __future__ import annotations

import io
import logging
import sys

import pytest
import structlog
from typing_extensions import override

from channelsync.cli.logs import start_logs


class FullDisk(io.StringIO):
    @override
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("closed", [False, True])
def test_a_stream_that_takes_nothing_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, closed: bool
) -> None:
    stream = io.StringIO() if closed else FullDisk()
    monkeypatch.setattr(sys, "stderr", stream)
    start_logs(logging.INFO, "json")
    if closed:
        stream.close()
    structlog.get_logger().warning("said to nobody")


def test_lines_come_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    start_logs(logging.INFO, "json")
    log = structlog.get_logger()
    log.debug("not asked for")
    log.info("one", channel="shop")
    log.error("two")
    lines = stream.getvalue().splitlines()
    assert [line.count('"event"') for line in lines] == [1, 1]
    assert '"channel": "shop"' in lines[0]
