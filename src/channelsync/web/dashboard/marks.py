"""States of rows as marks: a colour, a sign and words for each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from channelsync.domain.vocabulary import PushKind
from channelsync.engine.status import ChannelStatus
from channelsync.store.tables import ChannelState, ListingState, PushState
from channelsync.web.dashboard.table import Mark

__all__ = [
    "PUSH_OUTCOMES",
    "PUSH_SIGNS",
    "PUSH_STATES",
    "change_of",
    "of_alarm",
    "of_channel",
    "of_line",
    "of_listing",
    "of_push",
    "of_transfer",
]

PUSH_SIGNS: Final = {
    PushKind.RAISE: "+",
    PushKind.CUT: "−",
    PushKind.SET: "= ",
    PushKind.ZERO: "= ",
}
_LINES: Final[Mapping[str, str]] = {"shipped": "good", "cancelled": "off", "returned": "off"}
PUSH_OUTCOMES: Final[Mapping[str, str]] = {
    "applied": "good",
    "settled": "good",
    "released": "good",
    "withdrawn": "off",
    "given up": "warn",
}
PUSH_STATES: Final[Mapping[str, tuple[str, str]]] = {
    PushState.PLANNED: ("wait", "planned"),
    PushState.SENDING: ("wait", "sending"),
    PushState.QUARANTINE: ("wait", "in quarantine"),
    PushState.DOUBTFUL: ("warn", "doubtful, to be settled"),
}
_TRANSFERS: Final[Mapping[str, str]] = {"received": "good", "cancelled": "off"}


def of_line(row: Mapping[str, Any]) -> Mark:
    """An order line."""
    if row["parked"]:
        return Mark("warn", "parked", str(row["parked"]).replace("_", " "))
    state = str(row["state"])
    return Mark(_LINES.get(state, "wait"), state.replace("_", " "))


def of_listing(row: Mapping[str, Any]) -> Mark:
    """A listing."""
    if row["state"] == ListingState.REFUSED:
        return Mark("bad", "refused", row["refusal"] or "")
    if row["state"] == ListingState.GONE:
        return Mark("off", "gone", "the channel lists it no more")
    if row["exposure"] is None:
        return Mark("wait", "to be settled", "its items count as sold out everywhere else")
    reasons = [str(one).replace("_", " ") for one in row["settle_reasons"] or ()]
    if reasons:
        return Mark("wait", "being settled", ", ".join(reasons))
    return Mark("good", "settled")


def of_push(row: Mapping[str, Any]) -> Mark:
    """A push."""
    if row["closed_at"] is not None:
        result = row["result"] or "closed"
        return Mark(PUSH_OUTCOMES.get(result, "off"), result, row["reason"])
    if row["accepted_at"] is not None:
        seen = row["seen_at"] is not None
        return Mark("wait", "to be proven" if seen else "taken in, not applied yet")
    return Mark(*PUSH_STATES.get(row["state"], ("wait", str(row["state"]))), row["reason"])


def change_of(row: Mapping[str, Any]) -> str:
    """What a push changes: +3, −2, = 5."""
    return f"{PUSH_SIGNS[PushKind(row['kind'])]}{row['units']}"


def of_alarm(row: Mapping[str, Any]) -> Mark:
    """An alarm."""
    words = str(row["kind"]).replace("_", " ")
    return Mark("good" if row["cleared_at"] is not None else "warn", words, row["message"])


def of_transfer(row: Any) -> Mark:
    """A transfer."""
    state = str(row.state)
    return Mark(_TRANSFERS.get(state, "wait"), state.replace("_", " "), row.waits or "")


def of_channel(channel: ChannelStatus) -> Mark:
    """How a channel does, and why."""
    if channel.failing_since is not None:
        return Mark("bad", "failing", channel.last_error or "")
    if channel.paused is not None:
        return Mark("warn", "paused", channel.paused)
    if channel.quiet:
        why = "no sign of life from its order feed: its units are taken back"
        return Mark("warn", "quiet", why)
    if channel.broken:
        return Mark("warn", "assumption broken", "; ".join(channel.broken))
    if channel.state == ChannelState.REMOVED:
        why = "no longer configured; its units stay set aside until settled"
        return Mark("off", "removed", why)
    return _getting_there(channel)


def _getting_there(channel: ChannelStatus) -> Mark:
    """Nothing is wrong with it; perhaps it is not all there yet."""
    if channel.state == ChannelState.ADOPTING or channel.unsettled:
        waiting = f"{channel.unsettled} listings to settle" if channel.unsettled else ""
        loading = channel.load.words if channel.load is not None else waiting
        return Mark("wait", "adopting", loading)
    if channel.mode != "live":
        return Mark("wait", channel.mode)
    if channel.load is not None:
        return Mark("wait", "loading", channel.load.words)
    return Mark("good", "in step")
