"""Data to stdout, talk to stderr; readable at 80 columns, harmless on a terminal, no secret."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr

from channelsync.domain.vocabulary import PushSemantics
from channelsync.sdk.testing.memory import MemoryConnector, MemoryMarket
from tests.cli.shop import CANONICAL, Shop

READING = (
    ["status"],
    ["plan"],
    ["explain", "IPHONE-15"],
    ["orders"],
    ["stock", "show", "IPHONE-15"],
    ["items", "list"],
    ["holds", "list"],
    ["channels", "list"],
    ["deadletters", "list"],
    ["connectors", "list"],
    ["verify"],
    ["check"],
)


def test_everything_fits_a_terminal_of_80_columns(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shop.daemon()
    shop.run("channels", "pause", "soho-till", "-r", "a long reason that a person gave " * 4)
    shop.run("stock", "adjust", "IPHONE-15", "-30", "-r", "a crate fell from the lorry " * 4)
    for command in READING:
        done = shop.run(*command)
        assert done.code in {0, 2}, done
        assert done.out, command
        too_wide = [line for line in done.out.splitlines() if len(line) > 80]
        assert too_wide == [], command


def test_what_is_piped_is_not_folded(shop: Shop) -> None:
    shop.daemon()
    reason = "a long reason that a person gave, word for word, beyond eighty columns of text"
    shop.run("channels", "pause", "soho-till", "-r", reason)
    assert f"soho-till: stopped: {reason}" in shop.run("status").out.splitlines()


def test_no_colour_is_written_where_nobody_sees_it(shop: Shop) -> None:
    shop.daemon()
    for command in READING:
        assert "\x1b" not in shop.run(*command).out


class _Terminal:
    """A stream that says it is a terminal."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def isatty(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@pytest.mark.parametrize(
    ("variables", "options", "coloured"),
    [({}, [], True), ({"NO_COLOR": "1"}, [], False), ({}, ["--no-color"], False)],
)
def test_colour_appears_on_a_terminal_unless_it_is_not_wanted(
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
    options: list[str],
    coloured: bool,
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", cast("Any", _Terminal(sys.stdout)))
    done = shop.run("verify", *options)
    assert "The books add up" in done.out
    assert ("\x1b[1;32m" in done.out) is coloured
    # Bold is no colour, and helps everybody.
    assert "\x1b[1" in done.out


def test_a_name_from_a_marketplace_cannot_steer_the_terminal(shop: Shop) -> None:
    name = "[red]Mug[/red] \x1b]0;owned\x07\x1b[31m :warning:"
    sheet = shop.write(f"sku,on_hand,name\nMUG,1,{name}\n", "mug.csv")
    assert shop.run("stock", "import", str(sheet), "--create-items").code == 0
    for command in (["items", "list"], ["stock", "show", "MUG"], ["explain", "MUG"]):
        out = shop.run(*command).out
        assert "\x1b" not in out
        assert "\x07" not in out
        assert "[red]Mug[/red]" in out, "shown as it is written"
        assert ":warning:" in out
    assert shop.json("items", "list")["items"][1]["name"] == name, "JSON escapes by itself"


def test_talk_goes_to_stderr_and_can_be_silenced(bare: Shop) -> None:
    done = bare.run("init")
    assert done.out == f"wrote {bare.config} and {bare.folder / 'channelsync.schema.json'}\n"
    assert done.err.startswith("Next: edit it")
    assert bare.run("init", "--force", "-q").err == ""


def test_common_options_stand_before_a_command_or_behind_it(shop: Shop) -> None:
    before = shop.run("--json", "items", "list")
    behind = shop.run("items", "list", "--json")
    assert before.out == behind.out
    assert before.data["items"][0]["sku"] == "IPHONE-15"


def test_an_option_outranks_its_variable(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CHANNELSYNC_CONFIG", str(tmp_path / "other.yaml"))
    monkeypatch.setenv("CHANNELSYNC_ORDERS_LIMIT", "1")
    monkeypatch.setenv("CHANNELSYNC_JSON", "1")
    shop.daemon(0)
    assert shop.run("check").code == 0
    assert len(shop.run("orders").data["lines"]) == 1
    assert len(shop.run("orders", "--limit", "3").data["lines"]) == 3


def test_consent_is_not_taken_from_a_variable(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANNELSYNC_DEADLETTERS_DROP_YES", "1")
    monkeypatch.setenv("CHANNELSYNC_INIT_FORCE", "1")
    assert "Repeat the command with --yes" in shop.run("deadletters", "drop", "1").err
    assert "exists already: nothing was written" in shop.run("init").err


class _Secretive(BaseModel):
    model_config = ConfigDict(extra="forbid")
    token: SecretStr


def test_no_secret_is_ever_printed(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "hunter2-hunter2")
    market = MemoryMarket(semantics=PushSemantics.KEYED_DELTA, now=shop.clock)
    made = MemoryConnector(market, name="secretive", settings_model=_Secretive)
    shop.registry = shop.registry.with_connector(made)
    shop.write(
        CANONICAL.replace(
            "{connector: tilling}", '{connector: secretive, settings: {token: "${SHOP_TOKEN}"}}'
        )
    )
    shop.daemon(0)
    for command in (*READING, ["channels", "test", "soho-till"]):
        for options in ([], ["--json"], ["-v"]):
            done = shop.run(*command, *options)
            assert done.code in {0, 2}, done
            assert "hunter2" not in done.out + done.err
