"""What can be seen on this machine without the database: program, settings, files, disk."""

from __future__ import annotations

import os
import platform
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import sqlalchemy as sa

import channelsync
from channelsync.cli.dashboard import repairs_page
from channelsync.cli.doctor.lines import Line, attention, broken, fine
from channelsync.cli.doctor.wires import wire_lines
from channelsync.cli.output import ago, spoken
from channelsync.cli.session import Session
from channelsync.cli.variables import misspelt_variables
from channelsync.configuration.configuration import Configuration
from channelsync.configuration.problems import ConfigurationInvalid
from channelsync.domain.vocabulary import Instant
from channelsync.domain.wording import counted
from channelsync.settings import Settings
from channelsync.store.backup_note import read_note

__all__ = ["BYTES_LOW", "EXPIRY_WARNING_SECONDS", "configuration_line", "house_lines"]

DAY: Final = 86_400.0
EXPIRY_WARNING_SECONDS: Final = 14 * DAY
"""What ends within this time wants attention."""
BACKUP_OLD_SECONDS: Final = 7 * DAY
BYTES_LOW: Final = 1 << 30
BYTES_NONE: Final = 64 << 20
"""With less a database cannot be relied upon to commit."""
SECRET_FILES_MAX: Final = 1_000


def house_lines(session: Session, configuration: Configuration | None) -> Iterator[Line]:
    """Everything but the configuration itself."""
    settings, now = session.settings, session.environment.now()
    yield fine(
        "program", f"channelsync {channelsync.__version__} on Python {platform.python_version()}"
    )
    wrong = misspelt_variables()
    yield from (attention("settings", said, "Correct or unset it.") for said in wrong)
    if not wrong:
        yield fine("settings", "every CHANNELSYNC_ variable is known")
    yield from _secrets(settings)
    yield from wire_lines(settings)
    yield _disk(settings)
    yield from _backup(settings, now)
    yield from _credentials(configuration, now, repairs_page(settings))


def configuration_line(session: Session) -> tuple[Line, Configuration | None]:
    """The merchant's file, and what it says if it is right."""
    try:
        configuration = session.configuration()
    except ConfigurationInvalid as error:
        said = f"{session.settings.config}: {counted(len(error.problems), 'problem')}"
        first = f", the first: {error.problems[0].message}" if error.problems else ""
        return broken("configuration", said + first, "Run `channelsync check`."), None
    channels = counted(len(configuration.channels), "channel")
    message = f"{session.settings.config} is valid: {channels}"
    if not configuration.channels:
        return attention("configuration", message, "Add a channel to the file."), configuration
    return fine("configuration", message), configuration


# ------------------------------------------------------------------ files


def _secrets(settings: Settings) -> Iterator[Line]:
    files = [path for path in _secret_files(settings) if path.is_file()]
    exposed = [path for path in files if _exposure(path)]
    for path in exposed:
        writable = _exposure(path) & stat.S_IWOTH
        said = f"everybody on this machine may {'change' if writable else 'read'} {path}"
        make = broken if writable else attention
        yield make("secrets", said, f"Run `chmod 600 {path}`.")
    if not exposed:
        yield fine("secrets", f"{counted(len(files), 'file')} of ours, none open to everybody")


def _secret_files(settings: Settings) -> Iterator[Path]:
    yield from sorted(settings.secret_files)
    if settings.secrets_dir is not None and settings.secrets_dir.is_dir():
        yield from sorted(settings.secrets_dir.iterdir())[:SECRET_FILES_MAX]
    parsed = sa.make_url(settings.database)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        yield Path(parsed.database)


def _exposure(path: Path) -> int:
    """The permission bits that everybody has on a file; none where its folders keep others out."""
    for folder in path.absolute().parents:
        if not folder.stat().st_mode & stat.S_IXOTH:
            return 0
    return path.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH)


def _disk(settings: Settings) -> Line:
    parsed = sa.make_url(settings.database)
    folder = settings.data_dir
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        folder = Path(parsed.database).parent
    there = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    free = shutil.disk_usage(there).free
    said = f"{free / (1 << 20):,.0f} MiB free for {folder}"
    if not os.access(there, os.W_OK):
        return broken("disk", f"{there} cannot be written", "Give this user the right to write.")
    fix = "Free some space, or move the data folder (CHANNELSYNC_DATA_DIR)."
    if free < BYTES_NONE:
        return broken("disk", said, fix)
    return attention("disk", said, fix) if free < BYTES_LOW else fine("disk", said)


def _backup(settings: Settings, now: Instant) -> Iterator[Line]:
    note = read_note(settings.data_dir)
    if note is None:
        return
    said = f"the last one was made {ago(note.made_at, now)}: {note.path}"
    if not Path(note.path).exists():
        said += ", which is no longer there"
    if now - note.made_at > BACKUP_OLD_SECONDS:
        yield attention("backup", said, "Run `channelsync db backup FILE`, best every night.")
    else:
        yield fine("backup", said)


# ------------------------------------------------------------------ credentials


def _credentials(configuration: Configuration | None, now: Instant, page: str) -> Iterator[Line]:
    channels = configuration.channels.values() if configuration else ()
    for one in channels:
        ends = one.credentials_expire_at
        if ends is None or ends - now > EXPIRY_WARNING_SECONDS:
            continue
        fix = (
            "Make a new one at the marketplace, put it where the old one is, and change"
            " `credentials_expire`."
        )
        if ends <= now:
            yield broken("credentials", f"a credential of {one.channel} has ended", fix, page)
        else:
            said = f"a credential of {one.channel} ends {spoken(ends)}"
            yield attention("credentials", said, fix, page)
