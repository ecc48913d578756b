"""Writing quantities: each answer proves what it proves, and no copy applies twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import permutations
from typing import Final

from channelsync.sdk.connector import Pushes
from channelsync.sdk.testing.contract.bench import Bench
from channelsync.sdk.testing.contract.breaking import expect
from channelsync.sdk.testing.contract.clauses import Clauses, clause, keyed, pushes, when
from channelsync.sdk.testing.contract.wire import Exchange
from channelsync.sdk.types import ChangeResult, Outcome

__all__ = ["PushingClauses"]

PROVES_NOTHING: Final = (
    "throttled",
    "server_error_before",
    "server_error_after",
    "timeout_before",
    "timeout_after",
)
BATCH_OF: Final = 3
READ_METHODS: Final = frozenset({"GET", "HEAD"})
LATE_SECONDS: Final = 86_400.0

compares = when(lambda bench: bench.compares, "its writes name no value that they replace")
batches = when(lambda bench: bench.manifest.batch_size > 1, "its batch_size is 1")
raises_blindly = when(
    lambda bench: bench.manifest.raises_without_compare, "raises_without_compare is false"
)


class PushingClauses(Clauses):
    """The write half."""

    @clause(Pushes, rules=(pushes,))
    async def test_preparing_is_pure(self, bench: Bench) -> None:
        """The same arguments give the same bytes, and nothing is sent."""
        await bench.world.stock("MUG", 5)
        change = bench.change("MUG", held=5, to=7)
        first = bench.prepared(change, key="one-key")
        bench.clock.passes(3_600.0)
        second = bench.prepared(change, key="one-key")
        expect(first == second, "prepare gave other bytes an hour later: it must be pure")
        expect(not bench.wire.exchanges, "prepare sent something")

    @clause(Pushes, rules=(pushes,))
    async def test_a_push_does_what_it_says(self, bench: Bench) -> None:
        """Up, down and to zero; the answer proves what the manifest declares."""
        await bench.world.stock("MUG", 5)
        held = 5
        for to in (9, 4, 0, 3):
            result = await bench.push_one(bench.change("MUG", held=held, to=to))
            expect(
                result.outcome is bench.taken,
                f"a good push from {held} to {to} says {result.outcome} ({result.reason}); with"
                f" confirms_at_once={bench.manifest.confirms_at_once} it must say {bench.taken}",
            )
            if result.outcome is Outcome.APPLIED:
                shown = await bench.world.shown("MUG")
                expect(shown == to, f"`applied` is not true: {shown} is shown instead of {to}")
            shown = await bench.shown_at_last("MUG")
            expect(shown == to, f"from {held} to {to}: {shown} is shown in the end")
            held = to

    @clause(Pushes, rules=(pushes, raises_blindly))
    async def test_a_raise_without_compare_adds_to_whatever_is_there(self, bench: Bench) -> None:
        """Sales in between take nothing from it."""
        await bench.world.stock("MUG", 5)
        request = bench.prepared(bench.blind_raise("MUG", 3))
        await bench.world.buy("MUG", 4)
        result = await bench.push_one(request)
        shown = await bench.shown_at_last("MUG")
        expect(
            (result.outcome, shown) == (bench.taken, 4),
            f"1 unit was left, 3 were added, and {shown} are shown ({result.outcome})",
        )

    @clause(Pushes, rules=(pushes, compares), world=("edit",))
    async def test_a_stale_compare_is_refused_as_stale(self, bench: Bench) -> None:
        """A sale or a clerk in between: nothing applies, and the answer says why."""
        await bench.world.stock("MUG", 5)
        request = bench.prepared(bench.change("MUG", held=5, to=2))
        await bench.world.buy("MUG", 1)
        await bench.world.edit("MUG", 3)
        result = await bench.push_one(request)
        shown = await bench.shown_at_last("MUG")
        expect(shown == 7, f"a push that named 5 was applied on 7: {shown} is shown")
        expect(
            (result.outcome, result.stale) == (Outcome.REFUSED, True),
            f"a stale push says {result.outcome}, stale={result.stale}: refused and stale is meant",
        )

    @clause(Pushes, rules=(keyed,))
    async def test_a_lost_answer_and_its_replays_apply_once(self, bench: Bench) -> None:
        """Applied, unheard of, sold out, sent again twice: the value came back, the key stays."""
        for fault in ("timeout_after", "server_error_after"):
            sku = f"MUG-{fault.upper()}"
            await bench.world.stock(sku, 2)
            request = bench.prepared(bench.change(sku, held=2, to=5))
            with bench.fault(fault):
                first = await bench.push_one(request)
            expect(
                first.outcome is Outcome.UNKNOWN,
                f"after {fault} the push says {first.outcome}: without an answer it is unknown",
            )
            await bench.world.buy(sku, 3)
            for _ in range(2):
                await bench.pause(first)
                first = await bench.push_one(request)
            shown = await bench.shown_at_last(sku)
            expect(
                shown == 2,
                f"5 were shown, 3 sold, and after the same push was sent again {shown} are shown"
                " instead of 2: copies must bear one key, and the marketplace must know it",
            )

    @clause(Pushes, rules=(keyed,))
    async def test_a_lost_request_is_applied_by_its_copy(self, bench: Bench) -> None:
        """Nothing arrived: the copy does it."""
        await bench.world.stock("MUG", 2)
        request = bench.prepared(bench.change("MUG", held=2, to=5))
        with bench.fault("timeout_before"):
            first = await bench.push_one(request)
        await bench.pause(first)
        again = await bench.push_one(request)
        shown = await bench.shown_at_last("MUG")
        expect(
            (again.outcome, shown) == (bench.taken, 5),
            f"the copy of a lost request says {again.outcome} ({again.reason}), and {shown} units"
            " are shown instead of 5",
        )

    @clause(Pushes, rules=(keyed,))
    async def test_a_key_used_for_other_contents_applies_nothing(self, bench: Bench) -> None:
        """One key, one change."""
        await bench.world.stock("MUG", 5)
        await bench.push_one(bench.prepared(bench.change("MUG", held=5, to=8), key="one-key"))
        held = await bench.shown_at_last("MUG")
        other = bench.prepared(bench.change("MUG", held=held, to=held + 4), key="one-key")
        await bench.push(other)
        shown = await bench.shown_at_last("MUG")
        expect(
            shown == 8, f"a key that was used up applied something else: {shown} units, 8 are right"
        )

    @clause(Pushes, rules=(pushes,))
    async def test_every_copy_is_the_same_bytes(self, bench: Bench) -> None:
        """What was fixed by `prepare` is what is sent, each time."""
        await bench.world.stock("MUG", 5)
        await bench.warmed_up()
        request = bench.prepared(bench.change("MUG", held=5, to=8))
        copies: list[list[tuple[str, str, bytes]]] = []
        for _ in range(2):
            with bench.wire.watched() as seen:
                result = await bench.push_one(request)
            copies.append([one.identity for one in seen if one.method not in READ_METHODS])
            await bench.pause(result)
        expect(copies[0], "a push sent nothing at all")
        expect(copies[0] == copies[1], f"two copies of one push differ: {copies[0]}, {copies[1]}")

    @clause(Pushes, rules=(pushes,))
    async def test_one_attempt_is_one_request_and_a_bad_answer_proves_nothing(
        self, bench: Bench
    ) -> None:
        """No retry of its own, whose copy nobody charged; no 429, 5xx or silence proves a thing."""
        for number, fault in enumerate(PROVES_NOTHING):
            sku = f"MUG-{number}"
            await bench.world.stock(sku, 5)
            await bench.warmed_up()
            request = bench.prepared(bench.change(sku, held=5, to=8))
            with bench.fault(fault), bench.wire.watched() as seen:
                result = await bench.push_one(request)
            _expect_sent_once(fault, seen)
            _expect_proves_nothing(fault, result, seen)
            await bench.pause(result)

    @clause(Pushes, rules=(pushes, batches), world=("remove",))
    async def test_each_row_of_a_batch_has_its_own_truth_in_whatever_order(
        self, bench: Bench
    ) -> None:
        """One offer of three is gone: the others are applied, or refused with it, and told so."""
        rows = min(BATCH_OF, bench.manifest.batch_size)
        for number, order in enumerate(permutations(range(rows))):
            skus = [f"MUG-{number}-{row}" for row in range(rows)]
            for sku in skus:
                await bench.world.stock(sku, 5)
            changes = [bench.change(sku, held=5, to=6 + row) for row, sku in enumerate(skus)]
            request = bench.prepared(*[changes[row] for row in order])
            await bench.world.remove(skus[-1])
            results = await bench.push(request)
            _expect_bad_row(results[changes[-1].push_id])
            for row, sku in enumerate(skus[:-1]):
                shown = await bench.shown_at_last(sku)
                _expect_good_row(bench, results[changes[row].push_id], shown, to=6 + row)

    @clause(Pushes, rules=(pushes,), world=("remove",))
    async def test_an_offer_that_is_gone_is_refused_for_good(self, bench: Bench) -> None:
        """The result names the listing unfit, so that it is listed and no longer synced."""
        await bench.world.stock("MUG", 5)
        request = bench.prepared(bench.change("MUG", held=5, to=8))
        await bench.world.remove("MUG")
        result = await bench.push_one(request)
        expect(
            result.outcome is Outcome.REFUSED and result.refuse_listing,
            f"a push to a deleted offer says {result.outcome} with refuse_listing"
            f" {result.refuse_listing!r}: refused, and why the listing is unfit, is meant",
        )

    @clause(Pushes, rules=(pushes,), world=("edit",))
    async def test_a_write_applies_within_its_limit_or_never(self, bench: Bench) -> None:
        """After `apply_limit_seconds` the counter moves by others' hands alone."""
        await bench.world.stock("MUG", 5)
        await bench.push_one(bench.change("MUG", held=5, to=8))
        await bench.shown_at_last("MUG")
        await bench.world.edit("MUG", -8)
        await bench.world.later(LATE_SECONDS)
        shown = await bench.world.shown("MUG")
        expect(
            shown == 0,
            f"a day after the limit of {bench.manifest.apply_limit_seconds} s a write applied"
            f" again: {shown} units instead of 0",
        )


