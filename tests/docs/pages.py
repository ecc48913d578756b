"""Documents as programs: every fenced block says what a reader, and hence a test, does with it.

The words after a fence's language decide:

- `sh run`: executed in the page's folder, all blocks of a page in one shell; must end with 0, or
  with the code in `exit=2`.
- `text output`: what the block before it prints; a line `…` stands for any number of lines, `…`
  within a line for any text.
- `yaml file=NAME`, `python file=NAME`, `csv file=NAME`: written to the page's folder first.
- `python run`: executed by this Python.
- `sh shown: REASON`, `yaml shown: REASON`: only shown, since a test cannot do it.

Blocks of other languages are pictures and output without a claim.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.support.checkout import ROOT
from tests.support.served import free_port

__all__ = ["CLAIMS", "Block", "blocks_of", "matches", "pages", "play"]

CLAIMS: Final = frozenset({"sh", "bash", "shell", "yaml", "python", "csv"})
"""Languages of which every block must say what it is."""
SECONDS_MAX: Final = 240
PORTS: Final = ("8498", "8499")
"""Ports that pages use; a test takes free ones in their place."""
_FENCE: Final = re.compile(r"^ *```(.*)$")
_MARK: Final = "@@ end of block"


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
        does = {"run", "output"} & set(self.words) or self.option("file")
        return bool(does) or (self.words[:1] == ("shown:",) and len(self.words) > 1)


def pages() -> list[Path]:
    """Every document of the project."""
    return sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def blocks_of(path: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    opened: tuple[int, list[str]] | None = None
    lines: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        fence = _FENCE.match(line)
        if fence is None:
            lines.append(line)
        elif opened is None:
            opened, lines = (number, fence[1].split()), []
        else:
            start, words = opened
            page = str(path.relative_to(ROOT))
            text = "\n".join([*lines, ""]) if lines else ""
            found.append(Block(page, start, (words or [""])[0], tuple(words[1:]), text))
            opened = None
    return found


def play(blocks: Sequence[Block], folder: Path) -> list[str]:
    """Write the files, run the rest in one shell. Returns what each block to run has printed.

    Raises:
        AssertionError: a block ended with another code than it says.
    """
    script = ["set -u"]
    blocks = [_with_free_ports(block, ports) for ports in [_free_ports()] for block in blocks]
    for block in blocks:
        if name := block.option("file"):
            (folder / name).write_text(block.text, encoding="utf-8")
    running = [block for block in blocks if "run" in block.words]
    for number, block in enumerate(running):
        script += [_body(block, folder, number), f'printf "%s %s\\n" "{_MARK}" "$?"']
    log = folder / "said.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["bash", "-c", "\n".join(script)],
            cwd=folder,
            env=_environment(folder),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        process.wait(timeout=SECONDS_MAX)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"it took too long; so far:\n{log.read_text()}") from None
    finally:
        # Whatever a page left running ends with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return _parts(running, log.read_text(encoding="utf-8"))


def _free_ports() -> dict[str, str]:
    return {port: str(free_port()) for port in PORTS}


def _with_free_ports(block: Block, ports: Mapping[str, str]) -> Block:
    """The ports that pages name may be taken here."""
    text = block.text
    for shown, free in ports.items():
        text = text.replace(shown, free)
    return replace(block, text=text)


def _body(block: Block, folder: Path, number: int) -> str:
    if block.language != "python":
        return block.text
    name = f"block_{number}.py"
    (folder / name).write_text(block.text, encoding="utf-8")
    return f"{shlex.quote(sys.executable)} {name}"


def _environment(folder: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CHANNELSYNC_")}
    (folder / "run").write_text('#!/bin/sh\nshift\nexec channelsync "$@"\n', encoding="ascii")
    (folder / "run").chmod(0o755)
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    return kept | {"PATH": path, "COLUMNS": "100", "NO_COLOR": "1"}


def _parts(running: Sequence[Block], said: str) -> list[str]:
    parts = re.split(rf"^{_MARK} (\d+)\n", said, flags=re.MULTILINE)
    texts, codes = parts[0::2], [int(code) for code in parts[1::2]]
    for block, text, code in zip(running, texts, codes, strict=False):
        wanted = int(block.option("exit") or 0)
        assert code == wanted, f"{block.where} ended with {code}, not {wanted}:\n{text}"
    assert len(codes) == len(running), f"{running[len(codes)].where} ended the shell:\n{texts[-1]}"
    return texts[: len(running)]


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
