"""What the desks of users and keys refuse; nothing was changed.

IdentityError
├── UnknownUser    nobody of this name is here; the closest one is suggested
├── UserRefused    the name is taken or no name, or nobody would be left to administrate
├── FactorRefused  the code is wrong or was used, or the second factor does not stand so
├── UnknownKey     there is no such key
└── KeyRefused     the key cannot be made so, or is revoked already
"""

from __future__ import annotations

__all__ = [
    "FactorRefused",
    "IdentityError",
    "KeyRefused",
    "UnknownKey",
    "UnknownUser",
    "UserRefused",
]


class IdentityError(Exception):
    """Base of what the desks of users and keys refuse."""


class UnknownUser(IdentityError):
    """Nobody of this name is here."""

    def __init__(self, name: str, suggestion: str | None) -> None:
        hint = f"; did you mean {suggestion!r}?" if suggestion else ""
        super().__init__(f"there is no user {name!r}{hint}")


class UserRefused(IdentityError):
    """The name is taken or no name, or nobody would be left to administrate."""


class FactorRefused(IdentityError):
    """The code is wrong or was used, or the second factor does not stand so."""


class UnknownKey(IdentityError):
    """There is no such key."""


class KeyRefused(IdentityError):
    """The key cannot be made so, or is revoked already."""
