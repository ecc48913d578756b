"""What one run of the command line works with: its options, settings, store and engine."""

from __future__ import annotations

import getpass
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from channelsync.cli.failures import Refused, unreachable
from channelsync.cli.output import Output
from channelsync.domain.wording import counted

if TYPE_CHECKING:
    from channelsync.configuration.configuration import Configuration
    from channelsync.domain.vocabulary import Instant
    from channelsync.engine.core import Engine
    from channelsync.plugins.registry import Registry
    from channelsync.ports import Environment
    from channelsync.settings import Settings
    from channelsync.store.database import Database

__all__ = ["Options", "Outside", "Session"]


@dataclass(slots=True)
class Options:
    """What every command understands, before its name or after it."""

    config: Path | None = None
    data_dir: Path | None = None
    as_json: bool = False
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False

    def merge(self, given: dict[str, Any]) -> None:
        """Take what was given; what was not given stays as it is."""
        for name, value in given.items():
            if value not in {None, False}:
                setattr(self, name, value)


def _discovered() -> Registry:
    from channelsync.plugins.discovery import discover

    return discover()


def _system() -> Environment:
    from channelsync.bootstrap import system_environment

    return system_environment()


@dataclass(frozen=True, slots=True)
class Outside:
    """What a run takes from the world; tests bring their own."""

    registry: Callable[[], Registry] = _discovered
    environment: Callable[[], Environment] = _system


@dataclass
class Session:
    """One run."""

    outside: Outside
    options: Options = field(default_factory=Options)

    def start(self) -> None:
        """The options are known: say where log lines go. Only what must not be missed is logged."""
        from channelsync.cli.logs import start_logs

        start_logs(logging.DEBUG if self.options.verbose else logging.ERROR, "console")

    @cached_property
    def output(self) -> Output:
        """Where words go."""
        options = self.options
        return Output(as_json=options.as_json, quiet=options.quiet, no_color=options.no_color)

    @cached_property
    def settings(self) -> Settings:
        """The operator's settings; options outrank the environment.

        Raises:
            SettingsInvalid: a variable cannot be used.
        """
        return self.settings_with()

    def settings_with(self, **given: Any) -> Settings:
        """The settings with more options of one command."""
        from channelsync.settings import read_settings

        wanted = {"config": self.options.config, "data_dir": self.options.data_dir, **given}
        return read_settings(**{name: one for name, one in wanted.items() if one is not None})

    @cached_property
    def registry(self) -> Registry:
        """The connectors there are."""
        return self.outside.registry()

    @cached_property
    def environment(self) -> Environment:
        """Clock and identity. On PostgreSQL the clock is the database's once the store is open."""
        return self.outside.environment()

    def now(self) -> Instant:
        """The instant now, as the books have it."""
        return self.environment.now()

    @cached_property
    def actor(self) -> str:
        """Who works here, for the ledger."""
        try:
            return f"cli:{getpass.getuser()}"
        except (KeyError, OSError):  # a container without a user database
            return "cli"

    def configuration(self) -> Configuration:
        """The merchant's file, checked.

        Raises:
            ConfigurationInvalid: everything that is wrong with it.
        """
        from channelsync.bootstrap import read_configuration

        return read_configuration(self.settings, self.registry, self.settings.config)

    def configuration_if_valid(self, without: str) -> Configuration | None:
        """The same, or None and a warning that says what the answer is `without`."""
        from channelsync.configuration.problems import ConfigurationInvalid

        try:
            return self.configuration()
        except ConfigurationInvalid as error:
            self.output.warn(
                f"{self.settings.config} cannot be used ({counted(len(error.problems), 'problem')};"
                f" see `channelsync check`), so this is without {without}"
            )
            return None

    @asynccontextmanager
    async def store(self, *, create: bool = False) -> AsyncIterator[Database]:
        """The store, open; with `create` an embedded one is made where there is none.

        Raises:
            Refused: there is none.
            Unreachable: it cannot be reached.
            SchemaMismatch: it belongs to another version of the program.
        """
        from channelsync.store.database import Database

        await self._require_store(create=create)
        database = Database(self.settings.database, answer_seconds=None)
        try:
            if not database.is_sqlite:
                await self._go_by_its_clock(database)
            yield database
        finally:
            await database.close()

    async def _go_by_its_clock(self, database: Database) -> None:
        """What is written is compared with what processes on other machines write."""
        from channelsync.store.clock import DatabaseClock

        with unreachable(self.settings.database):
            clock = await DatabaseClock.of(database)
        self.environment = replace(self.environment, now=clock)

    async def _require_store(self, *, create: bool) -> None:
        import sqlalchemy as sa

        from channelsync.store import migrate

        url = sa.make_url(self.settings.database)
        missing = _is_missing(url.get_backend_name(), url.database)
        if missing and not create:
            raise Refused(
                f"there is no database at {url.database} yet: import your stock (channelsync stock"
                " import) and start the daemon (channelsync run), or name the folder that holds it"
                " with --data-dir"
            )
        with unreachable(self.settings.database):
            if missing:
                _make_folder(url.database)
                await migrate.upgrade(self.settings.database)
            await migrate.require_current(self.settings.database)

    def engine(self, database: Database, configuration: Configuration | None) -> Engine:
        """The use cases over the store, without a single channel opened."""
        from channelsync.bootstrap import policy_of
        from channelsync.cli.declared import DeclaredChannels
        from channelsync.engine.core import Engine
        from channelsync.engine.policy import Policy
        from channelsync.queue.in_process import InProcessBus

        return Engine(
            database=database,
            channels=DeclaredChannels.of(configuration, self.registry),
            environment=self.environment,
            bus=InProcessBus(),
            policy=policy_of(configuration) if configuration else Policy(rules={}),
        )


def _is_missing(backend: str, database: str | None) -> bool:
    return backend == "sqlite" and not Path(database or "").exists()


def _make_folder(database: str | None) -> None:
    Path(database or "").parent.mkdir(parents=True, exist_ok=True)
