"""People are told each thing once, whatever crashes, and nobody is told without a rule."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa

from channelsync.domain.notices import NoticePolicy, NoticeRule
from channelsync.domain.vocabulary import PushSemantics
from channelsync.engine.alarms import clear_alarm, raise_alarm, record_shortfall
from channelsync.engine.notify import NOTICES_KEY, Notifying, notify
from channelsync.engine.work import WorkKind, mark
from channelsync.ports import NoticeRefused, NoticeUnanswered
from channelsync.store import tables
from channelsync.worker.supervisor import Supervisor
from tests.support.house import Build, House

CAS = PushSemantics.KEYED_COMPARE_AND_SET


@dataclass
class Post:
    """Takes messages, or does not."""

    taken: list[tuple[str, str, str]] = field(default_factory=list)
    trouble: list[BaseException] = field(default_factory=list)
    """Raised one after the other, the message taken or not."""
    loses: bool = True

    def names(self) -> tuple[str, ...]:
        return ("owner",)

    async def send(self, target: str, title: str, body: str) -> None:
        if not (self.trouble and self.loses):
            self.taken.append((target, title, body))
        if self.trouble:
            raise self.trouble.pop(0)

    @property
    def titles(self) -> list[str]:
        return [title for _, title, _ in self.taken]


@dataclass
class Ringing:
    """A house in which people are told."""

    house: House
    post: Post
    notifying: Notifying

    async def go_on(self, seconds: float) -> None:
        await self.house.settle_down(seconds, step=15.0)

    async def alarm(self, subject: str, kind: str = "feed_quiet", channel: str = "a") -> None:
        async with self.house.engine.database.write() as tx:
            at = self.house.engine.now()
            await raise_alarm(tx, kind, subject, f"{subject} is bad", now=at, channel=channel)

    async def end(self, subject: str, kind: str = "feed_quiet") -> None:
        async with self.house.engine.database.write() as tx:
            await clear_alarm(tx, kind, subject, now=self.house.engine.now())

    async def states(self) -> list[str]:
        return [row.state for row in await self.house.rows(tables.notices)]

    def work_again(self) -> None:
        """As a process that starts does."""
        engine, notifying = self.house.engine, self.notifying

        async def ring(_engine: Any, held: Any) -> float | None:
            return await notify(engine, held, notifying)

        self.house.supervisor = Supervisor(engine=engine, handlers={WorkKind.NOTIFY: ring})


def rule(**changes: Any) -> NoticeRule:
    return NoticeRule(**{"name": "at once", "targets": ("owner",), **changes})


async def ringing(build: Build, *rules: NoticeRule, **policy: Any) -> Ringing:
    house = await build(stock={"MUG": 10, "CUP": 3}, quotas={"a": 10_000}, semantics={"a": CAS})
    post = Post()
    notifying = Notifying(policy=NoticePolicy(rules=rules, **policy), notifier=post)
    found = Ringing(house, post, notifying)
    found.work_again()
    return found


async def test_without_a_rule_nothing_is_done(build: Build) -> None:
    bell = await ringing(build)
    await bell.alarm("x")
    await bell.go_on(60)
    assert (bell.post.taken, await bell.states()) == ([], [])
    [row] = [one for one in await bell.house.rows(tables.work) if one.kind == WorkKind.NOTIFY]
    assert row.done_version == row.want_version, "it is not looked at again"


async def test_an_alarm_is_told_once_with_what_to_do_and_its_end_where_wanted(
    build: Build,
) -> None:
    bell = await ringing(build, rule(tells_ends=True), rule(name="quiet", targets=("boss",)))
    await bell.alarm("x")
    await bell.go_on(60)
    told = "channelsync: an order feed went quiet (a)"
    assert sorted((target, title) for target, title, _ in bell.post.taken) == [
        ("boss", told),
        ("owner", told),
    ]
    assert "x is bad\n  Run `channelsync channels test a`" in bell.post.taken[0][2]
    await bell.end("x")
    await bell.go_on(60)
    assert [one[:2] for one in bell.post.taken[2:]] == [
        ("owner", "channelsync: over: an order feed went quiet (a)")
    ]
    await bell.alarm("x")
    await bell.go_on(60)
    assert len(bell.post.taken) == 5, "when it comes again it is told again"


async def test_a_rule_tells_only_what_it_names_and_what_lasts(build: Build) -> None:
    picky = rule(kinds=frozenset({"feed_quiet"}), channels=frozenset({"a"}), after_seconds=120.0)
    bell = await ringing(build, picky)
    await bell.alarm("lasting")
    await bell.alarm("elsewhere", channel="b")
    await bell.alarm("other", kind="dead_letter")
    await bell.go_on(90)
    await bell.alarm("short")
    assert bell.post.taken == []
    await bell.go_on(60)
    await bell.end("short")
    await bell.go_on(180)
    assert [row.subject for row in await bell.house.rows(tables.notices)] == ["lasting"]
    assert len(bell.post.taken) == 1


async def test_a_digest_collects_and_is_bounded(build: Build) -> None:
    bell = await ringing(build, rule(digest_seconds=600.0))
    for number in range(25):
        await bell.alarm(f"x{number:02}")
    await bell.go_on(570)
    assert bell.post.taken == []
    await bell.go_on(60)
    [(_, title, body)] = bell.post.taken
    assert title == "channelsync: 25 things to know"
    assert body.count("•") == 20
    assert "and 5 more" in body
    assert set(await bell.states()) == {"sent"}


async def test_a_shortfall_and_low_stock_are_told_once(build: Build) -> None:
    bell = await ringing(build, rule(), low_stock=3)
    async with bell.house.engine.database.write() as tx:
        at = bell.house.engine.now()
        await record_shortfall(tx, item_id=1, units=2, cause="beyond_grant", now=at, channel="a")
    await bell.go_on(900)
    bodies = [body for _, _, body in bell.post.taken]
    assert len(bodies) == 1
    assert "2 of MUG: beyond grant" in bodies[0]
    assert "3 of CUP can be promised in main" in bodies[0]
    async with bell.house.engine.database.write() as tx:
        await tx.execute(sa.update(tables.stock).values(on_hand=50))
    await bell.go_on(600)
    assert await bell.house.rows(tables.low_stock) == []
    async with bell.house.engine.database.write() as tx:
        await tx.execute(sa.update(tables.stock).values(on_hand=1))
    await bell.go_on(600)
    assert len(bell.post.taken) == 2, "what falls short again is told again"


async def test_what_is_muted_is_told_later_not_lost(build: Build) -> None:
    bell = await ringing(build, rule())
    until = bell.house.clock.at + 300
    bell.notifying.policy = NoticePolicy(rules=(rule(),), muted_until=until)
    await bell.alarm("x")
    await bell.alarm("y")
    await bell.go_on(285)
    assert bell.post.taken == []
    await bell.go_on(60)
    assert bell.post.titles == ["channelsync: 2 things to know"]


async def test_a_refused_message_is_sent_again_and_an_alarm_says_so_elsewhere(
    build: Build,
) -> None:
    bell = await ringing(build, rule(), rule(name="boss", targets=("boss",), after_seconds=30.0))
    bell.post.trouble = [NoticeRefused("no such room")]
    await bell.alarm("x")
    await bell.go_on(55)
    kinds = {(row.target, row.kind) for row in await bell.house.rows(tables.notices)}
    assert ("boss", "notice_failing") in kinds
    assert ("owner", "notice_failing") not in kinds, "the target that fails is not told of it"
    await bell.go_on(240)
    assert [title for target, title, _ in bell.post.taken if target == "owner"] == [
        "channelsync: an order feed went quiet (a)"
    ]
    assert set(await bell.states()) == {"sent"}
    standing = [row.kind for row in await bell.house.rows(tables.alarms) if row.cleared_at is None]
    assert standing == ["feed_quiet"]


async def test_a_message_that_nobody_takes_is_given_up_after_a_day(build: Build) -> None:
    bell = await ringing(build, rule())
    bell.post.trouble = [NoticeRefused("no such room")] * 100
    await bell.alarm("x")
    await bell.house.settle_down(40 * 3_600, step=1_800)
    assert await bell.states() == ["given_up"]
    assert len(bell.post.trouble) == 70, "thirty tries"


@pytest.mark.parametrize("taken", [True, False])
async def test_a_crash_while_sending_loses_nothing_and_a_second_copy_says_so(
    build: Build, *, taken: bool
) -> None:
    bell = await ringing(build, rule())
    bell.post.trouble, bell.post.loses = [asyncio.CancelledError()], not taken
    await bell.alarm("x")
    with pytest.raises(asyncio.CancelledError):
        await bell.go_on(15)
    assert await bell.states() == ["sending"]
    bell.work_again()
    bell.house.clock.at += 61  # the lease of the dead ends
    await bell.go_on(30)
    assert len(bell.post.taken) == 1 + taken
    assert bell.post.taken[-1][2].startswith("(You may have this message already.)")
    assert await bell.states() == ["sent"]


async def test_an_answer_that_never_came_makes_the_next_copy_say_so(build: Build) -> None:
    bell = await ringing(build, rule())
    bell.post.trouble, bell.post.loses = [NoticeUnanswered("no answer")], False
    await bell.alarm("x")
    await bell.go_on(120)
    first, second = (body for _, _, body in bell.post.taken)
    assert "already" not in first
    assert "already" in second


async def test_a_rule_that_is_added_is_heeded_at_once(build: Build) -> None:
    bell = await ringing(build)
    await bell.alarm("x")
    await bell.go_on(30)
    bell.notifying.policy = NoticePolicy(rules=(rule(),))
    async with bell.house.engine.database.write() as tx:
        await mark(tx, WorkKind.NOTIFY, NOTICES_KEY, not_before=bell.house.engine.now())
    await bell.go_on(15)
    assert len(bell.post.taken) == 1
