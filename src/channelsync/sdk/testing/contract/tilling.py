"""Channels that tell afterwards: batches of a till, and numbers that it shows."""

from __future__ import annotations

from msgspec.structs import replace

from channelsync.sdk.connector import AcceptsSales, RecordsPushes
from channelsync.sdk.errors import BadDelivery, Unauthentic
from channelsync.sdk.testing.contract.bench import Bench
from channelsync.sdk.testing.contract.breaking import ContractBroken, expect
from channelsync.sdk.testing.contract.clauses import Clauses, clause
from channelsync.sdk.testing.contract.hearing import Heard, Word
from channelsync.sdk.testing.contract.story import a_story

__all__ = ["TillingClauses"]


class TillingClauses(Clauses):
    """What a till posts and shows."""

    @clause(AcceptsSales, world=("rows",))
    async def test_a_row_sent_again_is_the_same_delivery(self, bench: Bench) -> None:
        """Its key follows from its content, not from when it came."""
        await a_story(bench)
        rows = bench.world.rows()
        first = [bench.channel.accept_sale(row).dedupe_key for row in rows]
        bench.clock.passes(3_600.0)
        again = [bench.channel.accept_sale(dict(row)).dedupe_key for row in rows]
        expect(first == again, "the same row has another dedupe key an hour later")
        expect(len(set(first)) == len(rows), "two rows share a dedupe key: one would be lost")

    @clause(AcceptsSales, world=("rows",))
    async def test_a_batch_tells_the_truth_whatever_its_order(self, bench: Bench) -> None:
        """Row by row, and stored or not."""
        story = await a_story(bench)
        rows = bench.world.rows()
        for order in (rows, rows[::-1]):
            words: list[Word] = []
            for row in order:
                parsed = bench.channel.parse_batch(row)
                stored = bench.channel.parse(bench.channel.accept_sale(row))
                expect(parsed == stored, "parse_batch and parse of accept_sale tell differently")
                words += [*parsed.facts, *parsed.voids]
            units = Heard.of(words).units(story.sold)
            expect(units == story.sold, f"the batch tells {units}; sold were {story.sold}")

    @clause(AcceptsSales, world=("rows",))
    async def test_one_bad_row_refuses_itself(self, bench: Bench) -> None:
        """The message says where, and repeats none of it."""
        await a_story(bench)
        for row in bench.world.rows():
            for name in row:
                try:
                    bench.channel.accept_sale({**row, name: {"canary-value": ["canary-value"]}})
                except BadDelivery as error:
                    expect("canary-value" not in str(error), f"the message repeats it: {error}")
                except Exception as error:
                    raise ContractBroken(
                        f"a row with a bad {name!r} raised {type(error).__name__}: BadDelivery"
                    ) from error

    @clause(AcceptsSales, world=("batch",))
    async def test_a_stranger_posts_no_batch(self, bench: Bench) -> None:
        """Credentials changed in one character, or left out."""
        genuine = bench.world.batch(b'{"sales": []}')
        bench.channel.authenticate(genuine)
        strangers = [replace(genuine, headers={})]
        for name, value in genuine.headers.items():
            forged = f"{value[:-2]}{'A' if value[-2:-1] != 'A' else 'B'}{value[-1:]}"
            if name in bench.world.signature_headers or name == "authorization":
                strangers.append(replace(genuine, headers={**genuine.headers, name: forged}))
        expect(len(strangers) > 1, "the batch of the world bears no credentials at all")
        for stranger in strangers:
            try:
                bench.channel.authenticate(stranger)
            except Unauthentic:
                continue
            raise ContractBroken(f"a stranger's batch was taken: {dict(stranger.headers)}")

    @clause(RecordsPushes)
    async def test_a_number_told_is_shown(self, bench: Bench) -> None:
        """And told again changes nothing."""
        await bench.world.stock("MUG", 5)
        for units in (7, 7, 0):
            await bench.channel.tell([(bench.world.listing("MUG"), units)])
            shown = await bench.world.shown("MUG")
            expect(shown == units, f"{units} was told and {shown} is shown")
