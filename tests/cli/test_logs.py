"""Log lines: no secret leaves by them; one that cannot be written is lost, and nothing with it."""

from __future__ import annotations

import io
import logging
import sys
from typing import Literal

import pytest
import structlog
from pydantic import BaseModel, SecretStr
from typing_extensions import override

from channelsync.cli.logs import start_logs
from channelsync.telemetry.redaction import hide_secrets_of


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


SECRETS = (
    "csk_0123456789ab_" + "s" * 43,
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "shpat_0123456789abcdef",
    "Atzr|IwEBIHsecretsecret",
    "amzn1.oa2-cs.v1.0123456789abcdef",
    "Bearer abcdefgh.ijklmnop",
)


def _broken(secret: str) -> Exception:
    """An error whose frame holds a secret, beside its message."""
    held = {"token": secret}
    try:
        int(held["token"])
    except ValueError as error:
        return error
    raise AssertionError("it is no number")


@pytest.mark.parametrize("layout", ["json", "console"])
def test_item_26_no_secret_leaves_by_any_log_line(
    monkeypatch: pytest.MonkeyPatch, layout: Literal["json", "console"]
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    start_logs(logging.INFO, layout)

    class Own(BaseModel):
        inner: dict[str, SecretStr]

    hide_secrets_of(Own(inner={"a": SecretStr("no shape betrays this one")}))
    log = structlog.get_logger()
    for secret in (*SECRETS, "no shape betrays this one"):
        kept = secret.removeprefix("Bearer ").removeprefix("csk_0123456789ab_")
        log.warning(secret, why=secret, deep={"a": [secret]})
        logging.getLogger("library").error("about %s", secret)
        log.error("it broke", exc_info=_broken(secret))
        said = stream.getvalue()
        assert kept not in said
        assert said.count("[hidden]") >= 4
        stream.truncate(0)
    log.warning("x", url="postgresql://u:swordfish1@db/x?y=1", headers={"authorization": "abc-def"})
    log.warning("GET https://shop.example/a?page=2&access_token=swordfish2&x=1")
    said = stream.getvalue()
    assert "swordfish" not in said
    assert "abc-def" not in said
    assert "page=2" in said
    assert "x=1" in said


def test_item_26_a_value_cannot_begin_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    start_logs(logging.INFO, "json")
    structlog.get_logger().warning("said", name='x\n{"event": "all is well"}')
    assert len(stream.getvalue().splitlines()) == 1


def test_the_set_up_link_is_whole_and_innocent_words_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    start_logs(logging.INFO, "json")
    link = "http://127.0.0.1:8484/setup?token=0123456789abcdef"
    structlog.get_logger().warning("the first user", url=link, channel="shop", token_age=3)
    assert link in stream.getvalue()
    assert "hidden" not in stream.getvalue()
