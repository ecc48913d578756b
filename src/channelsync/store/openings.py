"""What old movements come to: one opening for each balance, in the place of its last one.

An opening has the id and the instant of the last movement that it stands for, so whoever asks what
a balance's newest movement is gets the same answer as before. Movements of listings in `kept` stay
as they are. All that stays is hashed in the order of ids: that is what `remaining_digest` proves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, TypeAlias

from channelsync.store.chain import canonical
from channelsync.store.words import MovementKind

__all__ = ["ACTOR", "NOTE", "Balance", "Digest", "Openings", "balance_of", "digest_of"]

ACTOR: Final = "ledger"
"""Who openings name."""
NOTE: Final = "older movements, in an archive"
Balance: TypeAlias = tuple[str, int | None, int | None, int | None]
"""Quantity, item, location, listing."""


class Openings:
    """Adds movements up, in whatever order they come."""

    def __init__(self, kept: Collection[int] = ()) -> None:
        self._kept = kept
        self._openings: dict[Balance, dict[str, Any]] = {}
        self._whole: list[Mapping[str, Any]] = []
        self.kept: set[int] = set()
        """Listings whose movements stay as they are, of those that have any."""

    def add(self, movement: Mapping[str, Any]) -> None:
        """One movement more."""
        if movement["listing_id"] in self._kept:
            self.kept.add(movement["listing_id"])
            self._whole.append(movement)
            return
        balance = balance_of(movement)
        opening = self._openings.get(balance)
        if opening is None:
            self._openings[balance] = _opening(movement)
            return
        opening["delta"] += movement["delta"]
        if movement["id"] > opening["id"]:
            opening["id"], opening["at"] = movement["id"], movement["at"]

    def rows(self) -> list[Mapping[str, Any]]:
        """What stays, in the order of ids."""
        return sorted((*self._openings.values(), *self._whole), key=lambda row: int(row["id"]))

    def balances(self) -> Collection[Balance]:
        """Of which there is an opening."""
        return self._openings.keys()


class Digest:
    """One digest over movements, in their order: SHA-256 of their canonical texts, a line each."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, movement: Mapping[str, Any]) -> None:
        """One movement more."""
        self._hash.update(canonical(movement) + b"\n")

    def hex(self) -> str:
        """The digest, as 64 lower-case digits."""
        return self._hash.hexdigest()


def digest_of(movements: Iterable[Mapping[str, Any]]) -> str:
    """The `Digest` of these movements."""
    digest = Digest()
    for movement in movements:
        digest.add(movement)
    return digest.hex()


def balance_of(movement: Mapping[str, Any]) -> Balance:
    """The balance that a movement changes."""
    return (
        str(movement["quantity"]),
        movement["item_id"],
        movement["location_id"],
        movement["listing_id"],
    )


def _opening(movement: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("id", "at", "quantity", "delta", "item_id", "location_id", "listing_id")
    return {
        **{name: movement[name] for name in kept},
        "moved_at": None,
        "kind": MovementKind.OPENING.value,
        "reference": "",
        "actor": ACTOR,
        "note": NOTE,
    }
