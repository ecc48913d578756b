"""How a clause becomes a test: its world is opened, what does not apply is skipped by name."""

from __future__ import annotations

import asyncio
import inspect
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, TypeAlias, TypeVar

import pytest

from channelsync.sdk.testing.contract.bench import Bench, open_bench
from channelsync.sdk.testing.contract.breaking import DOES_NOT_APPLY, DoesNotApply
from channelsync.sdk.testing.contract.world import Clock, World

__all__ = ["Clauses", "Rule", "clause", "keyed", "pushes", "when"]

Rule: TypeAlias = Callable[[Bench], str]
"""Why a clause does not apply to what was declared; empty: it does."""
_Suite = TypeVar("_Suite", bound="Clauses")


class Clauses(ABC):
    """Tests that need nothing but a world."""

    @abstractmethod
    def world(self, clock: Clock) -> World:
        """A new world on this clock."""


def clause(
    *needs: type, rules: tuple[Rule, ...] = (), world: tuple[str, ...] = ()
) -> Callable[[Callable[[_Suite, Bench], Awaitable[None]]], Callable[[_Suite], None]]:
    """Make a test of a method that takes an opened bench.

    It applies to channels with these capabilities, if every rule finds nothing against it and the
    world offers these operations.
    """

    def decorate(method: Callable[[_Suite, Bench], Awaitable[None]]) -> Callable[[_Suite], None]:
        async def run(suite: _Suite) -> None:
            bench = await open_bench(suite.world(Clock()))
            try:
                if reason := _reason_against(bench, needs, rules, world):
                    raise DoesNotApply(reason)
                await method(suite, bench)
            finally:
                await bench.close()

        @wraps(method)
        def test(self: _Suite) -> None:
            try:
                asyncio.run(run(self))
            except DoesNotApply as reason:
                pytest.skip(f"{DOES_NOT_APPLY}{reason}")

        vars(test)["reason_against"] = lambda bench: _reason_against(bench, needs, rules, world)
        # pytest asks the signature for fixtures, and there are none.
        del vars(test)["__wrapped__"]
        vars(test)["__signature__"] = inspect.Signature(
            [inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)]
        )
        return test

    return decorate


def _reason_against(
    bench: Bench, needs: tuple[type, ...], rules: tuple[Rule, ...], operations: tuple[str, ...]
) -> str:
    for capability in needs:
        if not isinstance(bench.channel, capability):
            return f"the channel has no capability {capability.__name__}"
    for rule in rules:
        if reason := rule(bench):
            return reason
    for operation in operations:
        if not bench.world.offers(operation):
            return bench.world.exempt[operation]
    return ""


def when(holds: Callable[[Bench], Any], otherwise: str) -> Rule:
    """A rule with a fixed reason."""
    return lambda bench: "" if holds(bench) else otherwise


def keyed(bench: Bench) -> str:
    """Only writes with an idempotency key."""
    return "" if bench.keyed else f"push_semantics is {bench.semantics}: its writes bear no key"


def pushes(bench: Bench) -> str:
    """Only channels with a counter of their own."""
    live = bench.semantics == "live"
    return "push_semantics is live: the channel holds no number of its own" if live else ""
