"""What the domain refuses, and why.

DomainError
├── InsufficientFree      a raise, hold or live sale wants more than `free` has
├── NotSettleable         a reading may not settle a grant now (the reason says what to wait for)
├── PushConflict          a push may not be opened, sent or withdrawn in this state
├── HoldConflict          a hold is not in a state that allows the request
├── TransferConflict      a transfer is not in a state that allows the request
├── InvalidRule           an allocation rule contradicts itself; the message says where
└── InvariantViolated     the books would break: a bug of ours, never an answer to a caller
"""

from __future__ import annotations

from channelsync.domain.wording import counted

__all__ = [
    "DomainError",
    "HoldConflict",
    "InsufficientFree",
    "InvalidRule",
    "InvariantViolated",
    "NotSettleable",
    "PushConflict",
    "TransferConflict",
]


class DomainError(Exception):
    """Base of everything the domain refuses."""


class InsufficientFree(DomainError):
    """More units were asked for than `free` has."""

    def __init__(self, wanted: int, takeable: int) -> None:
        super().__init__(f"{counted(wanted, 'unit')} wanted, {takeable} can be taken")
        self.wanted = wanted
        self.takeable = takeable


class NotSettleable(DomainError):
    """The reading proves nothing yet; the message says what is missing."""


class PushConflict(DomainError):
    """The grant's push is not in a state that allows this step."""


class HoldConflict(DomainError):
    """The hold is not in a state that allows this step."""


class TransferConflict(DomainError):
    """The transfer is not in a state that allows this step; the message says what to do."""


class InvalidRule(DomainError):
    """An allocation rule contradicts itself; the message names the rule and what is wrong."""


class InvariantViolated(DomainError):
    """A rule of the escrow protocol would break; nothing was changed."""
