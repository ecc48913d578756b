"""`./run spec`: exhausts the right protocol, finds what breaks when one rule is bent."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from spec.runs import RIGHT, SELLING_OUT, WRONG, Run
from spec.spin import Finding, SpinFailed, check, missing_tools

RECORD: Final = Path(__file__).parents[1] / "docs" / "trust" / "records" / "model.json"


def chosen(words: Sequence[str]) -> Iterator[Run]:
    """The runs whose name holds one of `words`, or all."""
    for run in (*RIGHT, *SELLING_OUT, *WRONG):
        if not words or any(word.lower() in run.name for word in words):
            yield run


def line(finding: Finding) -> str:
    """One row of the table."""
    result = "exhausted" if finding.counterexample is None else "counterexample"
    mark = "" if finding.as_expected else "  UNEXPECTED"
    return f"{finding.run.name:56} {finding.states:>10,} {finding.depth:>6} {result}{mark}"


def recorded(findings: Sequence[Finding]) -> dict[str, object]:
    """What docs/trust.md tells of this run."""
    return {
        "command": "./run spec --record",
        "variants": [
            {
                "name": finding.run.name,
                "rule_bent": finding.run.wrong or None,
                "states": finding.states,
                "depth": finding.depth,
                "result": "exhausted" if finding.counterexample is None else "counterexample",
            }
            for finding in findings
        ],
    }


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="./run spec", description=__doc__)
    parser.add_argument("words", nargs="*", help="only runs whose name holds one of these words")
    parser.add_argument("--traces", action="store_true", help="tell each counterexample")
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name} for the docs")
    return parser.parse_args()


def main() -> int:
    """Check what was asked for; 0 when everything came out as it should, 3 without the tools."""
    asked = arguments()
    if missing := missing_tools():
        sys.stderr.write(f"not run: the models need {' and '.join(missing)} on PATH\n")
        return 3
    sys.stdout.write(f"{'variant':56} {'states':>10} {'depth':>6} result\n")
    findings = []
    for run in chosen(asked.words):
        try:
            finding = check(run)
        except SpinFailed as failure:
            sys.stderr.write(f"{failure}\n")
            return 1
        findings.append(finding)
        sys.stdout.write(line(finding) + "\n")
        if asked.traces or not finding.as_expected:
            sys.stdout.writelines(f"    {what}\n" for what in finding.counterexample or ())
        sys.stdout.flush()
    if asked.record:
        RECORD.parent.mkdir(parents=True, exist_ok=True)
        RECORD.write_text(json.dumps(recorded(findings), indent=1) + "\n", encoding="utf-8")
    return 0 if findings and all(finding.as_expected for finding in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
