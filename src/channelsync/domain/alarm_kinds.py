"""Every kind of alarm: what it is called for people, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

__all__ = ["ALARM_KINDS", "AlarmKind", "kind_of"]


@dataclass(frozen=True, slots=True)
class AlarmKind:
    """One kind."""

    title: str
    """In a few words, as a heading."""
    advice: str
    """What a person does about it. Its commands say NAME where a name belongs."""

    def advice_for(self, name: str | None) -> str:
        """The advice, ready to be typed where the name is known."""
        return self.advice.replace(" NAME`", f" {name}`") if name else self.advice


_RAISE_LIMIT: Final = (
    "Give the channel a longer `{key}` in channelsync.yaml; until then its numbers may be sold"
    " twice."
)

ALARM_KINDS: Final[Mapping[str, AlarmKind]] = MappingProxyType(
    {
        "apply_limit_exceeded": AlarmKind(
            "a quantity applied later than promised",
            _RAISE_LIMIT.format(key="apply_limit_seconds"),
        ),
        "assumption_broken": AlarmKind(
            "an assumption of the guarantee does not hold",
            "Put right at the marketplace what the message names; it is checked again by itself.",
        ),
        "books_restored": AlarmKind(
            "the books were restored from a backup",
            "Wait until every listing is proven anew; import what was counted since the backup.",
        ),
        "channel_degraded": AlarmKind(
            "calls to a channel fail", "Run `channelsync channels test NAME`; it names the cause."
        ),
        "channel_notice": AlarmKind(
            "a marketplace sent word", "Read the message, act at the marketplace."
        ),
        "channel_removed": AlarmKind(
            "a channel is no longer configured",
            "Wait until its listings are empty, or run `channelsync channels forget NAME`.",
        ),
        "channel_unusable": AlarmKind(
            "a channel cannot be opened",
            "Put its settings right in channelsync.yaml; `channelsync check` names the place.",
        ),
        "configuration_refused": AlarmKind(
            "the changed configuration was refused",
            "Run `channelsync check`; the old configuration stays until the file is right.",
        ),
        "count_refused": AlarmKind(
            "a till's count was refused", "Count again, or correct with `channelsync stock count`."
        ),
        "credential_expiring": AlarmKind(
            "a credential ends soon",
            "Make a new one at the marketplace, put it where the old one is, and change"
            " `credentials_expire` in channelsync.yaml.",
        ),
        "dead_letter": AlarmKind(
            "a delivery was not understood",
            "Run `channelsync deadletters list`, then replay or drop it.",
        ),
        "deficit": AlarmKind(
            "more is promised than there is",
            "Listings are being cut; restock, or cancel an order. `channelsync explain SKU` says"
            " why.",
        ),
        "endpoint_disabled": AlarmKind(
            "an endpoint for events takes nothing",
            "Put the receiving system right, then enable the endpoint again.",
        ),
        "feed_quiet": AlarmKind(
            "an order feed went quiet",
            "Run `channelsync channels test NAME`; its quantities are lowered meanwhile.",
        ),
        "listing_gone": AlarmKind(
            "an offer disappeared", "Put it back at the marketplace, or leave it: it sells nothing."
        ),
        "listing_refused": AlarmKind(
            "an offer cannot be synced",
            "Do what the message says; `channelsync explain SKU` shows it as well.",
        ),
        "malformed_delivery": AlarmKind(
            "a marketplace says what is not understood",
            "Update channelsync; the orders themselves are found by polling.",
        ),
        "notice_failing": AlarmKind(
            "a notification cannot be sent",
            "Run `channelsync notify test NAME`; put the target's address right.",
        ),
        "order_shown_late": AlarmKind(
            "an order showed later than promised",
            "Say so to whoever keeps the connector: its watermark lag is too short.",
        ),
        "push_hangs": AlarmKind(
            "a push has no end", "Look at the marketplace's own status page for this listing."
        ),
        "register_gap": AlarmKind(
            "a till skipped sales", "Bring the till online, or re-send its sales."
        ),
        "unmapped_sale": AlarmKind(
            "an offer was sold that is mapped to no item",
            "Add the item, or map the offer under `listings` in channelsync.yaml.",
        ),
        "work_failing": AlarmKind(
            "a piece of work fails again and again",
            "Look into the log; if it is no passing trouble, report it.",
        ),
    }
)
"""By the name that `status --json` and the metrics use."""


def kind_of(name: str) -> AlarmKind:
    """What is known of a kind. One that an older program wrote is called by its name."""
    return ALARM_KINDS.get(name, AlarmKind(name.replace("_", " "), "Read the message."))
