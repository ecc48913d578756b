"""Documents as programs: every fenced block says what a reader, and hence a test, does with it.

The words after a fence's language decide:

- `sh run`: executed in the page's folder, all blocks of a page in one shell; must end with 0, or
  with the code in `exit=2`. With `background` the shell goes on and the block ends with the page;
  with `until=WORD` it is repeated until it prints the word, as a person would.
- `text output`, `json output`: what the block before it prints; a line `…` stands for any number of
  lines, `…` within a line for any text.
- `yaml file=NAME`, `python file=NAME`, `csv file=NAME`: written to the page's folder first.
- `yaml channels`: read by the program, in a file that says no more than is needed around it.
- `python run`: executed by this Python.
- `… by=PATH`: executed or checked by that test, which names the page.
- `sh shown: REASON`, `yaml shown: REASON`: only shown, since no test can do it.

A block in a comment (`<!-- sh run`, the block, `-->`) is done and not shown. `<!-- practice -->`
lets a page play in the practice house (`tests.docs.practice`), `<!-- practice: shops -->` leads
the Shopify shops of its own file there.

Blocks of other languages are pictures and output without a claim; what a program has generated is
checked by the test that generates it.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.checkout import ROOT

__all__ = ["CLAIMS", "REASONS", "Block", "blocks_of", "matches", "pages", "practice_of"]

CLAIMS: Final = frozenset({"sh", "bash", "shell", "yaml", "python", "csv", "json", "sql", "promql"})
"""Languages of which every block must say what it is."""
REASONS: Final = ("needs an account", "needs Docker", "needs root")
"""How the reason begins why a block is only shown."""
_GENERATED: Final = re.compile(r"<!-- generated: begin -->.*?<!-- generated: end -->", re.DOTALL)
_FENCE: Final = re.compile(r"^ *```(.*)$")
_HIDDEN: Final = re.compile(r"^<!-- (sh run.*)$")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    page: str
    line: int
    language: str
    words: tuple[str, ...]
    text: str

    @property
    def where(self) -> str:
        """As an editor finds it."""
        return f"{self.page}:{self.line}"

    def option(self, name: str) -> str | None:
        """The value of `name=value`."""
        found = [word.partition("=")[2] for word in self.words if word.startswith(f"{name}=")]
        return found[0] if found else None

    @property
    def is_settled(self) -> bool:
        """Whether it says what is done with it."""
        if self.words[:1] == ("shown:",):
            return " ".join(self.words[1:]).startswith(REASONS)
        does = {"run", "output", "channels"} & set(self.words)
        return bool(does or self.option("file") or self._is_done_elsewhere())

    def _is_done_elsewhere(self) -> bool:
        test = ROOT / (self.option("by") or "nowhere")
        return test.is_file() and Path(self.page).name in test.read_text(encoding="utf-8")


def pages() -> list[Path]:
    """Every document of the project."""
    return sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def blocks_of(path: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    opened: tuple[int, list[str]] | None = None
    lines: list[str] = []
    text = _GENERATED.sub(_blank, path.read_text(encoding="utf-8"))
    for number, line in enumerate(text.splitlines(), start=1):
        fence = _HIDDEN.match(line) if opened is None else None
        fence = fence or _FENCE.match(line)
        if fence is None and not (opened and line == "-->"):
            lines.append(line)
        elif opened is None:
            opened, lines = (number, fence[1].split() if fence else []), []
        else:
            start, words = opened
            page = str(path.relative_to(ROOT))
            text = textwrap.dedent("\n".join([*lines, ""])) if lines else ""
            found.append(Block(page, start, (words or [""])[0], tuple(words[1:]), text))
            opened = None
    return found


def _blank(match: re.Match[str]) -> str:
    return "\n" * match[0].count("\n")


def practice_of(path: Path) -> str | None:
    """What the page wants of the practice house: `shops`, or all of it (""); None: nothing."""
    found = re.search(r"^<!-- practice(?:: (\w+))? -->$", path.read_text("utf-8"), re.MULTILINE)
    return None if found is None else found[1] or ""


def matches(shown: str, said: str) -> bool:
    """Whether what was said is what is shown, `…` standing for whatever is left out."""
    pattern = "".join(
        r"(?:.*\n)*" if line.strip() == "…" else _line(line) + r"[ ]*\n"
        for line in shown.rstrip("\n").split("\n")
    )
    lines = [line.rstrip() for line in said.strip("\n").split("\n")]
    return re.fullmatch(pattern, "\n".join([*lines, ""])) is not None


def _line(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.rstrip().split("…"))
