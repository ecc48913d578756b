"""The whole daemon on virtual time: every seed lives the same day twice, and a bug is found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from channelsync.bootstrap import OpenedChannels
from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.ends import Finished
from channelsync.engine.leases import free_leases, lease_owners
from channelsync.engine.work import Claim, WorkKind
from channelsync.rehearsal.life import House
from channelsync.rehearsal.play import Plan, play
from channelsync.store import tables
from channelsync.worker.supervisor import Handler

Work = Mapping[WorkKind, Handler]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def _begun(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "channelsync", "simulate", "--daemon", "--json", *arguments],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONHASHSEED": "random"},
    )


def _ended(begun: subprocess.Popen[bytes]) -> tuple[int, dict[str, Any]]:
    told, _ = begun.communicate()
    return begun.returncode, json.loads(told)


def test_one_seed_always_lives_the_same_hours_and_keeps_every_invariant() -> None:
    arguments = ("--seed", "5", "--hours", "0.25")
    first, second = _begun(*arguments), _begun(*arguments)
    (code, once), (_, again) = _ended(first), _ended(second)
    assert code == 0, once["violation"]
    assert once["oversold"] == 0
    assert once["sold"] > 0
    assert once["checks"]["I2 theorem"] > 500
    assert once["checks"]["rest"] == 2
    assert again == once


# ------------------------------------------------------------------ planted bugs


def _answers_without_storing(house: House) -> None:
    """A receiver that is too friendly."""
    calls = iter(range(10**9))

    def front(app: ASGIApp) -> ASGIApp:
        async def hasty(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and next(calls) % 3 == 2:
                await JSONResponse({"status": "accepted"})(scope, receive, send)
            else:
                await app(scope, receive, send)

        return hasty

    house.front = front


def _changed(house: House, kind: WorkKind, before: Callable[[Engine, Claim], None]) -> None:
    def work(given: Work) -> Work:
        inner = given[kind]

        async def act(engine: Engine, held: Claim) -> Instant | Finished | None:
            before(engine, held)
            return await inner(engine, held)

        return {**given, kind: act}

    house.work = work


def _trusts_amazon_too_soon(house: House) -> None:
    """A number that was not applied yet is taken for one that never will be."""

    def before(engine: Engine, held: Claim) -> None:
        assert isinstance(engine.channels, OpenedChannels)
        running = engine.channels.running[held.key]
        engine.channels.running[held.key] = replace(running, apply_limit_seconds=1.0)

    _changed(house, WorkKind.PUBLISH, before)


def _believes_a_poll_saw_everything(house: House) -> None:
    """The watermark is set to now, whatever the channel is still hiding."""

    def work(given: Work) -> Work:
        inner = given[WorkKind.POLL]

        async def act(engine: Engine, held: Claim) -> Instant | Finished | None:
            again_at = await inner(engine, held)
            async with engine.database.write() as tx:
                channels = tables.channels
                at = {"watermark": engine.now()}
                await tx.execute(channels.update().where(channels.c.name == held.key).values(at))
            return again_at

        return {**given, WorkKind.POLL: act}

    house.work = work


def _believes_its_own_clock(house: House) -> None:
    """Two machines whose clocks are minutes apart, and nobody asks the database."""
    house.clock = lambda process, _asked: process.now


def _takes_the_frozen_for_dead(house: House) -> None:
    """Whoever holds a lease is thought to be gone, as if a lease were a sign of life."""

    def work(given: Work) -> Work:
        inner = given[WorkKind.POLL]

        async def act(engine: Engine, held: Claim) -> Instant | Finished | None:
            async with engine.database.write() as tx:
                others = await lease_owners(tx) - {engine.environment.owner}
                await free_leases(tx, others)
            return await inner(engine, held)

        return {**given, WorkKind.POLL: act}

    house.work = work


@pytest.mark.parametrize(
    ("bug", "found_as", "daemons"),
    [
        (_answers_without_storing, "I7", 1),
        (_trusts_amazon_too_soon, "I2", 1),
        (_believes_a_poll_saw_everything, "I6", 1),
        # Watermarks, leases, and what may still apply: which of them it breaks first is chance.
        (_believes_its_own_clock, ("I2", "I6", "I14"), 2),
        (_takes_the_frozen_for_dead, "I14", 2),
    ],
)
def test_a_planted_bug_is_found(
    bug: Callable[[House], None], found_as: str | tuple[str, ...], daemons: int
) -> None:
    outcome = play(Plan(seed=3, hours=3.0, every_seconds=20.0, bug=bug, daemons=daemons))
    assert outcome.violation is not None
    assert outcome.violation.startswith(found_as), outcome.violation
    assert f"--seed {outcome.seed} " in outcome.replay
