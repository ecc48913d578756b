"""`secrets …` and `keys rotate`: credentials of channels, sealed in the store."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from channelsync.cli.commands.channels import YES, require_yes
from channelsync.cli.failures import Refused
from channelsync.cli.output import Grid, Screen, spoken
from channelsync.cli.session import Session
from channelsync.cli.trail import Told, change
from channelsync.domain.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from channelsync.engine.vault import Kept, Rotated, Vault
    from channelsync.store.database import Database

__all__ = ["keep", "list_kept", "remove", "rotate"]

NAME = Annotated[str, typer.Argument(help="As the configuration refers to it: kept:NAME.")]
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SECRET_CHARACTERS_MAX: Final = 65_536


async def keep(
    session: Session,
    name: NAME,
    file: Annotated[
        Path | None,
        typer.Option(
            help="Read it from this file; - is stdin.", metavar="FILE", show_default="asked for"
        ),
    ] = None,
) -> None:
    """Keep a credential in the store, sealed; `kept:NAME` in the configuration stands for it.

    A daemon that uses it takes a new value within seconds.

    Example: channelsync secrets set shopify-token --file token.txt
    """
    from channelsync.engine.vault import CREDENTIALS

    if not _NAME.fullmatch(name):
        raise Refused(f"{name!r} is no name: up to 64 letters, digits, dots, hyphens and _")
    value = _given(file)
    async with session.store(create=True) as database:

        async def use(joined: Database) -> Told[None]:
            vault = _vault(session, joined)
            async with joined.write() as tx:
                before = [one for one in await vault.list(tx, CREDENTIALS) if one.name == name]
                await vault.put(tx, CREDENTIALS + name, value.encode(), actor=session.actor)
            version = before[0].version if before else None
            sides = {"before": {"version": version}, "after": {"version": (version or 0) + 1}}
            return Told(result=None, subject=f"secret:{name}", **sides)

        await change(session, database, "secret.set", use)
    session.output.result(
        {"name": name}, lambda screen: screen.line(f"kept: write kept:{name} in the configuration")
    )


def _given(file: Path | None) -> str:
    if file is None and not sys.stdin.isatty():
        raise Refused("nobody can be asked for it here: give --file FILE, or -")
    if file is None:
        text = str(typer.prompt("Secret", hide_input=True, err=True))
    else:
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise Refused(f"{file} is no UTF-8 text") from error
    text = text.strip("\r\n")
    if not text or len(text) > SECRET_CHARACTERS_MAX:
        raise Refused(f"it is empty, or longer than {SECRET_CHARACTERS_MAX} characters")
    return text


async def list_kept(session: Session) -> None:
    """List what is kept, without the secrets themselves. Nothing ever shows those."""
    from channelsync.engine.vault import CREDENTIALS

    async with session.store() as database, database.read() as tx:
        found = await _vault(session, database).list(tx, CREDENTIALS)
    session.output.result({"secrets": found}, lambda screen: _show(screen, found))


async def remove(session: Session, name: NAME, yes: YES = False) -> None:
    """Keep a credential no more."""
    from channelsync.engine.vault import CREDENTIALS

    require_yes(
        yes, f"Nobody can bring {name} back, and a channel that refers to it will not open."
    )
    async with session.store() as database:

        async def use(joined: Database) -> Told[None]:
            async with joined.write() as tx:
                if not await _vault(session, joined).remove(tx, CREDENTIALS + name):
                    raise Refused(f"nothing is kept under {name!r}: see `channelsync secrets list`")
            sides = {"before": {"kept": True}, "after": {"kept": False}}
            return Told(result=None, subject=f"secret:{name}", **sides)

        await change(session, database, "secret.remove", use)
    session.output.result({"name": name}, lambda screen: screen.line(f"{name} is gone"))


async def rotate(session: Session) -> None:
    """Seal every kept secret under a new key, while everything works, and drop the key before.

    Also brings all keys under a new CHANNELSYNC_SECRET_KEY. What an interrupted run has left is
    taken along; run it again as often as you like. API keys are not concerned.
    """
    async with session.store(create=True) as database:
        done = await _vault(session, database).rotate(actor=session.actor)
    session.output.result(done, lambda screen: screen.line(_sentence(done)))


def _sentence(done: Rotated) -> str:
    gone = f"; {', '.join(done.retired)} gone" if done.retired else ""
    return f"{counted(done.secrets, 'secret')} sealed anew under the key {done.key_id}{gone}"


def _vault(session: Session, database: Database) -> Vault:
    from channelsync.engine.vault import open_vault

    return open_vault(session.settings, database, session.environment.now)


def _show(screen: Screen, found: Sequence[Kept]) -> None:
    if not found:
        screen.line("Nothing is kept yet: channelsync secrets set NAME --file FILE")
        return
    grid = Grid("Name", "Values so far", "Changed", "By", "Under", right=("Values so far",))
    for one in found:
        grid.row(one.name, one.version, spoken(one.changed_at), one.changed_by, one.key_id)
    screen.grid(grid)
