"""Every check of `channelsync.store.verify`, in the order in which repairs build on each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.store.checks import (
    Check,
    Finding,
    check_charges,
    check_exposures,
    check_line_stock,
    check_open_pushes,
    check_reserved,
    check_stock,
)
from channelsync.store.transfer_checks import check_in_transit

__all__ = ["CHECKS"]

CHECKS: Final[Mapping[Check, Callable[[AsyncConnection], Awaitable[list[Finding]]]]] = {
    Check.LINE_STOCK: check_line_stock,
    Check.RESERVED: check_reserved,
    Check.IN_TRANSIT: check_in_transit,
    Check.STOCK: check_stock,
    Check.EXPOSURE: check_exposures,
    Check.OPEN_PUSHES: check_open_pushes,
    Check.CHARGE: check_charges,
}
"""Every check, evidence first."""
