"""What was raised, as one message for people and one exit code for scripts.

CommandError
├── Refused       it makes no sense as it was asked for
└── Unreachable   the database or a marketplace does not answer
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from channelsync.cli.exit_codes import ExitCode

__all__ = ["CommandError", "Failure", "Refused", "Unreachable", "failure_of", "unreachable"]


class CommandError(Exception):
    """Base of what the command line itself refuses; the message says what to do."""


class Refused(CommandError):
    """It makes no sense as it was asked for."""


class Unreachable(CommandError):
    """The database or a marketplace does not answer."""


@contextmanager
def unreachable(url: str) -> Iterator[None]:
    """Say which database it is that does not answer, without its password."""
    import sqlalchemy as sa

    from channelsync.store.errors import StoreUnavailable

    try:
        yield
    except (OSError, sa.exc.SQLAlchemyError, StoreUnavailable) as error:
        shown = sa.make_url(url).render_as_string(hide_password=True)
        said = str(getattr(error, "orig", None) or error).splitlines()
        raise Unreachable(
            f"the database {shown} cannot be reached: {said[0] if said else type(error).__name__}"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """How a run ends that did not do what it was asked to."""

    code: ExitCode
    kind: str
    message: str
    details: Sequence[Any] = field(default=())
    expected: bool = True
    """False: a mistake of ours; with `-v` the traceback is shown."""

    def as_json(self) -> dict[str, Any]:
        """The object that `--json` prints instead of data."""
        error = {
            "kind": self.kind,
            "exit_code": int(self.code),
            "message": self.message,
            "details": list(self.details),
        }
        return {"error": error}


def failure_of(error: Exception) -> Failure:
    """What to say about `error`. Messages never repeat the value of a setting."""
    for look in (_own, _configuration, _domain, _engine, _store, _connector, _machine):
        if (failure := look(error)) is not None:
            return failure
    return Failure(
        code=ExitCode.FAILED,
        kind="internal",
        message=f"this should not happen: {_spoken(error)}\nTry again with -v to see where, and"
        " report it.",
        expected=False,
    )


def _spoken(error: BaseException) -> str:
    """The error's kind and words; of several at once, those of each."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(dict.fromkeys(_spoken(one) for one in error.exceptions))
    return f"{type(error).__name__}: {error}"


def _failed(kind: str, error: Exception, details: Sequence[Any] = ()) -> Failure:
    return Failure(code=ExitCode.FAILED, kind=kind, message=str(error), details=details)


def _own(error: Exception) -> Failure | None:
    if isinstance(error, Refused):
        return _failed("refused", error)
    if isinstance(error, Unreachable):
        return Failure(code=ExitCode.UNREACHABLE, kind="unreachable", message=str(error))
    return None


def _configuration(error: Exception) -> Failure | None:
    from channelsync.configuration.problems import ConfigurationInvalid
    from channelsync.settings import SettingsInvalid

    code = ExitCode.CONFIGURATION_INVALID
    if isinstance(error, SettingsInvalid):
        return Failure(code=code, kind="settings_invalid", message=str(error))
    if isinstance(error, ConfigurationInvalid):
        details = [problem.as_json() for problem in error.problems]
        return Failure(code=code, kind="configuration_invalid", message=str(error), details=details)
    return None


def _domain(error: Exception) -> Failure | None:
    from channelsync.domain.errors import DomainError, InvariantViolated

    if isinstance(error, InvariantViolated):
        code = ExitCode.INVARIANT_VIOLATED
        return Failure(code=code, kind="invariant_violated", message=str(error))
    return _failed("refused", error) if isinstance(error, DomainError) else None


def _engine(error: Exception) -> Failure | None:
    from channelsync.engine.anchor import AnchorUnreadable
    from channelsync.engine.channel_desk import ChannelDeskError
    from channelsync.engine.dead_letters import DeadLetterError
    from channelsync.engine.identity_errors import IdentityError
    from channelsync.engine.ship import NothingToShip
    from channelsync.engine.stock_errors import CsvRefused, StockError
    from channelsync.engine.vault import VaultLocked
    from channelsync.security.passwords import PasswordTooWeak
    from channelsync.security.sealing import SealBroken

    if isinstance(error, VaultLocked | SealBroken):
        return _failed("vault_locked", error)
    if isinstance(error, CsvRefused):
        rows = [
            {"row": one.row, "column": one.column, "message": one.message} for one in error.errors
        ]
        return _failed("csv_refused", error, rows)
    ours = StockError | ChannelDeskError | DeadLetterError | AnchorUnreadable | NothingToShip
    if isinstance(error, ours | IdentityError | PasswordTooWeak):
        return _failed("refused", error)
    return None


def _store(error: Exception) -> Failure | None:
    import sqlalchemy as sa

    from channelsync.bootstrap import NeedsPostgreSQL
    from channelsync.store.backup import BackupRefused
    from channelsync.store.copying import CopyRefused
    from channelsync.store.errors import StoreUnavailable
    from channelsync.store.folder import AlreadyRunning
    from channelsync.store.folding import FoldRefused
    from channelsync.store.migrate import SchemaMismatch

    if isinstance(error, SchemaMismatch):
        return _failed("schema_mismatch", error)
    if isinstance(
        error, AlreadyRunning | BackupRefused | CopyRefused | FoldRefused | NeedsPostgreSQL
    ):
        return _failed("refused", error)
    if isinstance(error, StoreUnavailable):
        return Failure(code=ExitCode.UNREACHABLE, kind="unreachable", message=str(error))
    if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError):
        message = f"the database does not answer: {error.orig}"
        return Failure(code=ExitCode.UNREACHABLE, kind="unreachable", message=message)
    return None


def _connector(error: Exception) -> Failure | None:
    from channelsync.plugins.opening import ChannelUnusable
    from channelsync.plugins.registry import UnknownConnector
    from channelsync.sdk.errors import ConnectorError, Retryable

    if isinstance(error, Retryable):
        return Failure(code=ExitCode.UNREACHABLE, kind="unreachable", message=str(error))
    if isinstance(error, ConnectorError | ChannelUnusable | UnknownConnector):
        return _failed("channel_unusable", error)
    return None


def _machine(error: Exception) -> Failure | None:
    if not isinstance(error, OSError):
        return None
    where = f"{error.filename}: " if error.filename else ""
    return _failed("failed", OSError(f"{where}{error.strerror or error}"))
