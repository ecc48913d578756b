"""References to secrets: `${NAME}` of the environment, `file:NAME` of a folder, `kept:NAME`.

The last are kept in the store, sealed.

Whoever may edit the file must not be able to read the operator's own secrets through it:
`${CHANNELSYNC_…}` is refused, and files are read only below the folder that the operator named,
symbolic links resolved, except those that hold the operator's own secrets.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["KEPT", "ReferenceRefused", "References", "is_reference", "looks_like_reference"]

SECRET_BYTES_MAX: Final = 64 * 1024
_FILE: Final = "file:"
KEPT: Final = "kept:"
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_OPERATORS_PREFIX: Final = "CHANNELSYNC_"


class ReferenceRefused(ValueError):
    """A reference that cannot or must not be read; the message never holds a secret."""


def is_reference(text: str) -> bool:
    """Whether `text` is one reference and nothing else."""
    return text.startswith((_FILE, KEPT)) or _VARIABLE.fullmatch(text) is not None


def looks_like_reference(text: str) -> bool:
    """Whether `text` is or holds a reference, a broken one included."""
    return text.startswith((_FILE, KEPT)) or "${" in text


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Where references are resolved."""

    environment: Mapping[str, str] = field(repr=False)
    secrets_dir: Path | None = None
    """Files are read below this folder only; None: not at all."""
    kept: Callable[[str], str] | None = field(default=None, repr=False)
    """Opens what is kept in the store; None: there is no store."""
    operators_files: frozenset[Path] = frozenset()
    """Files that hold the operator's own secrets; never read for the merchant's file."""

    def resolve(self, text: str) -> str:
        """`text` with its reference, or references, replaced by what they stand for.

        Raises:
            ReferenceRefused: malformed, not set, empty, unreadable or not allowed.
        """
        if text.startswith(_FILE):
            return self._from_file(text.removeprefix(_FILE))
        if text.startswith(KEPT):
            if self.kept is None:
                raise ReferenceRefused("kept: references need the store, which is not at hand here")
            return self.kept(text.removeprefix(KEPT))
        if "${" in _VARIABLE.sub("", text):
            raise ReferenceRefused("a broken reference; write ${NAME}, letters, digits and _ only")
        return _VARIABLE.sub(lambda found: self._from_environment(found[1]), text)

    def values_in(self, text: str) -> tuple[str, ...]:
        """What the references in `text` stand for, each alone, to be hidden from messages."""
        names = [found[1] for found in _VARIABLE.finditer(text)]
        return tuple(self.environment[name] for name in names if name in self.environment)

    def _from_environment(self, name: str) -> str:
        if name.upper().startswith(_OPERATORS_PREFIX):
            raise ReferenceRefused(f"${{{name}}} belongs to the operator and may not be used here")
        value = self.environment.get(name, "")
        if not value:
            raise ReferenceRefused(f"the environment variable {name} is not set, or empty")
        return value

    def _from_file(self, name: str) -> str:
        if self.secrets_dir is None:
            raise ReferenceRefused(
                "file: references are off; the operator turns them on with CHANNELSYNC_SECRETS_DIR"
            )
        try:
            folder = self.secrets_dir.resolve(strict=True)
            path = (folder / name).resolve(strict=True)
        except (OSError, RuntimeError, ValueError):
            raise ReferenceRefused("there is no such file in the secrets folder") from None
        own = {operators.resolve() for operators in self.operators_files}
        if not path.is_relative_to(folder) or path in own:
            raise ReferenceRefused(
                "the file may not be read: it is not one of the merchant's secrets"
            )
        return _secret_in(path)


def _secret_in(path: Path) -> str:
    try:
        content = _regular_file(path)
        text = content.decode("utf-8").strip("\r\n")
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "it is not a file"
        raise ReferenceRefused(f"the file cannot be read: {reason}") from None
    except UnicodeDecodeError:
        raise ReferenceRefused("the file is not UTF-8 text") from None
    if not text:
        raise ReferenceRefused("the file is empty")
    if len(content) > SECRET_BYTES_MAX:
        raise ReferenceRefused(f"the file is larger than {SECRET_BYTES_MAX} bytes")
    return text


def _regular_file(path: Path) -> bytes:
    """The file's first bytes; never waits for a pipe, never follows a link put there meanwhile."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        return opened.read(SECRET_BYTES_MAX + 1)
