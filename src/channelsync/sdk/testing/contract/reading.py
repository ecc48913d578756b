"""Reading back, finding offers, slowing down."""

from __future__ import annotations

from channelsync.sdk.connector import Discovers, FetchesOrders, Reads
from channelsync.sdk.errors import Retryable, Throttled
from channelsync.sdk.testing.contract.bench import Bench
from channelsync.sdk.testing.contract.breaking import ContractBroken, expect
from channelsync.sdk.testing.contract.clauses import Clauses, clause, pushes, when
from channelsync.sdk.types import Assumption, ListingRef, RemoteReading

__all__ = ["ReadingClauses"]

SLOW_SECONDS = 4.0
REQUESTS_MAX = 10

sees_enforcing = when(
    lambda bench: Assumption.ENFORCES in bench.manifest.checks,
    "the manifest does not say that it checks `enforces`",
)


class ReadingClauses(Clauses):
    """The read half."""

    @clause(Reads, rules=(pushes,), world=("edit",))
    async def test_a_reading_is_what_is_shown(self, bench: Bench) -> None:
        """One reading a listing, shopper's and clerk's moves included."""
        world = bench.world
        skus = [f"MUG-{number}" for number in range(7)]
        for number, sku in enumerate(skus):
            await world.stock(sku, 10 + number)
        await world.buy(skus[0], 3)
        await world.edit(skus[1], 5)
        await world.later(bench.manifest.read_lag_seconds)
        listings = [world.listing(sku) for sku in reversed(skus)]
        readings = await bench.patiently("read", listings)
        told = {one.listing_id: one.quantity for one in readings}
        shown = {world.listing(sku).listing_id: await world.shown(sku) for sku in skus}
        expect(len(readings) == len(listings), f"{len(readings)} readings of {len(listings)}")
        expect(told == shown, f"read tells {told}; shown are {shown}")

    @clause(Reads, rules=(pushes,))
    async def test_a_reading_was_true_between_its_two_instants(self, bench: Bench) -> None:
        """`sent_at` before the question left, `received_at` after the answer came."""
        await bench.world.stock("MUG", 5)
        await bench.warmed_up()
        with bench.wire.slow(SLOW_SECONDS), bench.wire.watched() as seen:
            reading = await bench.reading("MUG")
        asked = [one for one in seen if one.status is not None]
        lag = bench.manifest.read_lag_seconds
        expect(asked, "read asked nobody: it must look, not remember")
        expect(
            reading.sent_at <= asked[-1].sent_at,
            f"sent_at is {reading.sent_at - asked[-1].sent_at:+.1f} s after the question had left:"
            " a sale in between would be counted twice",
        )
        expect(
            asked[-1].served_at - lag <= reading.received_at <= bench.clock(),
            "received_at must be the instant at which the answer was here",
        )
        expect(
            reading.received_at >= asked[-1].served_at,
            f"received_at is {asked[-1].served_at - reading.received_at:.1f} s before the answer"
            " was even made: the settle would trust orders that it cannot know",
        )

    @clause(Reads, rules=(pushes,), world=("remove",))
    async def test_an_offer_that_is_gone_reads_as_nothing(self, bench: Bench) -> None:
        """No invented number; its neighbours are read all the same."""
        world = bench.world
        await world.stock("MUG", 5)
        await world.stock("CUP", 3)
        listings = [world.listing("MUG"), world.listing("CUP")]
        await world.remove("MUG")
        readings: list[RemoteReading] = list(await bench.patiently("read", listings))
        by_id = {one.listing_id: one for one in readings}
        gone = by_id.get(listings[0].listing_id)
        expect(gone is not None, "a listing that is gone has a reading too: quantity None")
        expect(
            gone is not None and gone.quantity is None,
            f"a deleted offer reads as {gone.quantity if gone else None}: None is meant",
        )
        expect(by_id[listings[1].listing_id].quantity == 3, "its neighbour was not read")

    @clause(Reads, rules=(pushes, sees_enforcing), world=("stop_enforcing",))
    async def test_an_offer_that_sells_beyond_its_number_is_found(self, bench: Bench) -> None:
        """The manifest says that it checks this, so it must show in a finding."""
        world = bench.world
        await world.stock("MUG", 5)
        await world.stock("CUP", 5)
        before = _broken(await bench.reading("MUG"))
        expect(not before, f"a sound offer has a broken assumption: {before}")
        await world.stop_enforcing("MUG")
        expect(
            Assumption.ENFORCES in _broken(await bench.reading("MUG")),
            "the merchant lets this offer sell beyond its number, and no finding says so",
        )
        expect(not _broken(await bench.reading("CUP")), "its neighbour is accused as well")

    @clause(Discovers)
    async def test_every_offer_is_found_with_what_is_needed_to_work_with_it(
        self, bench: Bench
    ) -> None:
        """What discovery tells is enough to read it."""
        world = bench.world
        skus = [f"MUG-{number}" for number in range(12)]
        for number, sku in enumerate(skus):
            await world.stock(sku, number)
        found = [one async for one in bench.channel.listings()]
        told = {one.sku: one for one in found if one.refused is None}
        expect(sorted(told) == sorted(skus), f"of {sorted(skus)} discovery found {sorted(told)}")
        expect(len(found) == len(told), "an offer was told twice")
        listings = [
            ListingRef(listing_id=one.sku, sku=one.sku, external=one.external)
            for one in told.values()
        ]
        readings = await bench.patiently("read", listings)
        quantities = {one.listing_id: one.quantity for one in readings}
        expect(
            quantities == {sku: number for number, sku in enumerate(skus)},
            f"with what discovery told, read tells {quantities}",
        )

    @clause(Discovers, world=("twin",))
    async def test_two_offers_of_one_sku_are_refused_with_the_reason(self, bench: Bench) -> None:
        """Nobody can say which of them an order means."""
        await bench.world.stock("MUG", 5)
        await bench.world.stock("CUP", 5)
        await bench.world.twin("MUG")
        found = [one async for one in bench.channel.listings()]
        fit = [one.sku for one in found if not one.refused]
        expect(fit == ["CUP"], f"two offers share the SKU MUG, and fit for syncing are {fit}")

    @clause(FetchesOrders)
    async def test_a_channel_that_is_throttled_slows_down(self, bench: Bench) -> None:
        """It says for how long, asks nobody meanwhile, and works again afterwards."""
        await bench.warmed_up()
        cursor = bench.channel.first_cursor(bench.clock())
        with bench.fault("throttled"), bench.wire.watched() as seen:
            error = await _throttled(bench, cursor)
        instants = [one.sent_at for one in seen]
        expect(len(seen) <= REQUESTS_MAX, f"one call asked {len(seen)} times while throttled")
        expect(
            len(set(instants)) == len(instants),
            "a throttled request was repeated in the same instant: wait as long as was asked for",
        )
        expect(error.after_seconds, f"{error!r} must say in `after_seconds` when to come back")
        bench.clock.passes(error.after_seconds or 0.0)
        try:
            await bench.channel.orders_since(cursor)
        except Retryable as still:
            raise ContractBroken(
                f"after the {error.after_seconds} s that it asked for, it still says {still!r}"
            ) from still


def _broken(reading: RemoteReading) -> dict[Assumption, str]:
    return {one.assumption: one.why for one in reading.findings if not one.holds}


async def _throttled(bench: Bench, cursor: str) -> Throttled:
    try:
        await bench.channel.orders_since(cursor)
    except Throttled as error:
        return error
    except Exception as error:
        raise ContractBroken(
            f"a throttled call raised {type(error).__name__}: Throttled is meant, so that the host"
            " slows down as well"
        ) from error
    raise ContractBroken("every answer said `slow down`, and the call told something all the same")
