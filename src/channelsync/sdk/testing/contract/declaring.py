"""What a connector declares, and that it opens without a network."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable
from pathlib import Path
from typing import Final

import httpx

from channelsync.sdk.connector import Discovers, FetchesOrders, Pushes, Reads, TestsItself
from channelsync.sdk.declarations import faults_of_channel, faults_of_connector
from channelsync.sdk.errors import ConnectorError, NeedsReauthorization, Retryable
from channelsync.sdk.quality import CONTRACT, BadQualityFile, missing_tests, quality_of
from channelsync.sdk.testing.contract.bench import Bench
from channelsync.sdk.testing.contract.breaking import ContractBroken, expect
from channelsync.sdk.testing.contract.clauses import Clauses, clause, pushes
from channelsync.sdk.types import CheckResult, Enforces, Outcome

__all__ = ["DeclaringClauses"]

TRIES_MAX: Final = 3
REQUESTS_MAX: Final = 4
TOKEN_IN_USE_SECONDS: Final = 600.0
"""A token that ends this long after it was fetched has ended before its time, and not at once."""


class DeclaringClauses(Clauses):
    """The manifest, the door and the credentials."""

    @clause()
    async def test_what_is_declared_can_be_used(self, bench: Bench) -> None:
        """Manifest, settings and capabilities are what the host accepts."""
        reason = faults_of_connector(bench.world.connector)
        expect(not reason, f"the connector cannot be used: {reason}")
        reason = faults_of_channel(bench.manifest, bench.channel)
        expect(not reason, f"the channel cannot be used: {reason}")

    @clause()
    async def test_the_quality_file_is_true(self, bench: Bench) -> None:
        """Each rule is answered; a test that is to show one exists, and applies."""
        try:
            quality = quality_of(bench.world.connector)
        except BadQualityFile as error:
            raise ContractBroken(f"quality.yaml: {error}") from error
        if quality is None:
            raise ContractBroken("the connector's package holds no quality.yaml")
        missing = missing_tests(quality, _project_of(type(self)))
        expect(not missing, f"quality.yaml names tests that do not exist: {missing}")
        for rule, answer in quality.answers.items():
            for test in answer.tests:
                if test.startswith(CONTRACT):
                    reason = _reason_not_to_count(self, test.removeprefix(CONTRACT), bench)
                    expect(not reason, f"quality.yaml, {rule}: {test} {reason}")

    @clause()
    async def test_a_channel_opens_without_the_network(self, bench: Bench) -> None:
        """An unreachable channel opens, degraded."""
        expect(
            not bench.wire.exchanges,
            f"opening made {len(bench.wire.exchanges)} requests: it must not need the network",
        )

    @clause(rules=(pushes,))
    async def test_the_marketplace_enforces_what_is_declared(self, bench: Bench) -> None:
        """A strict channel refuses the shopper who wants more than its number."""
        world = bench.world
        await world.stock("MUG", 2)
        expect(await world.buy("MUG") is not None, "the simulator refuses a sale within its number")
        expect(await world.shown("MUG") == 1, "a sale of one unit must lower the counter by one")
        if bench.manifest.enforces is not Enforces.STRICT:
            return
        expect(
            await world.buy("MUG", 2) is None,
            "the manifest says that the marketplace enforces its number strictly, yet the simulator"
            " sold two units where it showed one",
        )

    @clause()
    async def test_a_cut_line_is_told_as_such(self, bench: Bench) -> None:
        """Reads raise something retryable; a push has an answer, and nothing left us."""
        world = bench.world
        await world.stock("MUG", 5)
        bench.wire.cut = True
        if isinstance(bench.channel, Reads):
            await _expect_retryable("read", bench.channel.read([world.listing("MUG")]))
        if isinstance(bench.channel, FetchesOrders):
            cursor = bench.channel.first_cursor(bench.clock())
            await _expect_retryable("orders_since", bench.channel.orders_since(cursor))
        if isinstance(bench.channel, Discovers):
            await _expect_retryable("listings", _collected(bench.channel))
        if isinstance(bench.channel, Pushes):
            result = await bench.push_one(bench.change("MUG", held=5, to=7))
            expect(
                result.outcome is Outcome.UNSENT,
                f"nothing could be sent, and the push says {result.outcome}: no connection means"
                " `unsent`, so that nothing stays charged for it",
            )

    @clause(FetchesOrders, world=("revoke_access",))
    async def test_refused_credentials_ask_for_a_person(self, bench: Bench) -> None:
        """`NeedsReauthorization`, within three tries and without hammering."""
        await bench.warmed_up()
        await bench.world.revoke_access()
        cursor = bench.channel.first_cursor(bench.clock())
        for _ in range(TRIES_MAX):
            seen = len(bench.wire.exchanges)
            try:
                await bench.channel.orders_since(cursor)
            except NeedsReauthorization as error:
                expect(str(error), "NeedsReauthorization must say what a person is to do")
                return
            except Retryable as error:
                bench.clock.passes((error.after_seconds or 0.0) + 60.0)
            seen = len(bench.wire.exchanges) - seen
            expect(seen <= REQUESTS_MAX, f"one call made {seen} requests with refused credentials")
        raise ContractBroken(
            "refused credentials must raise NeedsReauthorization, at the third try at last"
        )

    @clause(world=("expire_token",))
    async def test_an_expired_token_costs_a_moment_and_no_unit(self, bench: Bench) -> None:
        """Reads work again by themselves; a push that met the old token applies once."""
        world = bench.world
        await world.stock("MUG", 5)
        await bench.warmed_up()
        if isinstance(bench.channel, Pushes):
            bench.clock.passes(TOKEN_IN_USE_SECONDS)
            await world.expire_token()
            request = bench.prepared(bench.change("MUG", held=5, to=7))
            first = await bench.push_one(request)
            expect(
                first.outcome in {Outcome.UNKNOWN, Outcome.UNSENT, bench.taken},
                f"a push that met an expired token says {first.outcome}; a refused token proves"
                " nothing of what was sent",
            )
            if first.outcome is not bench.taken:
                await bench.pause(first)
                again = await bench.push_one(request)
                expect(
                    again.outcome is bench.taken,
                    f"the next copy says {again.outcome} ({again.reason}): a fresh token was to be"
                    " had",
                )
            shown = await bench.shown_at_last("MUG")
            expect(shown == 7, f"the push was to end at 7 units, and the marketplace shows {shown}")
        bench.clock.passes(TOKEN_IN_USE_SECONDS)
        await world.expire_token()
        await bench.by_poll(bench.clock() - 60.0)

    @clause(TestsItself)
    async def test_a_self_test_passes_when_all_is_well_and_never_raises(self, bench: Bench) -> None:
        """One result a check, whatever is wrong."""
        await bench.world.stock("MUG", 5)
        bad = [one for one in await bench.channel.test() if not one.ok]
        expect(not bad, f"all is well, and the self-test says: {bad}")
        bench.wire.cut = True
        bench.clock.passes(3_600.0)
        try:
            results = await bench.channel.test()
        except Exception as error:
            raise ContractBroken(
                f"test() raised {type(error).__name__} when nothing answered: a failed check is a"
                " result"
            ) from error
        expect(all(isinstance(one, CheckResult) for one in results), "test() tells CheckResults")
        expect(
            any(not one.ok for one in results) or not bench.wire.exchanges,
            "nothing answers, and every check of the self-test passes",
        )


def _project_of(suite: type) -> Path:
    """The folder of the project that the suite's subclass stands in."""
    here = Path(inspect.getfile(suite)).resolve()
    found = next((one for one in here.parents if (one / "pyproject.toml").is_file()), None)
    return found or here.parent


def _reason_not_to_count(suite: object, name: str, bench: Bench) -> str:
    clause_of = getattr(type(suite), name, None)
    if clause_of is None:
        return "is no clause of the contract"
    reason: str = clause_of.reason_against(bench)
    return f"does not apply: {reason}" if reason else ""


async def _collected(channel: Discovers) -> list[object]:
    return [one async for one in channel.listings()]


async def _expect_retryable(method: str, call: Awaitable[object]) -> None:
    """What the host retries: the SDK's own word, or the client's that nothing was reached."""
    try:
        await call
    except (Retryable, httpx.TransportError):
        return
    except ConnectorError as error:
        raise ContractBroken(
            f"{method} raised {type(error).__name__} when nothing answered: it must be Retryable"
        ) from error
    raise ContractBroken(f"{method} told something although nothing answered")