def _expect_sent_once(fault: str, seen: Sequence[Exchange]) -> None:
    copies = Counter(one.identity for one in seen if one.method not in READ_METHODS)
    expect(
        all(count == 1 for count in copies.values()),
        f"one push sent {max(copies.values(), default=0)} copies of a request ({fault}): each copy"
        " is an attempt that the host must record, and perhaps charge, before it leaves",
    )


def _expect_proves_nothing(fault: str, result: ChangeResult, seen: Sequence[Exchange]) -> None:
    wrote = any(one.method not in READ_METHODS for one in seen)
    allowed = {Outcome.UNKNOWN} if wrote else {Outcome.UNKNOWN, Outcome.UNSENT}
    expect(
        result.outcome in allowed,
        f"bytes left us, {fault}, and the push says {result.outcome}: it may have applied or may"
        " still, so only `unknown` is true",
    )
    expect(
        result.after_seconds or fault != "throttled",
        "the marketplace asked us to slow down: say for how long in `after_seconds`",
    )


def _expect_bad_row(result: ChangeResult) -> None:
    expect(
        result.outcome is Outcome.REFUSED and result.refuse_listing,
        f"the row of a deleted offer says {result.outcome} with refuse_listing"
        f" {result.refuse_listing!r}",
    )


def _expect_good_row(bench: Bench, result: ChangeResult, shown: int, *, to: int) -> None:
    atomic = bench.manifest.batch_atomic
    # A batch that one bad row keeps back was refused, or never left at all.
    kept_back = Outcome.UNSENT if result.outcome is Outcome.UNSENT else Outcome.REFUSED
    wanted = (kept_back, 5) if atomic else (bench.taken, to)
    expect(
        (result.outcome, shown) == wanted,
        f"with batch_atomic={atomic}, the good row beside a bad one says {result.outcome} and"
        f" {shown} units are shown; {wanted[0]} and {wanted[1]} are right",
    )
    expect(
        not result.stale and not result.refuse_listing,
        "a good row of a refused batch is neither stale nor unfit: the bad one beside it is",
    )
