"""What is refused before the books are even opened."""

from __future__ import annotations

from typing import Final

from channelsync.engine.stock_errors import StockRefused

__all__ = [
    "TEXT_LENGTH_MAX",
    "UNITS_MAX",
    "check_delta",
    "check_reason",
    "check_sku",
    "check_text",
    "check_units",
]

UNITS_MAX: Final = 1_000_000_000
"""More units of one thing than anybody has; a longer number is a slip of the keyboard."""
TEXT_LENGTH_MAX: Final = 500


def check_sku(sku: str) -> None:
    """Refuse a SKU that could not be typed, found or printed again.

    Raises:
        StockRefused: empty, too long, with outer spaces or characters that do not print.
    """
    if not sku or sku != sku.strip() or not sku.isprintable():
        raise StockRefused(
            f"{sku!r} is no SKU: it needs at least one character, none that does not print, and no"
            " space at either end"
        )
    check_text("SKU", sku)


def check_text(what: str, text: str) -> None:
    """Refuse a text that is too long for people or impossible for databases.

    Raises:
        StockRefused: longer than `TEXT_LENGTH_MAX`, or with a NUL in it.
    """
    if len(text) > TEXT_LENGTH_MAX or "\0" in text:
        raise StockRefused(
            f"the {what} has {len(text)} characters: at most {TEXT_LENGTH_MAX} may be, and none"
            " of them NUL"
        )


def check_reason(reason: str) -> None:
    """Refuse to change a number without saying why.

    Raises:
        StockRefused: an empty reason, or one that is no proper text.
    """
    if not reason.strip():
        raise StockRefused("say why: the reason is part of the books")
    check_text("reason", reason)


def check_units(what: str, units: int, *, least: int = 0) -> None:
    """Refuse a number of units that cannot be.

    Raises:
        StockRefused: below `least` or above `UNITS_MAX`.
    """
    if not least <= units <= UNITS_MAX:
        raise StockRefused(f"{what} lies between {least} and {UNITS_MAX:,} units, not at {units}")


def check_delta(delta: int) -> None:
    """Refuse a change that changes nothing, or too much.

    Raises:
        StockRefused: 0, or beyond `UNITS_MAX` either way.
    """
    if delta == 0 or abs(delta) > UNITS_MAX:
        raise StockRefused(
            f"an adjustment by {delta} units: give a number of units to add, or below 0 to take off"
        )
