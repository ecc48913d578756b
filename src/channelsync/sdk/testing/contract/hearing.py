"""What is known of a channel's orders once some of its words were heard, in whatever order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from channelsync.domain.orders import LineState, merge
from channelsync.sdk.types import OrderFact, OrderVoid

__all__ = ["Heard", "Word"]

Word = OrderFact | OrderVoid
COUNTS = LineState.__struct_fields__


@dataclass(slots=True)
class Heard:
    """Order lines as the books would believe them."""

    lines: dict[tuple[str, str], LineState] = field(default_factory=dict)
    skus: dict[tuple[str, str], str | None] = field(default_factory=dict)
    voids: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, words: Iterable[Word]) -> Heard:
        """After these, in this order."""
        heard = cls()
        for word in words:
            heard.hear(word)
        return heard

    def hear(self, word: Word) -> None:
        """One more fact, or void."""
        if isinstance(word, OrderVoid):
            self.voids.add(word.order_id)
            return
        key = (word.order_id, word.line_id)
        state = LineState(**{name: getattr(word, name) for name in COUNTS})
        self.lines[key] = merge(self.lines.get(key), state)
        self.skus.setdefault(key, word.sku)

    def line(self, order: str) -> LineState | None:
        """The first line of an order, if it was heard of."""
        return next((state for key, state in self.lines.items() if key[0] == order), None)

    def units(self, orders: Iterable[str]) -> Mapping[str, int]:
        """Units of these orders that are sold for good: ordered, neither cancelled nor void.

        An order that was never heard of is left out.
        """
        told = {order: 0 for order in orders if self.line(order) or order in self.voids}
        for (order, _), state in self.lines.items():
            if order in told and order not in self.voids:
                told[order] += state.wanted
        return told
