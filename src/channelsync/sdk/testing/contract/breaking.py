"""How a clause of the contract says that it is broken, or that it does not apply."""

from __future__ import annotations

from typing import Final

__all__ = ["DOES_NOT_APPLY", "ContractBroken", "DoesNotApply", "expect"]

DOES_NOT_APPLY: Final = "does not apply: "
"""A skipped clause's reason begins like this, and goes on with what was declared."""


class ContractBroken(AssertionError):
    """The connector (or its simulator) does not keep what it declares; the message says how."""


class DoesNotApply(Exception):
    """What was declared rules a clause out; the message repeats the declaration."""


def expect(holds: object, otherwise: str) -> None:
    """Go on only if this holds.

    Raises:
        ContractBroken: it does not; `otherwise` says what was found.
    """
    if not holds:
        raise ContractBroken(otherwise)
