"""Writes docs/trust.md out of the records beside it: `python -m tests.docs.trust_page`.

A record is what one command measured, written by that command into docs/trust/records. The page
tells of every record there is; one that is missing is said to be missing, with the command to
try. `--count` renews the record of the suite itself.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tests.docs.real_faults import REAL_FAULTS
from tests.support.checkout import ROOT
from tests.support.records import RECORDS

PAGE: Final = ROOT / "docs" / "trust.md"
Record = Mapping[str, Any]

BEGINNING: Final = """\
# Why to believe it
channelsync promises that no unit is sold twice. [The theorem](explanation/zero-oversell.md) says
why; this page says how it is tried, how much, and with which command you try it yourself. Its
figures are those of the records in `docs/trust/records`, each written by the command named beside
it; the page is made by `python -m tests.docs.trust_page`.
"""
LIMITS: Final = """\
## What this does not prove
- The theorem has assumptions about each channel: it enforces its number, nobody else writes it, its
  orders are complete up to the watermark, a write applies within its limit or never, what is read
  back is true. They are watched, not proven; `channelsync status` tells where one does not stand. A
  till sells whatever stands on the counter: its claim is weaker, and says so.
- The models are small worlds searched whole: up to four units, three channels, one or two of each
  event. Bundles, several locations and clocks are not in them; the property machines and the
  simulation play those against the code, by sample and not by exhaustion.
- The simulated marketplaces follow the published schemas and documents, and are checked against
  those. No test of this suite speaks to a real marketplace.
- Fuzzing finds what it reaches. Its absence of findings is counted in executions, not in proof.
- Simulated time replaces clocks, sockets and threads. What only real servers show, such as a full
  disk, a killed PostgreSQL or a half-open connection, is tried on real servers (`tests/e2e`), far
  less often.
"""


def told(record: Record | None, command: str, tell: Callable[[Record], Iterator[str]]) -> str:
    """A section's lines, or that nothing is recorded yet."""
    if record is None:
        return f"Nothing is recorded yet. Try it: `{command}`.\n"
    lines = "\n".join(tell(record))
    day = f" on {record['on']}" if "on" in record else ""
    return f"{lines}\n\nRecorded{day} by `{record['command']}`.\n"


def suite(record: Record) -> Iterator[str]:
    """The suite in numbers."""
    yield f"- tests: {record['tests']:,}, in {record['files']:,} files"
    yield f"- assertions written in them: {record['assertions']:,}"


def model(record: Record) -> Iterator[str]:
    """States by variant."""
    variants = record["variants"]
    right = [one for one in variants if one["rule_bent"] is None]
    states = sum(one["states"] for one in right)
    yield (
        f"{len(right)} models of the right protocol, {states:,} states, all of them visited; "
        f"{len(variants) - len(right)} with one rule bent, each with a counterexample. What each "
        "rule is and where the code keeps it: [spec/README.md](../spec/README.md).\n"
    )
    yield "| model | states | depth | result |\n|---|---:|---:|---|"
    for one in variants:
        yield f"| {one['name']} | {one['states']:,} | {one['depth']} | {one['result']} |"


def figures(record: Record) -> Iterator[str]:
    """Whatever was counted, row by row."""
    yield "| what | how much |\n|---|---:|"
    for row in record["rows"]:
        yield f"| {row['name']} | {row['value']:,} {row['unit']} |"


def fuzzing(record: Record) -> Iterator[str]:
    """Executions by target."""
    executions = record["executions"]
    yield f"{sum(executions.values()):,} executions without a finding that is still open.\n"
    yield "| target | executions |\n|---|---:|"
    for name, count in sorted(executions.items()):
        yield f"| {name} | {count:,} |"


def market_day(record: Record) -> Iterator[str]:
    """What each policy came to, and the faults that were injected."""
    last = record["first"] + record["days"] - 1
    yield (
        f"{record['days']:,} days (seeds {record['first']} to {last}) of a flash sale on Amazon,"
        " Shopify and a Square till through the real engine, store and connectors on virtual time,"
        " beside two plain policies with the same buyers. What the columns mean:"
        " [allocation](explanation/allocation.md).\n"
    )
    yield "| policy | demand | oversold | sold and kept | refused | lost | pushes a sale |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for one in record["policies"]:
        yield (
            f"| {one['policy']} | {one['demand']:,} | {one['oversold']:,} |"
            f" {one['sold'] - one['oversold']:,} | {one['refused'] / one['demand']:.1%} |"
            f" {one['lost'] / one['demand']:.1%} | {one['pushes'] / max(one['sold'], 1):.2f} |"
        )
    faults = ", ".join(
        f"{name.replace('_', ' ')} {count:,}" for name, count in record["faults"].items()
    )
    yield f"\nFaults that happened: {faults}."


