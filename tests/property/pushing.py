"""What becomes of our pushes: opened, sent in copies, answered, lost, late; and of our reads."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from channelsync.domain import escrow
from channelsync.domain.errors import InsufficientFree, PushConflict
from channelsync.domain.escrow import Outcome, Push
from channelsync.domain.vocabulary import PushKind
from tests.property.keeper import Account
from tests.property.machine import ABSOLUTE, COMPARE_AND_SET, PICK, WHICH, World
from tests.property.market import (
    ANSWER_WITHIN_SECONDS,
    APPLY_LIMIT_SECONDS,
    RETRY_SECONDS,
    SEND_WITHIN_SECONDS,
    Copy,
    Sender,
)

COPIES_MAX = 3


def has_remote(world: World) -> bool:
    return bool(world.remote)


def has_senders(world: World) -> bool:
    return any(one.senders or one.asleep for one in world.accounts)


class Pushing(World):
    """One open push a listing, its copies, their answers, and readings of the counter."""

    @precondition(has_remote)
    @rule(which=WHICH, raising=st.booleans(), units=st.integers(1, 3), compare=PICK)
    def open_push(self, which: int, units: int, compare: int, *, raising: bool) -> None:
        account = self.some_remote(which)
        push = self.new_push(account, units, compare, raising=raising)
        try:
            self.keeper.open(account, push)
        except (InsufficientFree, PushConflict):
            return
        self.start_copy(account)

    def new_push(self, account: Account, units: int, compare: int, *, raising: bool) -> Push:
        semantics, counter = account.grant.semantics, account.market.counter
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

    def start_copy(self, account: Account) -> None:
        try:
            self.keeper.start(account, deadline=self.clock.now + SEND_WITHIN_SECONDS)
        except (InsufficientFree, PushConflict):
            return

    @precondition(lambda self: any(one.grant.push for one in self.accounts))
    @rule(which=WHICH)
    def send_copy(self, which: int) -> None:
        """A further copy of an open push: a retry."""
        pushing = [one for one in self.accounts if one.grant.push]
        account = pushing[which % len(pushing)]
        if len(account.senders) < COPIES_MAX:
            self.start_copy(account)

    def write(self, account: Account, sender: Sender) -> None:
        """The sender writes its bytes, if it still may; else they never leave."""
        if sender.copy is not None:
            return
        if self.clock.now > sender.deadline and sender not in account.asleep:
            self.keeper.finish(account, sender, Outcome.UNSENT)
            return
        keyed = self.rules.sends_key and account.grant.semantics is not ABSOLUTE
        latest = self.clock.now + ANSWER_WITHIN_SECONDS + APPLY_LIMIT_SECONDS
        sender.copy = Copy(sender.push, sender.push.push_id if keyed else None, latest)
        account.market.net.append(sender.copy)

    def end(self, account: Account, sender: Sender, outcome: Outcome) -> None:
        """The sender reports its end; what is on its way may still arrive for a while."""
        self.keeper.finish(account, sender, outcome)
        if sender.copy is not None:
            latest = self.clock.now + APPLY_LIMIT_SECONDS
            sender.copy.arrives_by = min(sender.copy.arrives_by, latest)

    @precondition(has_senders)
    @rule(
        which=WHICH,
        fate=st.sampled_from(
            ["answer", "answer", "answer", "write", "timeout", "refused", "accepted", "dead"]
        ),
    )
    def go_on_sending(self, which: int, fate: str) -> None:
        """One sender goes on: writes, hears its answer or waits in vain, or is found dead.

        `refused` stands for 401, 429 and 5xx before anything was applied; it proves nothing to us.
        """
        found = [(one, s) for one in self.accounts for s in [*one.senders, *one.asleep]]
        account, sender = found[which % len(found)]
        if sender in account.asleep:
            self.write(account, sender)
            account.asleep.remove(sender)
        elif fate == "dead":
            self.end(account, sender, Outcome.UNKNOWN)
            if self.rules.lost_lease_ends_attempt and sender.copy is None:
                account.asleep.append(sender)
        else:
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

    @precondition(lambda self: any(one.market.net for one in self.accounts))
    @rule(which=WHICH, fate=st.sampled_from(["arrive", "arrive", "twice", "lost"]))
    def deliver_copy(self, which: int, fate: str) -> None:
        """A copy arrives, without an answer that we would hear, or is lost."""
        found = [(one, copy) for one in self.accounts for copy in one.market.net]
        account, copy = found[which % len(found)]
        if fate == "lost":
            account.market.net.remove(copy)
        else:
            account.market.process(copy, keep=fate == "twice")

    @precondition(lambda self: any(one.grant.push for one in self.accounts))
    @rule(which=WHICH)
    def give_up(self, which: int) -> None:
        pushing = [one for one in self.accounts if one.grant.push]
        account = pushing[which % len(pushing)]
        account.grant = escrow.give_up(account.grant)

    # ------------------------------------------------------------ readings

    @precondition(has_remote)
    @rule(which=WHICH)
    def send_read(self, which: int) -> None:
        account = self.some_remote(which)
        if account.reading_sent is None:
            self.keeper.send_read(account)

    @precondition(has_remote)
    @rule(which=WHICH, pick=PICK)
    def receive_read(self, which: int, pick: int) -> None:
        self.keeper.receive_read(self.some_remote(which), pick)

    @precondition(lambda self: any(one.readings for one in self.accounts))
    @rule(which=WHICH, older=st.booleans())
    def use_reading(self, which: int, *, older: bool) -> None:
        reading_of = [one for one in self.accounts if one.readings]
        account = reading_of[which % len(reading_of)]
        reading = account.readings[0 if older else -1]
        if not self.keeper.release(account, reading):
            self.keeper.settle(account, reading)
