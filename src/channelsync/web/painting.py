"""Painting: an overview as fragments of HTML, by the id of the element that each one is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from channelsync.domain.vocabulary import PushKind
from channelsync.engine.overview import ItemRow, Overview, PushRow
from channelsync.engine.status import ChannelStatus, Status
from channelsync.web.dashboard.marks import PUSH_OUTCOMES, PUSH_SIGNS, PUSH_STATES, of_channel
from channelsync.web.dashboard.words import length_of_time, template_environment
from channelsync.web.options import Exhibit

__all__ = ["Painter", "channel_names", "row_key"]

COLOURS: Final = 6
SUMS_NEW_SECONDS: Final = 2.0
ROWS_KEPT_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of a bar, in hundredths of its width."""

    look: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class _Bar:
    pieces: tuple[_Piece, ...]
    limit: float | None
    """Where ATP ends, if more than that may be sold."""
    label: str


@dataclass(frozen=True, slots=True)
class _Row:
    """An item as it was painted last, and of what."""

    item: ItemRow
    names: tuple[str, ...]
    html: str


class Painter:
    """Renders with autoescape: SKUs and reasons are other people's text."""

    def __init__(self) -> None:
        environment = template_environment()
        self._parts: Any = environment.get_template("parts.html").module
        self._item = environment.get_template("item_row.html")
        self._rows: dict[str, _Row] = {}

    def stage(self, exhibit: Exhibit | None, csrf_token: str) -> str:
        """A demonstration's strip, with the token that one visitor's buttons bear."""
        return str(self._parts.stage(exhibit, csrf_token))

    def fragments(self, overview: Overview, exhibit: Exhibit | None) -> dict[str, str]:
        """Everything that changes."""
        status, parts = overview.status, self._parts
        oversold = overview.oversold if exhibit is None else exhibit.oversold
        channels = [_channel(one, overview) for one in status.channels]
        pushes = [_push(one) for one in overview.pushes]
        painted = {
            "stage": parts.stage(exhibit),
            "headline": parts.headline(_headline(status), oversold, exhibit),
            "channels": parts.channels(channels),
            "attention": parts.attention(status.alarms, overview.shortfalls),
            "pushes": parts.pushes(pushes),
            "orders": parts.orders(overview.orders),
        }
        return {key: str(html) for key, html in painted.items()} | self.rows(overview)

    def rows(self, overview: Overview) -> dict[str, str]:
        """The items alone; those that are as they were are not painted again."""
        names = tuple(channel_names(overview.status))
        if len(self._rows) > ROWS_KEPT_MAX:
            self._rows.clear()
        return {row_key(item): self._row(item, names) for item in overview.items}

    def _row(self, item: ItemRow, names: tuple[str, ...]) -> str:
        key = row_key(item)
        kept = self._rows.get(key)
        if kept is None or (kept.item, kept.names) != (item, names):
            html = self._item.render(
                key=key,
                item=item,
                bar=_bar(item, names),
                channels=names,
                shares={share.channel: share for share in item.shares},
            )
            kept = self._rows[key] = _Row(item, names, html)
        return kept.html


def row_key(item: ItemRow) -> str:
    """The id of an item's row."""
    return f"item-{item.item_id}-{item.pool}"


def channel_names(status: Status) -> list[str]:
    """The channels, in the order of their colours."""
    return [one.channel for one in status.channels]


# ------------------------------------------------------------------ views


def _percent_of(part: int, whole: int) -> str:
    """Rounded down: 100 % is said only of all, and nothing of nothing."""
    return f"{part * 1_000 // whole / 10:g} %" if whole else "–"


def _headline(status: Status) -> dict[str, Any]:
    coverage = status.proof_coverage
    return {
        "coverage": _percent_of(coverage.proven, coverage.listings),
        "proven": coverage.proven,
        "listings": coverage.listings,
        "exposure": sum(pool.exposure for pool in status.pools),
        "atp": sum(pool.atp for pool in status.pools),
        "open_pushes": status.open_pushes,
        # Sums that were counted beside the page say when.
        "summed_at": status.summed_at if status.at - status.summed_at > SUMS_NEW_SECONDS else None,
        "holds": status.holds,
        "dead_letters": status.dead_letters,
    }


def _channel(channel: ChannelStatus, overview: Overview) -> dict[str, Any]:
    standing = of_channel(channel)
    lags = {lag.channel: lag for lag in overview.apply_lags if lag.longest}
    return {
        "channel": channel,
        "kind": standing.kind,
        "words": standing.words,
        "why": standing.why,
        "applying": channel.applying,
        "lag": lags.get(channel.channel),
    }


def _push(push: PushRow) -> dict[str, Any]:
    if push.closed_at is not None:
        kind, words = PUSH_OUTCOMES.get(push.result, "off"), push.result or "closed"
    elif push.accepted_at is not None:
        kind, words = "wait", "to be proven" if push.seen_at is not None else "not applied yet"
    else:
        kind, words = PUSH_STATES.get(push.state, ("wait", push.state))
    if push.accepted_at is not None and (push.seen_at or 0.0) > push.accepted_at:
        words = f"seen after {length_of_time((push.seen_at or 0.0) - push.accepted_at)}, {words}"
    change = f"{PUSH_SIGNS[PushKind(push.kind)]}{push.units}"
    return {"push": push, "kind": kind, "words": words, "change": change}


# ------------------------------------------------------------------ bars


def _bar(item: ItemRow, channels: Sequence[str]) -> _Bar:
    """Physical units from left to right: who may sell them, free ones, those promised already."""
    looks = {name: f"c{place % COLOURS}" for place, name in enumerate(channels)}
    units = [
        (looks.get(share.channel, "c0"), share.units * (share.exposure or 0))
        for share in item.shares
    ]
    units.append(("free", max(item.free, 0)))
    units.append(("safety", max(item.stock.on_hand - item.stock.reserved - item.stock.atp, 0)))
    units.append(("reserved", item.stock.reserved))
    whole = max(sum(count for _, count in units), item.stock.on_hand, 1)
    pieces, x = [], 0.0
    for look, count in units:
        width = 100.0 * count / whole
        pieces.append(_Piece(look, x, width))
        x += width
    limit = 100.0 * max(item.stock.atp, 0) / whole if item.free < 0 else None
    return _Bar(tuple(pieces), limit, _label(item))


def _label(item: ItemRow) -> str:
    said = [
        f"{share.channel} {'not settled' if share.exposure is None else share.exposure}"
        for share in item.shares
    ]
    said.append(f"free {item.free}")
    return f"{', '.join(said)} of {item.stock.atp} available to promise"
