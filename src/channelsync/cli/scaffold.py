"""What a new connector begins as: the template's files under another name."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from typing import Final

__all__ = ["BadName", "folder_name", "render"]

TEMPLATE_NAME: Final = "acme"
NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
NAME_CHARACTERS_MAX: Final = 30
LEFT_OUT: Final = frozenset({"__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"})


class BadName(ValueError):
    """A name that no package can have; the message says what one looks like."""


def folder_name(name: str) -> str:
    """The distribution's name, which its folder bears as well."""
    return f"channelsync-{name.replace('_', '-')}"


def render(name: str) -> Mapping[str, str]:
    """The text of each file of a new connector's package, by path below its folder.

    Raises:
        BadName: it is not made of lower-case words, digits and single underscores.
    """
    from channelsync.resources import resource_folder

    good = NAME.fullmatch(name) and len(name) <= NAME_CHARACTERS_MAX
    if not good or keyword.iskeyword(name):
        raise BadName(
            f"{name!r} is no name for a connector: write lower-case letters and digits, words"
            " joined by _, such as acme or big_shop"
        )
    root = resource_folder("templates") / "connector"
    found = sorted(path for path in root.rglob("*") if path.is_file())
    return {
        _renamed(str(path.relative_to(root)), name): _renamed(
            path.read_text(encoding="utf-8"), name
        )
        for path in found
        if LEFT_OUT.isdisjoint(path.parts)
    }


def _renamed(text: str, name: str) -> str:
    words = name.split("_")
    spoken = {
        f"channelsync-{TEMPLATE_NAME}": folder_name(name),
        # Header names and hosts know no underscore.
        f"x-{TEMPLATE_NAME}-": f"x-{name.replace('_', '-')}-",
        f"api.{TEMPLATE_NAME}.": f"api.{name.replace('_', '-')}.",
        TEMPLATE_NAME: name,
        TEMPLATE_NAME.capitalize(): "".join(word.capitalize() for word in words),
        TEMPLATE_NAME.upper(): name.upper(),
    }
    longest_first = sorted(spoken, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)))
    return pattern.sub(lambda found: spoken[found[0]], text)
