"""Where a poll of the till's API goes on, and how far each register is known to be complete.

The cursor carries what was heard of every register's numbering, so that completeness is proven by
us and not merely claimed by the till's server, and so that a cursor used twice says the same twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from channelsync.sdk.errors import Misconfigured
from channelsync.sdk.types import Instant
from channelsync.sdk.wire import StoredPlace

__all__ = ["Cursor", "Heard", "complete_to"]

RANGES_MAX: Final = 1_000
"""Separate gaps of one register. A till that really numbers without gaps has one or two."""


class Heard(BaseModel):
    """What was heard of one register's numbering."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    through: int
    """Every number up to this one was heard, as far back as we follow the register."""
    beyond: list[tuple[int, int]] = []
    """Ranges heard above it, ascending and apart."""
    complete_at: Instant | None = None
    """The latest contact of the register at which every number it had used was heard."""

    def hear(self, numbers: Iterable[int]) -> None:
        """Take numbers in, in whatever order.

        Raises:
            Misconfigured: the numbering has more gaps than a gapless one can have.
        """
        ranges = sorted([*self.beyond, *((n, n) for n in numbers if n > self.through)])
        apart: list[tuple[int, int]] = []
        for low, high in ranges:
            if low <= self.through + 1 and not apart:
                self.through = max(self.through, high)
            elif apart and low <= apart[-1][1] + 1:
                apart[-1] = (apart[-1][0], max(apart[-1][1], high))
            else:
                apart.append((low, high))
        if len(apart) > RANGES_MAX:
            raise Misconfigured(
                f"a register's numbers have more than {RANGES_MAX} gaps: every event of a register"
                ' must bear the next number (see the till\'s interface, "Numbering")'
            )
        self.beyond = apart


class Cursor(StoredPlace):
    """Where to go on."""

    model_config = ConfigDict(frozen=False)
    WHERE = "the till's sales"

    after: str | None = None
    """The till's own cursor; None: begin."""
    uploaded_from: Instant | None = None
    """Without `after`: begin with what reached the till's server at this instant or later."""
    registers: dict[str, Heard] = Field(default_factory=dict)
    file: str | None = None
    """Of a drop folder: the file that the page before this place was made of."""
    file_sha256: str | None = None

    def register(self, register_id: str, *, begins_after: int) -> Heard:
        """What was heard of a register; at first sight its count begins after `begins_after`."""
        return self.registers.setdefault(register_id, Heard(through=begins_after))


def complete_to(
    cursor: Cursor,
    contacts: Iterable[tuple[str, int, Instant]],
    *,
    expected: Iterable[str],
    as_of: Instant,
) -> Instant | None:
    """The instant up to which every sale of every register was heard; None: not known.

    `contacts` names each register with the last number it has used and the instant at which it
    said so. A register counts up to its latest contact at which nothing was missing: what it sold
    since, offline, nobody has heard of. Remembers in `cursor` what it finds.
    """
    found: set[str] = set()
    instants: list[Instant | None] = [as_of]
    for register_id, last_used, at in contacts:
        found.add(register_id)
        heard = cursor.registers[register_id]
        if heard.through >= last_used:
            heard.complete_at = at if heard.complete_at is None else max(heard.complete_at, at)
        instants.append(heard.complete_at)
    if set(expected) - found:
        return None
    known = [at for at in instants if at is not None]
    return min(known) if len(known) == len(instants) else None
