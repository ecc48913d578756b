"""Writing the merchant's file, and how the trail tells of it."""

from __future__ import annotations

import asyncio
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.configuration.editing import FileText, MerchantFile, digest_of
from channelsync.configuration.problems import masked_line
from channelsync.engine.core import Engine
from channelsync.web.api.counter import Deed, UseCase
from channelsync.web.api.shapes import Shown
from channelsync.web.desk.preview import difference

__all__ = ["changed_lines", "writing"]

AUDITED_LINES_MAX: Final = 200


class Written(Shown):
    """The file as it was written."""

    sha256: str


def writing(file: MerchantFile, current: FileText, content: bytes, seen: str) -> UseCase:
    """Replace the file; the trail tells which lines went and came, secrets hidden."""
    gone, came = changed_lines(current.text, FileText(content).text)

    async def act(_joined: Engine, _tx: AsyncConnection) -> Deed:
        await asyncio.to_thread(file.replace, content, seen=seen)
        written = digest_of(content)
        return Deed(
            subject=None if content == current.content else "configuration",
            answer=Written(sha256=written),
            before={"sha256": seen, "lines": gone},
            after={"sha256": written, "lines": came},
        )

    return act


def changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that go and those that come, with their numbers; secrets are hidden."""
    sides: dict[str, list[str]] = {"gone": [], "came": []}
    for line in difference(before, after):
        if line.look in sides:
            sides[line.look].append(f"{line.number}: {masked_line(line.text)}")
    return _short(sides["gone"]), _short(sides["came"])


def _short(lines: list[str]) -> list[str]:
    more = len(lines) - AUDITED_LINES_MAX
    return [*lines[:AUDITED_LINES_MAX], f"… and {more} more"] if more > 0 else lines
