"""Why a number is what it is, as a picture: from the units on the shelf down to each listing.

A step is a bar over a common scale of item units, so that what one step leaves is where the next
one begins. Numbers and words stand beside the bars: who sees no picture misses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from channelsync.engine.explain import ListingExplanation, PoolExplanation

__all__ = ["Bar", "Fall", "waterfall", "why"]

COLOURS: Final = 6
WHOLE: Final = 100.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A piece of the scale, in hundredths of its width."""

    look: str
    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fall:
    """One step."""

    label: str
    number: str
    note: str
    bars: tuple[Bar, ...]
    is_sum: bool = False


def waterfall(pool: PoolExplanation, channels: Sequence[str]) -> tuple[Fall, ...]:
    """The steps of an item in one pool; `channels` give the colours of the listings."""
    stock = pool.stock
    scale = _Scale(max(stock.on_hand, stock.reserved + stock.safety_stock, pool.exposure, 1))
    left = stock.on_hand - stock.reserved
    steps = [
        Fall(
            label="On hand",
            number=f"{stock.on_hand}",
            note="physical units in the locations of the pool",
            bars=scale.bars("whole", 0, stock.on_hand),
            is_sum=True,
        ),
        Fall(
            label="Reserved",
            number=_less(stock.reserved),
            note="promised to orders, holds and transfers",
            bars=scale.bars("reserved", left, stock.on_hand),
        ),
        Fall(
            label="Safety stock",
            number=_less(left - stock.atp),
            note="never offered",
            bars=scale.bars("safety", stock.atp, left),
        ),
        Fall(
            label="ATP",
            number=f"{stock.atp}",
            note="available to promise",
            bars=scale.bars("whole", 0, stock.atp),
            is_sum=True,
        ),
    ]
    return (*steps, *_shares(pool, channels, scale))


@dataclass(frozen=True, slots=True)
class _Scale:
    """How many units the whole width is."""

    units: int

    def bars(self, look: str, begin: int, end: int) -> tuple[Bar, ...]:
        """The piece between two counts of units; what lies below 0 is not drawn."""
        begin, end = max(begin, 0), min(max(end, 0), self.units)
        if end <= begin:
            return ()
        return (Bar(look, WHOLE * begin / self.units, WHOLE * (end - begin) / self.units),)


def _shares(pool: PoolExplanation, channels: Sequence[str], scale: _Scale) -> Iterator[Fall]:
    begin = 0
    for one in pool.listings:
        look = f"c{channels.index(one.channel) % COLOURS}" if one.channel in channels else "c0"
        may_sell = one.units * (one.exposure or 0)
        yield Fall(
            label=_named(one),
            number="all" if one.exposure is None else f"{may_sell}",
            note=why(one, pool.stock.atp),
            bars=(
                *scale.bars("share", begin, begin + one.units * one.allocated),
                *scale.bars(look, begin, begin + may_sell),
            ),
        )
        begin += may_sell
    yield Fall(
        label="Free" if pool.free >= 0 else "Deficit",
        number=f"{pool.free}".replace("-", "−"),
        note="nobody may sell it yet: the next raise takes from it"
        if pool.free >= 0
        else "more is on sale than there is: listings are being cut",
        bars=scale.bars("free", begin, begin + pool.free)
        or scale.bars("over", max(pool.stock.atp, 0), begin),
        is_sum=True,
    )


def _named(listing: ListingExplanation) -> str:
    return listing.channel if listing.units == 1 else f"{listing.channel} {listing.sku}"


def why(listing: ListingExplanation, atp: int) -> str:
    """A listing's number in a sentence, from ATP to what the channel shows."""
    said = []
    if listing.quota is not None:
        said.append(f"{listing.quota:g} % of {max(atp, 0)} is {listing.allocated}")
    else:
        said.append(f"its rule gives it {listing.allocated}")
    if listing.target != listing.allocated:
        said.append(f"it should hold {listing.target} now")
    if listing.exposure is None:
        said.append("never settled, so it counts as all")
    elif listing.exposure != listing.target:
        said.append(f"it may sell {listing.exposure}")
    said.append(_shown(listing))
    if listing.units > 1:
        said.append(f"{listing.units} units of the item in each")
    return ", ".join(said)


def _shown(listing: ListingExplanation) -> str:
    if listing.shown is None:
        return "shows nothing yet"
    if listing.shown < 0 and listing.open_push is not None:
        # Sales are counted already against a number that nobody has read back yet.
        return "what it shows is being changed"
    return f"shows {listing.shown}".replace("-", "−")


def _less(units: int) -> str:
    return f"−{units}" if units > 0 else f"{units}"
