"""`python -m bench [PART…] [--json]`: measure, and say what came of it."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import structlog

from bench.figure import Figure, rows
from bench.parts import GROUPS, PARTS
from bench.scale import FULL, SMALL, Scale

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: every target is reached. 1: one is not. 2: the command makes no sense."""
    given = _parser().parse_args(arguments)
    # Logs would be measured too, and stdout is the result's.
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    scale = SMALL if given.small else FULL
    if given.rounds:
        scale = replace(scale, rounds=given.rounds)
    if given.items:
        scale = replace(scale, plan_items=given.items)
    if given.listings:
        scale = replace(scale, load_listings=given.listings)
    figures: list[Figure] = []
    for name in dict.fromkeys(chain.from_iterable(given.parts)) or PARTS:
        sys.stderr.write(f"bench: {name} ...\n")
        found = _measure(name, scale)
        figures += found
        if not given.json:
            sys.stdout.write("\n".join(rows(found)) + "\n\n")
    if given.json:
        sys.stdout.write(json.dumps([figure.as_json() for figure in figures], indent=1) + "\n")
    return 0 if all(figure.holds for figure in figures) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="./run bench",
        description="Measure channelsync beside its limits. Exit code 1: a target is missed.",
    )
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="PART",
        type=_parts,
        help=f"of: {', '.join((*PARTS, *GROUPS))}",
    )
    parser.add_argument("--json", action="store_true", help="one JSON list of figures")
    parser.add_argument("--rounds", type=_at_least_one, help="instead of three")
    parser.add_argument(
        "--items", type=_at_least_one, metavar="N", help="of plan and overview, instead of 100,000"
    )
    parser.add_argument(
        "--listings", type=_at_least_one, metavar="N", help="of first-load, instead of 100,000"
    )
    parser.add_argument(
        "--small", action="store_true", help="see that it runs; the figures mean nothing"
    )
    return parser


def _parts(name: str) -> tuple[str, ...]:
    if name in PARTS:
        return (name,)
    if name in GROUPS:
        return GROUPS[name]
    known = ", ".join((*PARTS, *GROUPS))
    raise argparse.ArgumentTypeError(f"there is no part {name!r}: choose {known}")


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("one round at least")
    return number


def _measure(name: str, scale: Scale) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="channelsync-bench-") as folder:
        return asyncio.run(PARTS[name](scale, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
