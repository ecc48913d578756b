"""What becomes of our pushes: opened, sent in copies, answered, lost, late; and of our reads."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from channelsync.domain.errors import InsufficientFree, PushConflict
from channelsync.domain.escrow import Outcome, Push, may_be_overtaken
from channelsync.domain.vocabulary import PushKind
from tests.property.keeper import Account
from tests.property.machine import ABSOLUTE, COMPARE_AND_SET, PICK, UNITS, WHICH, World
from tests.property.market import (
    ANSWER_WITHIN_SECONDS,
    APPLY_LIMIT_SECONDS,
    RETRY_SECONDS,
    SEND_WITHIN_SECONDS,
    SKEW_SECONDS,
    Copy,
    Sender,
)

COPIES_MAX = 3
READ_DEEDS = ("begin", "end", "at once", "use", "use older", "look", "look")
FATES = ("answer",) * 3 + ("write",) * 2 + ("timeout", "refused", "accepted", "stall", "stall")
"""`refused` stands for 401, 429 and 5xx before anything was applied; it proves nothing to us."""


def has_remote(world: World) -> bool:
    return bool(world.remote)


class Pushing(World):
    """One open push a listing, its copies, their answers, and readings of the counter."""

    @precondition(has_remote)
    @rule(
        which=st.sampled_from(WHICH),
        raising=st.booleans(),
        units=st.sampled_from(UNITS),
        pick=st.sampled_from(PICK),
        fate=st.sampled_from(FATES),
    )
    def push(self, which: int, units: int, pick: int, fate: str, *, raising: bool) -> None:
        """A push is opened; or the open one goes on: a sender, a copy on its way, a retry.

        The first copy of a push leaves at once, or stalls before it does.
        """
        account = self.some_remote(which)
        net, senders = account.market.net, account.senders
        if account.asleep and pick == 1:
            self.write(account, account.asleep[0])
            account.asleep.pop(0)
        elif net and pick % 3 == 0:
            self.deliver(account, net[which % len(net)], fate)
        elif senders and (pick % 3 or len(senders) == COPIES_MAX):
            self.go_on(account, senders[which % len(senders)], fate)
        elif not raising and pick == 2 and may_be_overtaken(account.grant.push):
            self.open(account, self.overtaking_zero(), fate)
        elif account.grant.push is not None:
            self.send(account, fate)
        else:
            self.open(account, self.new_push(account, units, pick, raising=raising), fate)

    def open(self, account: Account, push: Push, fate: str) -> None:
        try:
            self.keeper.open(account, push)
        except (InsufficientFree, PushConflict):
            return
        self.send(account, fate)

    def new_push(self, account: Account, units: int, compare: int, *, raising: bool) -> Push:
        semantics, counter = account.grant.semantics, account.market.counter
        takeable = self.keeper.takeable(account)
        raising = takeable > 0 and (raising or counter <= 0)
        units = min(units, takeable if raising else max(counter, 1))
        kind = PushKind.RAISE if raising else PushKind.CUT
        if semantics is ABSOLUTE:
            kind, units = (PushKind.SET, units) if raising else (PushKind.ZERO, 0)
        compared: int | None = None
        if semantics is COMPARE_AND_SET and not (raising and compare == 0):
            # Mostly right, else stale; a raise may also go without comparing.
            compared = counter + {1: 1, 2: -1}.get(compare, 0)
        return Push(
            push_id=f"push {self.keeper.pushes_opened}",
            kind=kind,
            units=units,
            compare=compared,
            retry_until=self.clock.now + RETRY_SECONDS,
        )

    def overtaking_zero(self) -> Push:
        return Push(
            push_id=f"push {self.keeper.pushes_opened}",
            kind=PushKind.ZERO,
            units=0,
            compare=None,
            retry_until=self.clock.now + RETRY_SECONDS,
        )

    def send(self, account: Account, fate: str) -> None:
        try:
            self.keeper.start(account, deadline=self.clock.now + SEND_WITHIN_SECONDS)
        except (InsufficientFree, PushConflict):
            return
        if fate != "stall":
            self.go_on(account, account.senders[-1], fate)

    def write(self, account: Account, sender: Sender) -> None:
        """The sender writes its bytes, if it still may; else they never leave."""
        if sender.copy is not None:
            return
        if self.clock.now > sender.deadline and sender not in account.asleep:
            self.keeper.finish(account, sender, Outcome.UNSENT)
            return
        keyed = self.bent.sends_key and account.grant.semantics is not ABSOLUTE
        latest = self.clock.now + ANSWER_WITHIN_SECONDS + APPLY_LIMIT_SECONDS
        sender.copy = Copy(sender.push, sender.push.push_id if keyed else None, latest)
        account.market.net.append(sender.copy)

    def end(self, account: Account, sender: Sender, outcome: Outcome) -> None:
        """The sender reports its end; what is on its way may still arrive for a while."""
        self.keeper.finish(account, sender, outcome)
        if sender.copy is not None:
            latest = self.clock.now + APPLY_LIMIT_SECONDS
            sender.copy.arrives_by = min(sender.copy.arrives_by, latest)

    def go_on(self, account: Account, sender: Sender, fate: str) -> None:
        """One sender writes, hears its answer or waits in vain, or is found dead."""
        if fate == "stall":
            self.end(account, sender, Outcome.UNKNOWN)
            if self.bent.lost_lease_ends_attempt and sender.copy is None:
                account.asleep.append(sender)
            return
        self.write(account, sender)
        if sender in account.senders and sender.copy is not None:
            self.take_answer(account, sender, sender.copy, fate)

    def take_answer(self, account: Account, sender: Sender, copy: Copy, fate: str) -> None:
        net = account.market.net
        if fate == "answer" and copy in net:
            self.end(account, sender, account.market.process(copy, keep=False))
        elif fate == "accepted" and account.grant.semantics is ABSOLUTE:
            self.end(account, sender, Outcome.ACCEPTED)
        elif fate in {"timeout", "refused"}:
            if fate == "refused" and copy in net:
                net.remove(copy)
            self.end(account, sender, Outcome.UNKNOWN)

    def deliver(self, account: Account, copy: Copy, fate: str) -> None:
        """A copy arrives, without an answer that we would hear, or is lost."""
        if fate == "refused":
            account.market.net.remove(copy)
        else:
            account.market.process(copy, keep=fate == "write")

    # ------------------------------------------------------------ readings

    @precondition(has_remote)
    @rule(
        which=st.sampled_from(WHICH),
        pick=st.sampled_from(PICK),
        deed=st.sampled_from(READ_DEEDS),
        poll=st.booleans(),
    )
    def read(self, which: int, pick: int, deed: str, *, poll: bool) -> None:
        """A read is sent, answered with any value that it may show, used; or more of it at once."""
        account = self.some_remote(which)
        if deed == "begin" or account.reading_sent is None:
            self.keeper.send_read(account)
        if deed in {"end", "at once", "look"}:
            self.keeper.receive_read(account, pick)
        if deed == "look":
            self.pass_time(2 * SKEW_SECONDS)
        if poll:
            self.hear_all(account)
        if deed in {"use", "use older", "look"} and account.readings:
            self.keeper.use(account, account.readings[0 if deed == "use older" else -1])
