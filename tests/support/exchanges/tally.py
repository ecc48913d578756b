"""What a recorded slice came to, operation by operation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.exchanges.checks import Checked, Contracts, declared
from tests.support.exchanges.market_slice import play_slice

__all__ = ["Tally", "play_and_check"]


@dataclass(frozen=True, slots=True)
class Tally:
    """Every exchange of a slice, checked."""

    checked: tuple[Checked, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Counts by marketplace and operation."""
        asked = Counter((one.way, one.operation) for one in self.checked)
        answers: dict[tuple[str, str], Counter[str]] = {}
        described = {(one.way, one.operation): one.described for one in self.checked}
        for one in self.checked:
            counted = answers.setdefault((one.way, one.operation), Counter())
            if one.way != "queue":  # whose messages nobody answers
                counted["none" if one.status is None else str(one.status)] += 1
        return [
            {
                "with": way,
                "operation": operation,
                "requests": count,
                "answers": dict(sorted(answers[way, operation].items())),
                "described": described[way, operation],
            }
            for (way, operation), count in sorted(asked.items())
        ]

    def table(self) -> str:
        """The counts for people."""
        lines = [f"{'with':<20}{'operation':<56}{'requests':>8}  answers"]
        for row in self.rows():
            answers = ", ".join(f"{status}: {count}" for status, count in row["answers"].items())
            unchecked = "" if row["described"] else "  (no schema of it at hand)"
            lines.append(
                f"{row['with']:<20}{row['operation']:<56}{row['requests']:>8}  {answers}{unchecked}"
            )
        return "\n".join(lines) + "\n"

    def wrong(self) -> list[str]:
        """What does not conform, and which operations of the connectors were never called."""
        found = [
            f"{one.way}: {one.operation} ({one.status}): {problem}"
            for one in self.checked
            for problem in one.problems
        ]
        called = {(one.way, one.operation) for one in self.checked}
        found += [
            f"{market}: {operation} was never called"
            for market, operations in declared().items()
            for operation in sorted(operations)
            if (market, operation) not in called
        ]
        return found


async def play_and_check(folder: Path, sqs_origin: str, contracts: Path) -> Tally:
    """Play the slice in a folder, and check it against the schemas in another."""
    played = await play_slice(folder, sqs_origin)
    schemas = Contracts(contracts)
    checked: Iterable[Checked] = map(schemas.check, played.recorder.exchanges)
    messages = map(schemas.notification, played.notifications)
    return Tally((*checked, *messages))
