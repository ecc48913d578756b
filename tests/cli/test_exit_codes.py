"""One message on stderr and a stable exit code, whatever happens; never a traceback unasked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from channelsync.bootstrap import Application
from channelsync.cli.exit_codes import MEANINGS, ExitCode
from channelsync.cli.failures import failure_of
from channelsync.domain.errors import InsufficientFree, InvariantViolated
from channelsync.plugins.opening import ChannelUnusable
from channelsync.plugins.registry import Registry
from channelsync.sdk.errors import NeedsReauthorization, Retryable
from channelsync.simulate import Result
from tests.cli.shop import CANONICAL, Shop


def corrupt(shop: Shop) -> None:
    """Somebody with a database shell changed a balance without a movement."""

    async def run(application: Application) -> None:
        async with application.engine.database.write() as tx:
            await tx.execute(sa.text("UPDATE stock SET on_hand = on_hand - 10"))

    shop.work(run)


def test_every_code_has_a_meaning_in_the_help(bare: Shop) -> None:
    assert set(MEANINGS) == set(ExitCode)
    done = bare.run("--help")
    assert done.code == 0
    for code in ExitCode:
        assert f"{int(code)}: " in done.out


def test_0_what_was_asked_for_is_done(shop: Shop) -> None:
    assert shop.run("check").code == 0


def test_1_without_a_database_the_next_step_is_named(bare: Shop) -> None:
    bare.write("version: 1\nlocations:\n  shop: {}\n")
    for command in (["status"], ["explain", "MUG"], ["orders"], ["verify"], ["holds", "list"]):
        done = bare.run(*command)
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith(f"channelsync: there is no database at {bare.database} yet:")
        assert "(channelsync run)" in done.err
    assert not bare.database.exists(), "looking makes nothing"


def test_1_a_database_of_a_newer_program_is_left_alone(shop: Shop) -> None:
    async def run(application: Application) -> None:
        async with application.engine.database.write() as tx:
            await tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))

    shop.work(run)
    done = shop.run("status")
    assert done.code == 1
    assert "the database has schema 9999" in done.err


def test_3_books_that_do_not_add_up(shop: Shop) -> None:
    corrupt(shop)
    done = shop.run("verify")
    assert done.code == 3
    assert "The books do not add up" in done.out
    row = next(line for line in done.out.splitlines() if line.startswith("stock.on_hand"))
    assert row.split()[-2:] == ["90", "100"]


def test_0_books_that_were_put_right(shop: Shop) -> None:
    corrupt(shop)
    repaired = shop.run("verify", "--repair", "--json")
    assert repaired.code == 0
    assert [one["key"] for one in repaired.data["repaired"]] == ["IPHONE-15 at ny-dc"]
    assert shop.run("verify").code == 0


def test_4_every_problem_of_the_configuration_is_shown_at_once(shop: Shop) -> None:
    shop.write("version: 1\nchanels: {}\nlocations:\n  ny dc: {}\n")
    done = shop.run("check")
    assert (done.code, done.out) == (4, "")
    assert f'{shop.config}:2:1 chanels: unknown key; did you mean "channels"?' in done.err
    assert f"{shop.config}:4:3" in done.err
    problems = shop.run("check", "--json").data["error"]["details"]
    assert [problem["line"] for problem in problems] == [2, 4]


def test_4_a_variable_that_cannot_be_used(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHANNELSYNC_PUBLIC_URL", "stock.example.com")
    done = shop.run("status")
    assert (done.code, done.err) == (
        4,
        "channelsync: CHANNELSYNC_PUBLIC_URL: write it like https://stock.example.com\n",
    )


def test_5_a_database_that_does_not_answer_is_named_without_its_password(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://merchant:hunter2@127.0.0.1:1/stock"
    monkeypatch.setenv("CHANNELSYNC_DATABASE_URL", url)
    for command in (["status"], ["db", "current"], ["db", "upgrade"], ["stock", "export"]):
        done = shop.run(*command, "-v")
        assert done.code == 5
        assert "postgresql+asyncpg://merchant:***@127.0.0.1:1/stock cannot be reached" in done.err
        assert "hunter2" not in done.err + done.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["statsu"],
        ["plan", "--colour"],
        ["stock", "adjust", "IPHONE-15", "-3"],
        ["stock", "count", "IPHONE-15", "many"],
        ["stock", "set", "IPHONE-15", "3", "--what", "price"],
        ["simulate", "--scenario", "flsh"],
        ["simulate", "--policy", "hope"],
        ["run", "--port", "99999"],
        ["deadletters", "replay", "first"],
    ],
    ids=" ".join,
)
def test_64_a_wrong_command_line_points_to_its_help(bare: Shop, arguments: list[str]) -> None:
    done = bare.run(*arguments)
    assert (done.code, done.out) == (64, "")
    assert done.err.startswith("channelsync: ")
    assert done.err.splitlines()[-1].startswith("Try: channelsync")
    assert done.err.endswith("--help\n")


def test_64_without_a_command_the_commands_are_shown(bare: Shop) -> None:
    done = bare.run("stock")
    assert done.code == 64
    assert "Usage: channelsync stock" in done.out
    assert done.err == ("channelsync: name one of these commands\nTry: channelsync stock --help\n")


def test_a_command_that_is_nearly_right_is_suggested(bare: Shop) -> None:
    assert "Did you mean 'status'?" in bare.run("statsu").err


def test_a_failure_is_one_json_object_as_well(shop: Shop) -> None:
    done = shop.run("explain", "MUG", "--json")
    assert done.data == {
        "error": {
            "kind": "refused",
            "exit_code": 1,
            "message": "there is no item 'MUG'",
            "details": [],
        }
    }
    assert done.err == "channelsync: there is no item 'MUG'\n"


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (InvariantViolated("exposure -1 below 0"), 3, "invariant_violated"),
        (InsufficientFree(5, 3), 1, "refused"),
        (Retryable("no answer"), 5, "unreachable"),
        (NeedsReauthorization("the token is refused"), 1, "channel_unusable"),
        (ChannelUnusable("it does not open"), 1, "channel_unusable"),
        (PermissionError(13, "Permission denied", "data"), 1, "failed"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_the_program_raises_has_its_code(error: Exception, code: int, kind: str) -> None:
    failure = failure_of(error)
    assert (failure.code, failure.kind, failure.expected) == (code, kind, True)


def test_of_several_mistakes_at_once_each_is_named() -> None:
    inner = ExceptionGroup("inside", [ValueError("one"), ValueError("one")])
    failure = failure_of(ExceptionGroup("outside", [inner, KeyError("two")]))
    assert failure.message.startswith("this should not happen: ValueError: one; KeyError: 'two'\n")
    assert not failure.expected


def broken(_shop: Shop) -> Callable[[], Registry]:
    def registry() -> Registry:
        raise RuntimeError("boom")

    return registry


@pytest.mark.parametrize("verbose", [False, True])
def test_a_mistake_of_ours_shows_its_traceback_only_when_asked(shop: Shop, verbose: bool) -> None:
    options = ["-v"] if verbose else []
    done = shop.run("connectors", "list", *options, registry=broken(shop))
    assert done.code == 1
    assert "this should not happen: RuntimeError: boom" in done.err
    assert ("Traceback" in done.err) is verbose


# ------------------------------------------------------------------ simulate


def test_simulate_prints_exactly_one_object_of_one_scenario(bare: Shop) -> None:
    done = bare.run("simulate", "--scenario", "busy", "--trials", "2", "--seed", "7", "--json")
    assert done.code == 0
    assert list(done.data) == [
        "scenario",
        "policy",
        "trials",
        "demand",
        "sold",
        "oversold",
        "refused",
        "stranded",
        "pushes",
    ]
    assert done.data["oversold"] == 0
    assert done.data["sold"] > 0
    again = bare.run("simulate", "--scenario", "busy", "--trials", "2", "--seed", "7", "--json")
    assert again.out == done.out


def test_what_others_oversell_is_shown_and_no_failure(bare: Shop) -> None:
    done = bare.run("simulate", "--policy", "mirror", "--scenario", "busy", "--trials", "2")
    assert done.code == 0
    numbers = json.loads(
        bare.run(
            "simulate", "--policy", "mirror", "--scenario", "busy", "--trials", "2", "--json"
        ).out
    )
    assert numbers["oversold"] > 0
    assert str(numbers["oversold"]) in done.out.splitlines()[-1].split()


def test_3_a_protocol_that_oversold(bare: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def play(scenario: str, policy: str, **_given: Any) -> Result:
        numbers = dict.fromkeys(
            ("demand", "sold", "refused", "stranded", "pushes", "worst_oversold"), 1
        )
        return Result(
            scenario=scenario,
            policy=policy,
            trials=1,
            oversold=1,
            refused_deviation=0.0,
            **numbers,
        )

    monkeypatch.setattr("channelsync.simulate.run", play)
    assert bare.run("simulate", "--scenario", "busy").code == 3
    assert bare.run("simulate", "--scenario", "busy", "--policy", "percent").code == 0


def test_check_warns_of_a_variable_that_nothing_reads(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHANNELSYNC_DATABSE_URL", "sqlite:///other.db")
    monkeypatch.setenv("CHANNELSYNC_ORDERS_LIMIT", "5")
    done = shop.run("check")
    assert done.code == 0
    assert done.err == (
        "the environment variable CHANNELSYNC_DATABSE_URL is read by nothing; did you mean"
        " CHANNELSYNC_DATABASE_URL?\n"
    )
    assert CANONICAL.startswith("version: 1")