def exchanges(record: Record) -> Iterator[str]:
    """Requests and answers by operation."""
    rows = record["rows"]
    total = sum(row["requests"] for row in rows)
    described = sum(row["requests"] for row in rows if row["described"])
    yield (
        f"{total:,} requests, webhooks and messages of a slice of a market day through the whole"
        f" engine; {described:,} of them, with their answers, checked by the marketplaces' own"
        " schemas, without a difference. Every operation that a connector has was called.\n"
    )
    hooks = sum(row["requests"] for row in rows if row["with"] == "webhooks of shopify")
    yield (
        f"The other {total - described:,} have no schema to be checked by: {hooks:,} are webhooks"
        " of Shopify, whose published schema describes its GraphQL API alone; the rest are token"
        " answers, whose shape is OAuth's, and the end of a Square subscription, which the part of"
        " Square's description at hand leaves out. Their shapes are held by the connectors' own"
        " tests alone; any bytes in their place are told apart below.\n"
    )
    yield "| with | operation | requests | answers |\n|---|---|---:|---|"
    for row in rows:
        answers = ", ".join(f"{status}: {count}" for status, count in row["answers"].items())
        unchecked = "" if row["described"] else " (no schema published)"
        yield f"| {row['with']} | {row['operation']}{unchecked} | {row['requests']:,} | {answers} |"


Teller = Callable[[Record], Iterator[str]]
SECTIONS: Final[tuple[tuple[str, str, str, Teller], ...]] = (
    ("Tests", "suite", "python -m tests.docs.trust_page --count", suite),
    ("The protocol, searched whole", "model", "./run spec --record", model),
    (
        "The whole daemon on virtual time",
        "simulation",
        "./run soak",
        figures,
    ),
    (
        "A crash at every gate",
        "crashes",
        "./run test tests/simulation/test_crash_at_every_gate.py",
        figures,
    ),
    (
        "Real servers and processes, killed",
        "killed_servers",
        "./run test tests/e2e/test_killed_servers.py",
        figures,
    ),
    (
        "Days on three marketplaces",
        "market_day",
        "python -m tests.support.market_day 10",
        market_day,
    ),
    ("What goes over the wire", "exchanges", "./run exchanges --record", exchanges),
    ("What strangers send", "fuzzing", "./run fuzz --record", fuzzing),
)
"""Heading, name of the record, the command to try where none is, and how it is told."""
TRY: Final = """\
## Try it
| what | command |
|---|---|
| everything that a change must pass | `./run ci` |
| the suite, with real PostgreSQL and Redis | `./run test` |
| every interleaving of the protocol; what breaks when a rule is bent | `./run spec --traces` |
| every rule bent in the code itself, found by sample | `./run test tests/property` |
| a crash at every gate of a story | `./run test tests/simulation/test_crash_at_every_gate.py` |
| the whole daemon, hours of faults on virtual time | `./run channelsync simulate --daemon` |
| two days of that and more, every kind of fault, as a build does | `./run rehearse` |
| servers killed, frozen and filled up | `./run test tests/e2e` |
| every request and answer of a market day, by the marketplaces' schemas | `./run exchanges` |
| what strangers send, for as long as you like | `./run fuzz --seconds 600` |
| the API against its own document | `./run test tests/web/api/test_against_its_own_schema.py` |
"""


def read(name: str) -> Record | None:
    """A record, if there is one."""
    path = RECORDS / f"{name}.json"
    if not path.exists():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(record, list):  # figures, each with its command
        return {"command": record[0]["command"], "rows": record}
    return dict(record)


def on_real_servers() -> str:
    """Every fault that is brought about outside a simulation, and by which test."""
    rows = "\n".join(f"| {one.fault} | `{one.path}` |" for one in REAL_FAULTS)
    return (
        "## Faults on real servers, processes and sockets\n"
        "What a simulation cannot show; each is played in every run of the suite.\n\n"
        f"| fault | played by |\n|---|---|\n{rows}\n"
    )


def page() -> str:
    """The whole page."""
    sections = [
        f"## {heading}\n{told(read(name), command, tell)}"
        for heading, name, command, tell in SECTIONS
    ]
    return "\n".join([BEGINNING, *sections, on_real_servers(), TRY, LIMITS])


def counted() -> dict[str, Any]:
    """The suite in numbers, by what pytest collects and what is written in its files."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "--no-header", "tests"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    files = sorted(Path(ROOT / "tests").rglob("*.py"))
    return {
        "command": "python -m tests.docs.trust_page --count",
        "tests": sum("::" in line for line in done.stdout.splitlines()),
        "files": sum(path.name.startswith("test_") for path in files),
        "assertions": sum(map(assertions, files)),
    }


def assertions(path: Path) -> int:
    """`assert` statements and `pytest.raises` of a file."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return sum(
        isinstance(node, ast.Assert) or (isinstance(node, ast.Attribute) and node.attr == "raises")
        for node in nodes
    )


def main() -> None:
    """Write the page; with `--count`, the record of the suite first."""
    if "--count" in sys.argv[1:]:
        RECORDS.mkdir(parents=True, exist_ok=True)
        text = json.dumps(counted(), indent=1) + "\n"
        (RECORDS / "suite.json").write_text(text, encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
