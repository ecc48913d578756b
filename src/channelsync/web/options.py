"""What the web half is told beside the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from channelsync.configuration.editing import MerchantFile
from channelsync.domain.permissions import Role
from channelsync.engine.notify import Notifying
from channelsync.engine.propose import Proposal
from channelsync.security.passwords import Passwords
from channelsync.security.sealing import MasterKeys, new_data_key

__all__ = ["LOOPBACK", "Button", "Exhibit", "Stage", "WebOptions"]

LOOPBACK: Final = ("127.0.0.0/8", "::1/128")
STORE_SECONDS_MAX: Final = 4.0
"""The most impatient marketplace hangs up after five seconds, and counts that as a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """Something that a visitor of a demonstration can set off."""

    name: str
    label: str
    pressed: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """What a demonstration shows above everything else: the truth, which only it can know."""

    title: str
    notes: Sequence[str]
    """What is not as in production, said openly."""
    sold: int
    """Units that every simulated marketplace together has accepted."""
    oversold: int
    """Of these, units beyond the stock, counted by somebody who trusts none of our books."""
    oversold_by_tills: int
    """Units beyond the stock because a till sold past its slice."""
    rival: str
    rival_sold: int
    rival_oversold: int
    buttons: Sequence[Button] = ()
    featured: str = ""
    """The SKU that stands first among the items."""


class Stage(Protocol):
    """A demonstration around the daemon."""

    def exhibit(self) -> Exhibit:
        """What to show now."""

    async def press(self, button: str) -> None:
        """Do what a button says.

        Raises:
            KeyError: there is no such button.
        """


def _keys_of_this_life() -> MasterKeys:
    return MasterKeys(new_data_key())


@dataclass(frozen=True, slots=True, kw_only=True)
class WebOptions:
    """How the web half answers."""

    public_url: str | None = None
    """How marketplaces reach us; part of what some of them sign."""
    store_seconds_max: float = STORE_SECONDS_MAX
    """A webhook that takes longer to store is to be sent again."""
    operators: tuple[str, ...] = LOOPBACK
    """Networks that pages, API and metrics answer while nobody can sign in: this machine."""
    setup_token: str | None = None
    """What the link bears with which the first user is made; None: there is no such link."""
    passwords: Passwords = field(default_factory=Passwords)
    master_keys: MasterKeys = field(default_factory=_keys_of_this_life, repr=False)
    """Opens the secrets of second factors; left out, they are good for this process alone."""
    second_factor_of: frozenset[Role] = frozenset()
    """Users of these roles may do nothing without a second factor."""
    approval_seconds: float | None = None
    """So long what is risky waits for a second user's approval; None: it is done at once."""
    read_proposal: Callable[[bytes], Proposal] | None = None
    """Reads a proposed configuration, for plans of it; None: there are no such plans."""
    merchant_file: MerchantFile | None = None
    """The file that is edited on the dashboard; None: none is."""
    file_written: Callable[[], None] | None = None
    """Told once that file was replaced, so that it is taken over at once."""
    outgoing_key: bytes | None = field(default=None, repr=False)
    """Signs outgoing events; None: there are no endpoints."""
    allow_hosts: tuple[str, ...] = ()
    """Hosts (`host:port`) inside that events may be sent to all the same."""
    requests_burst: int = 600
    """So many requests of the API somebody may send at once; then a sixth of it a second."""
    streams_max: int = 500
    """So many streams of events are served at once; whoever comes then is told to come later."""
    refresh_seconds: float = 0.5
    """The live page is looked at again this often while somebody watches; 0.25 at the least."""
    stopping: asyncio.Event | None = None
    """Set when the daemon stops, so that answers without an end find one."""
    stage: Stage | None = None
    notifying: Notifying = field(default_factory=Notifying)
    """Whom to tell what."""
