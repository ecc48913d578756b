"""Passwords: argon2id hashes, and what is too easy to be one.

Sources: RFC 9106 ("second recommended option": 64 MiB, 3 passes, 4 lanes); OWASP ASVS 5.0.0, 6.2
and 11.4.2.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

__all__ = ["CHARACTERS_MAX", "CHARACTERS_MIN", "PasswordTooWeak", "Passwords", "require_strong"]

CHARACTERS_MIN: Final = 12
CHARACTERS_MAX: Final = 256
DIFFERENT_MIN: Final = 5
AT_ONCE_MAX: Final = 2
"""Hashes computed at once: each costs 64 MiB and the better part of a core."""


class PasswordTooWeak(Exception):
    """It would be guessed; the message says what is wanted."""


def require_strong(password: str, name: str) -> None:
    """Refuse what is guessed first.

    Raises:
        PasswordTooWeak: it is short, long beyond use, monotonous, or holds the user's name.
    """
    if len(password) < CHARACTERS_MIN:
        raise PasswordTooWeak(f"the password is too short: use {CHARACTERS_MIN} characters or more")
    if len(password) > CHARACTERS_MAX:
        raise PasswordTooWeak(f"the password is above {CHARACTERS_MAX} characters")
    if len(set(password)) < DIFFERENT_MIN:
        raise PasswordTooWeak("the password repeats itself: use a phrase of several words")
    lowered = password.casefold()
    if any(word in lowered for word in (name.casefold(), "channelsync", "password")):
        raise PasswordTooWeak(
            "the password holds the user's name, the word password or the name of this program"
        )


def _hasher() -> PasswordHasher:
    return PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


@dataclass(slots=True)
class Passwords:
    """Hashes and checks, off the event loop and few at once."""

    hasher: PasswordHasher = field(default_factory=_hasher)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE_MAX))
    _nobodys: str = ""

    async def hash(self, password: str) -> str:
        """The hash to keep, with its salt and parameters."""
        async with self._turns:
            return await asyncio.to_thread(self.hasher.hash, password)

    async def matches(self, kept: str | None, password: str) -> bool:
        """Whether it is the password. None (there is no such user) takes the same time."""
        async with self._turns:
            return await asyncio.to_thread(self._matches, kept, password)

    def _matches(self, kept: str | None, password: str) -> bool:
        if kept is None and not self._nobodys:
            self._nobodys = self.hasher.hash(secrets.token_urlsafe())
        try:
            self.hasher.verify(kept or self._nobodys, password)
        except (VerificationError, InvalidHashError):
            return False
        return kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Whether today's parameters are others: hash again at the next sign-in."""
        return self.hasher.check_needs_rehash(kept)
