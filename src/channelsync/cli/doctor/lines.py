"""One line of the doctor's report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Line", "Verdict", "attention", "broken", "fine", "worst"]


class Verdict(StrEnum):
    """How a thing stands."""

    OK = "ok"
    ATTENTION = "attention"
    """It works; somebody should look at it."""
    BROKEN = "broken"

    @property
    def mark(self) -> str:
        """As people see it in front of the line."""
        return {Verdict.OK: "✓", Verdict.ATTENTION: "!", Verdict.BROKEN: "✗"}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What was looked at, how it stands, and what to do about it."""

    area: str
    verdict: Verdict
    message: str
    fix: str | None = None
    """None exactly where nothing is to be done."""
    page: str | None = None
    """The page of the dashboard that has the fix as a button, where one has."""


def fine(area: str, message: str) -> Line:
    """All is well."""
    return Line(area=area, verdict=Verdict.OK, message=message)


def attention(area: str, message: str, fix: str, page: str | None = None) -> Line:
    """It works, and somebody should look at it."""
    return Line(area=area, verdict=Verdict.ATTENTION, message=message, fix=fix, page=page)


def broken(area: str, message: str, fix: str, page: str | None = None) -> Line:
    """It does not work."""
    return Line(area=area, verdict=Verdict.BROKEN, message=message, fix=fix, page=page)


def worst(lines: Iterable[Line]) -> Verdict:
    """The worst of them; well, where there is none."""
    order = list(Verdict)
    return max((line.verdict for line in lines), key=order.index, default=Verdict.OK)
