"""What is checked: each run is one model, made by bounds (`bounds.pml`) and the rule it bends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

__all__ = ["RIGHT", "SELLING_OUT", "WRONG", "Run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One model to exhaust, or to find a counterexample in."""

    name: str
    kinds: tuple[str, str]
    bounds: dict[str, int] = field(default_factory=dict)
    wrong: str = ""
    """The rule that is bent, a name of `rules.pml`; empty: none, and no counterexample exists."""

    @property
    def definitions(self) -> tuple[str, ...]:
        """The options that make the model of this run."""
        first, second = self.kinds
        named = {"KIND_0": first, "KIND_1": second, **self.bounds}
        if self.wrong:
            named["WRONG"] = self.wrong
        return tuple(f"-D{name}={value}" for name, value in named.items())


CAS: Final = "CAS"
DELTA: Final = "DELTA"
ABSOLUTE: Final = "ABSOLUTE"
LIVE: Final = "LIVE"
"""In the place of a channel: it holds no number and nothing happens on it."""


def right(name: str, kinds: tuple[str, str], **bounds: int) -> Run:
    return Run(name=name, kinds=kinds, bounds=bounds)


def wrong(rule: str, kinds: tuple[str, str], **bounds: int) -> Run:
    name = f"{rule.lower().replace('_', ' ')}, {kinds[0].lower()}"
    return Run(name=name, kinds=kinds, bounds=bounds, wrong=rule)


RIGHT: Final = (
    right(
        "compare-and-set: retries, checkouts, cancels",
        (CAS, CAS),
        RETRIES=1,
        CHECKOUTS=1,
        CANCELS=1,
        PUSHES_1=0,
        READS_1=0,
    ),
    right("compare-and-set, twice", (CAS, CAS), MOST=1, CANCELS=1, READS_1=0, SLICE=1),
    right(
        "delta: retries, checkouts, cancels",
        (DELTA, DELTA),
        RETRIES=1,
        CHECKOUTS=1,
        CANCELS=1,
        PUSHES_1=0,
        READS_1=0,
    ),
    right("absolute: checkouts", (ABSOLUTE, ABSOLUTE), CHECKOUTS=1, RETRIES=1),
    right(
        "absolute: retries, cancels",
        (ABSOLUTE, ABSOLUTE),
        PUSHES_0=2,
        RETRIES=1,
        CANCELS=1,
        READS_1=0,
    ),
    right(
        "absolute beside compare-and-set, a count finds less",
        (ABSOLUTE, CAS),
        MOST=1,
        CANCELS=1,
        CHECKOUTS=1,
        LOSSES=1,
        READS_1=0,
    ),
    right("a channel is adopted", (ABSOLUTE, DELTA), ADOPTING=1, CANCELS=1, MOST=1, READS_1=0),
    right("a till sells past its number", (DELTA, CAS), BEYOND=1, MOST=1, READS_1=0),
    right(
        "rest: keyed, answers lost",
        (CAS, DELTA),
        REST=1,
        MOST=1,
        CHECKOUTS=1,
        RETRIES=1,
        PUSHES_1=0,
    ),
    right(
        "rest: cancels that may not re-list",
        (DELTA, CAS),
        REST=1,
        MOST=1,
        CANCELS=1,
        RELISTS=0,
        PUSHES_1=0,
    ),
    right(
        "rest: absolute",
        (ABSOLUTE, LIVE),
        REST=1,
        CANCELS=1,
        PUSHES_0=2,
        PUSHES_1=0,
        MOST=1,
    ),
    right(
        "rest: absolute, checkouts",
        (ABSOLUTE, CAS),
        REST=1,
        CANCELS=1,
        CHECKOUTS=1,
        PUSHES_0=2,
        PUSHES_1=0,
        MOST=1,
    ),
)
"""The right rules, exhausted in every build."""

ONE: Final = {"UNITS": 1, "SHOWN_0": 1, "SHOWN_1": 0, "PUSHES_1": 0, "READS_1": 0, "MOST": 1}
"""One unit, on sale."""
FRESH: Final = ONE | {"SHOWN_0": 0}
"""One unit, not yet on sale."""
TWO: Final = ONE | {"UNITS": 2, "SHOWN_0": 2, "PUSHES_0": 0}
"""Two units on sale, and nothing is pushed."""

