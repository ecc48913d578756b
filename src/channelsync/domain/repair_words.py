"""What each thing that wants a person means, and what the program did about it already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from channelsync.domain.alarm_kinds import ALARM_KINDS, AlarmKind, kind_of

__all__ = ["ENDED_BY_A_PERSON", "REPAIR_KINDS", "RepairWords", "words_for"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairWords:
    """How a kind of repair is told."""

    title: str
    matters: str
    """Why it matters."""
    done: str
    """What the program has done already, and goes on doing."""
    next_step: str
    """What a person does."""
    is_grave: bool = False
    """Units may be promised that are not there."""


_FURTHER: Final[Mapping[str, AlarmKind]] = MappingProxyType(
    {
        "channel_paused": AlarmKind(
            "a channel is stopped", "Resume it once the reason is out of the way."
        ),
        "drift": AlarmKind(
            "a channel shows a number that the books do not explain",
            (
                "Find out who else changes it there: another tool, a person, an import. The true"
                " number is taken over by itself."
            ),
        ),
        "shortfall": AlarmKind(
            "units were sold beyond what was granted",
            (
                "Restock, or cancel the order at the marketplace before it is due; the item's page"
                " shows the cause."
            ),
        ),
    }
)

ENDED_BY_A_PERSON: Final = frozenset(
    {"channel_notice", "count_refused", "listing_gone", "malformed_delivery"}
)
"""Kinds that tell of something past: nothing but a person's word ends them."""

_GRAVE: Final = frozenset(
    {
        "apply_limit_exceeded",
        "assumption_broken",
        "books_restored",
        "deficit",
        "drift",
        "order_shown_late",
        "shortfall",
    }
)

_SAID: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "apply_limit_exceeded": (
            "A number that applies after its limit may put units on sale a second time.",
            (
                "The listing was settled anew, and counts as not proven until it kept its limit for"
                " a day."
            ),
        ),
        "assumption_broken": (
            (
                "The guarantee against overselling rests on it: until it holds again, this listing"
                " is not proven."
            ),
            (
                "Nothing more is granted there than can be afforded to lose, and it is checked"
                " again and again."
            ),
        ),
        "books_restored": (
            "What was sold or sent since the backup is not in the books.",
            (
                "Every listing counts as all of the stock until it is read back and its orders are"
                " polled again; nothing is raised meanwhile."
            ),
        ),
        "channel_degraded": (
            "Its numbers and orders may be late.",
            (
                "It is tried again by itself, each time after a longer rest; what it may sell stays"
                " set aside."
            ),
        ),
        "channel_notice": (
            "The marketplace wants something of you; it may close or limit the account.",
            "Its word is kept here. Where it asked for a stop, nothing is sent.",
        ),
        "channel_paused": (
            "Its numbers are not changed: they go stale while other channels sell.",
            "Its orders are counted, and what it may still sell stays set aside for it.",
        ),
        "channel_removed": (
            "It may still sell units, since nothing proves that its listings are empty.",
            "The units stay set aside, and no other channel may sell them.",
        ),
        "channel_unusable": (
            "Its orders are not heard of and its numbers not changed.",
            "What it may sell stays set aside; it is opened as soon as its settings are right.",
        ),
        "configuration_refused": (
            "What you changed is not in force.",
            "The configuration before it goes on working; the file is read again when it changes.",
        ),
        "count_refused": (
            "The books and the shelf may differ.",
            "The count was put aside; nothing was changed by it.",
        ),
        "credential_expiring": (
            "After that day the channel answers nothing: no orders, no numbers.",
            "You are told from 14 days before.",
        ),
        "dead_letter": (
            "A delivery of a marketplace changed nothing, since it was not understood.",
            "It is kept; the order that it spoke of is found by polling meanwhile.",
        ),
        "deficit": (
            "Customers may buy what cannot be sent.",
            "Listings are being cut, the most urgent first, and nothing of the item is raised.",
        ),
        "drift": (
            "Somebody else may put units on sale that another channel sells as well.",
            "The listing is read back and settled: from then on the books hold what it shows.",
        ),
        "endpoint_disabled": (
            "The system behind it no longer hears what happens here.",
            "Nothing is sent there any more; events since then are not sent later.",
        ),
        "feed_quiet": (
            "Sales may happen there that nobody has heard of.",
            "Its quantities are lowered; they come back by themselves with its next sign of life.",
        ),
        "listing_gone": (
            "It sells nothing any more.",
            "What it may have sold before stays set aside until that is proven.",
        ),
        "listing_refused": (
            "It is not kept in step: what the channel shows there is its own number.",
            "Nothing is sent to it; it is looked at again with every search of the catalogue.",
        ),
        "malformed_delivery": (
            "The marketplace may have changed its format.",
            "The delivery was refused; orders are found by polling.",
        ),
        "notice_failing": (
            "Somebody is not told of what wants him.",
            "It is tried again for hours; everything stands here meanwhile.",
        ),
        "order_shown_late": (
            "A listing may have been settled before all of its orders were known.",
            "It counts as not proven until the channel kept its limit for a day.",
        ),
        "push_hangs": (
            "The channel may show an old number for long.",
            "What it carries stays set aside, and its listings stand still until it ends.",
        ),
        "register_gap": (
            "Sales of that till are not in the books yet.",
            "Sales that came later are counted; the missing ones are as soon as they are sent.",
        ),
        "shortfall": (
            "A customer was promised what was not granted to that channel.",
            "The units were counted all the same and taken from what was free.",
        ),
        "unmapped_sale": (
            "The sold units are not taken from any item's stock.",
            (
                "The order is kept and counted as soon as its SKU is known; nothing of the channel"
                " is settled before."
            ),
        ),
        "work_failing": (
            "A part of the daemon stands still.",
            "It is tried again by itself, each time after a longer rest.",
        ),
    }
)

REPAIR_KINDS: Final = frozenset(ALARM_KINDS) | frozenset(_FURTHER)
"""Everything that can want a person."""


def words_for(kind: str, channel: str | None = None) -> RepairWords:
    """How a kind is told where it concerns `channel`.

    One that an older program wrote is called by its name.
    """
    known = _FURTHER.get(kind) or kind_of(kind)
    matters, done = _SAID.get(kind, ("It wants a person.", "It is kept here."))
    return RepairWords(
        title=known.title,
        matters=matters,
        done=done,
        next_step=known.advice_for(channel),
        is_grave=kind in _GRAVE,
    )
