"""Does what a page shows: its files, then its commands, all in one shell."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from tests.docs.pages import Block
from tests.support.served import free_port

__all__ = ["Player"]

SECONDS_MAX: Final = 240
TRIES_MAX: Final = 300
SECONDS_BETWEEN_TRIES: Final = 0.2
PORTS: Final = ("8484", "8498", "8499")
"""Ports that pages name; a test takes free ones in their place."""
_MARK: Final = "@@ end of block"
_NEVER: Final = 97
"""Exit code of a block that never printed what it should."""


@dataclass
class Player:
    """One page and its folder."""

    folder: Path
    environment: Mapping[str, str]
    names: Mapping[str, str] = field(default_factory=dict)
    """What pages call something, and what it is called here."""

    def __post_init__(self) -> None:
        (self.folder / "run").write_text('#!/bin/sh\nshift\nexec channelsync "$@"\n', "ascii")
        (self.folder / "run").chmod(0o755)
        ours = {port: str(free_port()) for port in PORTS}
        ours["8484"] = self.environment.get("CHANNELSYNC_PORT", ours["8484"])
        # A count of the evening is one of a moment ago.
        ours["2026-11-21T18:00"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        for path in ("/srv/drop", "/backups"):
            ours[path] = str(self.folder / path.rpartition("/")[2])
            Path(ours[path]).mkdir(exist_ok=True)
        self.names = {**ours, **self.names}

    def play(self, blocks: Sequence[Block]) -> list[str]:
        """Write the files, run the rest. Returns what each block to run has printed.

        Raises:
            AssertionError: a block ended with another code than it says.
        """
        for block in blocks:
            if name := block.option("file"):
                (self.folder / name).write_text(block.text, encoding="utf-8")
        running = [block for block in blocks if "run" in block.words]
        script = ["set -u"]
        for number, block in enumerate(running):
            script += [self._body(block, number), f'printf "%s %s\\n" "{_MARK}" "$?"']
        return _parts(running, self._run("\n".join(script)))

    def here(self, block: Block) -> Block:
        """The block with what things are called here."""
        text = block.text
        for shown, name in self.names.items():
            text = text.replace(shown, name)
        return replace(block, text=text)

    def _run(self, script: str) -> str:
        log = self.folder / "said.txt"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", script],
                cwd=self.folder,
                env=dict(self.environment),
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
        return log.read_text(encoding="utf-8")

    def _body(self, block: Block, number: int) -> str:
        if block.language == "python":
            name = f"block_{number}.py"
            (self.folder / name).write_text(block.text, encoding="utf-8")
            return f"python {name}"
        if "background" in block.words:
            return f"{{\n{block.text}}} > background-{number}.log 2>&1 &"
        if word := block.option("until"):
            return _until(block.text, word)
        return block.text


def _until(text: str, word: str) -> str:
    """The commands again and again, until they print the word; then what they printed last."""
    look = f"grep -qF -- {shlex.quote(word)} again.txt"
    return (
        f"for try in $(seq {TRIES_MAX}); do\n{{\n{text}}} > again.txt 2>&1\n"
        f"{look} && break; sleep {SECONDS_BETWEEN_TRIES}; done; cat again.txt\n"
        f"{look} || (exit {_NEVER})"
    )


def _parts(running: Sequence[Block], said: str) -> list[str]:
    parts = re.split(rf"^{_MARK} (\d+)\n", said, flags=re.MULTILINE)
    texts, codes = parts[0::2], [int(code) for code in parts[1::2]]
    for block, text, code in zip(running, texts, codes, strict=False):
        wanted = int(block.option("exit") or 0)
        assert code == wanted, f"{block.where} ended with {code}, not {wanted}:\n{text}"
    assert len(codes) == len(running), f"{running[len(codes)].where} ended the shell:\n{texts[-1]}"
    return texts[: len(running)]