WRONG: Final = (
    wrong("RAISE_CHARGED_LATE", (CAS, LIVE), **FRESH),
    wrong("RAISE_CHARGED_LATE", (DELTA, LIVE), **FRESH),
    wrong("SET_RETRY_FREE", (ABSOLUTE, LIVE), **FRESH | {"RETRIES": 1}),
    wrong("SMALLER_SET_RELEASES", (ABSOLUTE, LIVE), **TWO | {"UNITS": 3, "PUSHES_0": 1}),
    wrong("RAISE_BEFORE_CUT", (CAS, LIVE), **ONE),
    wrong("NO_KEY", (CAS, LIVE), **FRESH | {"UNITS": 2, "RETRIES": 1}),
    wrong("NO_KEY", (DELTA, LIVE), **FRESH | {"RETRIES": 1}),
    wrong("OLD_KEY_AGAIN", (DELTA, LIVE), **FRESH | {"RETRIES": 1}),
    wrong("ANY_REFUSAL_IS_PROOF", (CAS, LIVE), **FRESH | {"UNITS": 2, "SHOWN_0": 1, "RETRIES": 1}),
    wrong("SILENCE_IS_PROOF", (DELTA, LIVE), **FRESH),
    wrong("CLIENT_REPEATS", (ABSOLUTE, LIVE), **FRESH),
    wrong("CUT_WITHOUT_READ", (CAS, LIVE), **ONE | {"READS_0": 0, "CHECKOUTS": 1}),
    wrong("CUT_READ_EARLY", (DELTA, LIVE), **ONE | {"CHECKOUTS": 1}),
    wrong("CUT_BELOW_ZERO", (CAS, LIVE), **ONE | {"CHECKOUTS": 1}),
    wrong("SETTLE_BY_OUR_CLOCK", (ABSOLUTE, LIVE), **TWO),
    wrong("SETTLE_FORGETS_CANCELS", (ABSOLUTE, LIVE), **TWO | {"CANCELS": 1}),
    wrong("SETTLE_BY_MOVEMENTS", (ABSOLUTE, LIVE), **TWO | {"CANCELS": 1}),
    wrong("SETTLE_UNCLAMPED", (CAS, LIVE), **ONE | {"UNITS": 2, "CHECKOUTS": 1}),
    wrong("SETTLE_LOOKS_AT_END", (ABSOLUTE, LIVE), **FRESH),
    wrong("SETTLE_LOOKS_AT_START", (DELTA, LIVE), **FRESH),
    wrong("SETTLE_FRESH", (DELTA, LIVE), **FRESH),
    wrong("SETTLE_AHEAD_OF_ORDERS", (DELTA, LIVE), **ONE),
    wrong("SETTLE_IN_QUARANTINE", (ABSOLUTE, LIVE), **ONE | {"CHECKOUTS": 1}),
    wrong("SETTLE_LEAVES_OPEN", (CAS, LIVE), **ONE | {"UNITS": 3, "SHOWN_0": 3, "MOST": 2}),
    wrong("LOST_LEASE_ENDS", (ABSOLUTE, LIVE), **FRESH),
    wrong("CANCEL_TO_FREE", (ABSOLUTE, LIVE), **ONE | {"READS_0": 0, "CANCELS": 1}),
    wrong("BELOW_ZERO", (DELTA, LIVE), **TWO | {"SHOWN_0": 1, "READS_0": 0, "BEYOND": 1}),
    wrong("EXCESS_FORGOTTEN", (DELTA, LIVE), **TWO | {"SHOWN_0": 1, "READS_0": 0, "BEYOND": 1}),
    wrong("ADOPTION_IS_NOTHING", (ABSOLUTE, LIVE), **ONE | {"ADOPTING": 1}),
    wrong("DEFICIT_IS_IGNORED", (CAS, LIVE), **ONE),
    wrong("NOBODY_SETTLES", (DELTA, LIVE), REST=1, CANCELS=1, RELISTS=0, PUSHES_0=0, PUSHES_1=0),
    wrong(
        "NEGATIVE_READ_IS_EXACT",
        (ABSOLUTE, LIVE),
        REST=1,
        CANCELS=1,
        CHECKOUTS=1,
        MOST=1,
        PUSHES_1=0,
    ),
    wrong("SWALLOWED_IS_FORGOTTEN", (ABSOLUTE, LIVE), REST=1, CANCELS=1, MOST=1, PUSHES_1=0),
    wrong("NOBODY_SETTLES", (ABSOLUTE, LIVE), REST=1, MOST=1, PUSHES_1=0),
)
"""Every rule bent once: each must have a counterexample."""

SELLING_OUT: Final = tuple(
    wrong("NOTHING_SELLS_OUT", (kind, LIVE), **FRESH | {"UNITS": 2, "MOST": 2, "CANCELS": 1})
    for kind in (CAS, DELTA, ABSOLUTE)
)
"""No rule is bent here: what is claimed is that a channel cannot sell every unit, and a
counterexample shows that the model is not safe merely because nothing ever happens in it."""
