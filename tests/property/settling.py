"""Stop: no shopper, no new push, everything under way ends. Then the books must become exact."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule
from typing_extensions import override

from channelsync.domain import escrow
from channelsync.domain.escrow import Outcome
from tests.property.keeper import Account
from tests.property.machine import WHICH
from tests.property.walking import Walking

REST_EVERY_STEPS = 8
"""Stopping everything ends what was going on, so it is not offered at every step."""
ROUNDS_MAX = 4
LONG_ENOUGH_SECONDS = 20.0
"""Longer than any checkout, late copy or lagging read."""


def is_inexact(account: Account) -> bool:
    """Whether the engine would look at the listing again by itself."""
    grant = account.grant
    return grant.push is not None or not grant.settled or bool(grant.settle_reasons)


class EscrowMachine(Walking):
    """The whole model world of one pool."""

    @precondition(lambda self: self.steps % REST_EVERY_STEPS == 0)
    @rule(
        which=st.sampled_from(WHICH),
        give_up=st.booleans(),
        arrive=st.booleans(),
        poll_first=st.booleans(),
    )
    def rest(self, which: int, *, give_up: bool, arrive: bool, poll_first: bool) -> None:
        """One push is given up, or everything is."""
        account = self.accounts[which % len(self.accounts)]
        if give_up:
            account.grant = escrow.give_up(account.grant)
        else:
            self.quiesce(arrive=arrive, poll_first=poll_first)

    def quiesce(self, *, arrive: bool, poll_first: bool) -> None:
        """Books become exact of themselves: a listing that asks for no settle gets none."""
        for account in self.accounts:
            self.end_everything(account, arrive=arrive)
        if not poll_first:
            self.settle_where_asked()
        for account in self.remote:
            self.hear_all(account)
        self.settle_where_asked()
        for account in self.accounts:
            self.check_exact(account)

    def end_everything(self, account: Account, *, arrive: bool) -> None:
        account.asleep.clear()
        for sender in list(account.senders):
            self.write(account, sender)
            if sender in account.senders:
                self.end(account, sender, Outcome.UNKNOWN)
        for copy in list(account.market.net):
            if arrive:
                account.market.process(copy, keep=False)
        account.market.net.clear()
        account.reading_sent = None
        account.grant = escrow.give_up(account.grant)
        self.pass_time(LONG_ENOUGH_SECONDS)

    def settle_where_asked(self) -> None:
        for _ in range(ROUNDS_MAX):
            for account in self.remote:
                if is_inexact(account):
                    self.read_in_peace(account)

    def read_in_peace(self, account: Account) -> None:
        self.pass_time(LONG_ENOUGH_SECONDS)
        self.keeper.send_read(account)
        reading = self.keeper.receive_read(account, 0)
        self.pass_time(LONG_ENOUGH_SECONDS)
        self.keeper.use(account, reading)

    def check_exact(self, account: Account) -> None:
        exposure, grant = account.grant.exposure, account.grant
        if is_inexact(account):
            self.fail(f"{account.name} never becomes exact: {grant}")
        if not account.is_live and exposure != max(account.market.counter, 0):
            self.fail(f"{account.name} shows {account.market.counter} in the end: {grant}")

    @override
    def teardown(self) -> None:
        if self.accounts and not self.broken:
            self.quiesce(arrive=True, poll_first=False)
