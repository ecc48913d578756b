"""Bootstrap: the one module that knows every adapter and puts the program together."""

from __future__ import annotations

import os
import random
import socket
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from pathlib import Path

import httpx
import structlog

from channelsync.configuration.channels import Surroundings
from channelsync.configuration.configuration import ChannelConfiguration, Configuration
from channelsync.configuration.loading import load, load_bytes
from channelsync.configuration.references import References
from channelsync.engine.anchor import Anchoring, open_anchoring
from channelsync.engine.core import Engine
from channelsync.engine.deliver import Outgoing, open_outgoing
from channelsync.engine.kept import KeptCredentials
from channelsync.engine.notify import Notifying
from channelsync.engine.policy import Policy
from channelsync.engine.propose import Proposal
from channelsync.engine.prune import Retention
from channelsync.engine.setup import ChannelSetup, LocationSetup, Setup
from channelsync.engine.vault import endpoints_key
from channelsync.engine.witness import Witness
from channelsync.notify.apprise_notifier import AppriseNotifier
from channelsync.plugins.discovery import discover
from channelsync.plugins.opening import ChannelUnusable, Lent, OpenChannel, Sharing, open_channel
from channelsync.plugins.registry import Registry
from channelsync.ports import Clock, Environment, FarBus, Presence, RateTokens, RunningChannel
from channelsync.queue.in_process import InProcessBus
from channelsync.settings import Settings, SettingsInvalid
from channelsync.store import migrate
from channelsync.store.clock import DatabaseClock
from channelsync.store.database import Database
from channelsync.store.presence import Alone, DatabasePresence
from channelsync.telemetry.redaction import hide_secrets_of
from channelsync.telemetry.traced_transport import TracedTransport
from channelsync.tracing import NoTracing, Tracing

__all__ = [
    "Application",
    "NeedsPostgreSQL",
    "OpenedChannels",
    "Part",
    "lent_by",
    "open_application",
    "policy_of",
    "read_configuration",
    "read_proposal",
    "retention_of",
    "setup_of",
    "system_environment",
]

_log = structlog.get_logger("channelsync.bootstrap")


class Part(StrEnum):
    """What of the daemon one process is."""

    ALL = "all"
    WEB = "web"
    """Receivers, pages and API."""
    WORK = "work"
    """Workers; its door answers probes and metrics alone."""


class NeedsPostgreSQL(Exception):
    """Several processes cannot share a SQLite file."""

    def __init__(self, part: Part) -> None:
        command = "worker" if part is Part.WORK else "web"
        super().__init__(
            f"`channelsync {command}` is one process of several, and they need PostgreSQL: set"
            " CHANNELSYNC_DATABASE_URL, or run everything in one process with `channelsync run`"
        )


@dataclass(slots=True)
class OpenedChannels:
    """The channels that this process has opened, and why the others are not open."""

    opened: dict[str, OpenChannel] = field(default_factory=dict)
    running: dict[str, RunningChannel] = field(default_factory=dict)
    unusable: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> RunningChannel | None:
        """The open channel of that name, if any."""
        return self.running.get(name)

    def names(self) -> tuple[str, ...]:
        """All of them, sorted."""
        return tuple(sorted(self.running))

    async def open(self, registry: Registry, wanted: ChannelConfiguration, lent: Lent) -> None:
        """Open one channel, or remember why it does not open; the others go on."""
        await self.close(wanted.channel)
        hide_secrets_of(wanted.settings)
        try:
            opened = await open_channel(
                registry,
                name=wanted.channel,
                connector=wanted.connector,
                settings=wanted.settings,
                lent=lent,
            )
        except ChannelUnusable as error:
            self.unusable[wanted.channel] = str(error)
            _log.error("channel cannot be used", channel=wanted.channel, why=str(error))
            return
        self.opened[wanted.channel] = opened
        self.retune(wanted)

    def retune(self, wanted: ChannelConfiguration) -> None:
        """Take over what of a channel's configuration changes without opening it again."""
        if (opened := self.opened.get(wanted.channel)) is None:
            return
        self.running[wanted.channel] = RunningChannel(
            name=wanted.channel,
            manifest=opened.manifest,
            channel=opened.channel,
            quarantine_seconds=wanted.quarantine_seconds,
            apply_limit_seconds=wanted.apply_limit_seconds,
            poll_interval_seconds=wanted.poll_interval_seconds,
            quiet_limit_seconds=wanted.quiet_limit_seconds,
            credentials_expire_at=wanted.credentials_expire_at,
            waited_seconds=lambda: opened.budget.waited_seconds,
            room=opened.budget.room,
        )

    async def close(self, name: str) -> None:
        """Close one channel, if it is open."""
        self.running.pop(name, None)
        self.unusable.pop(name, None)
        if (opened := self.opened.pop(name, None)) is not None:
            await opened.close()

    async def close_all(self) -> None:
        """Close every channel."""
        for name in tuple(self.opened):
            await self.close(name)


@dataclass(slots=True)
class Neighbours:
    """How many processes work on the store, as last looked: they share the channels' rates."""

    count: int = 1


@dataclass(slots=True)
class Application:
    """The program, put together over one store and one configuration."""

    settings: Settings
    registry: Registry
    configuration: Configuration
    channels: OpenedChannels
    lent: Lent
    engine: Engine
    anchoring: Anchoring
    outgoing: Outgoing
    witness: Witness
    clock: DatabaseClock | None = None
    """Where several processes work: to be set right now and then."""
    far_bus: FarBus | None = None
    """Wakes the other processes, where Redis is configured; to be run beside the work."""
    neighbours: Neighbours = field(default_factory=Neighbours)
    notifying: Notifying = field(default_factory=Notifying)


def system_environment(now: Clock = time.time) -> Environment:
    """The machine's clock (or another) and randomness; this process as owner."""
    return Environment(
        now=now,
        new_id=lambda: str(uuid.uuid4()),
        owner=f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}",
    )


def lent_by(
    settings: Settings,
    environment: Environment,
    transport: httpx.AsyncBaseTransport | None = None,
    tracing: Tracing | None = None,
) -> Lent:
    """What every channel is lent."""
    hide_secrets_of(settings)
    return Lent(
        now=environment.now,
        new_id=environment.new_id,
        draw=random.SystemRandom().random,
        allow_hosts=settings.allow_hosts,
        drop_dir=settings.drops,
        transport=transport,
        log=structlog.get_logger("channelsync.channels"),
        around=partial(TracedTransport, tracing=tracing or NoTracing()),
    )


def read_configuration(
    settings: Settings, registry: Registry, path: Path | None = None
) -> Configuration:
    """Read and check the merchant's file.

    Raises:
        ConfigurationInvalid: everything that is wrong with it, at once.
    """
    return load(path or settings.config, _surroundings(settings, registry))


def read_proposal(settings: Settings, registry: Registry, content: bytes) -> Proposal:
    """Read and check a merchant's file that somebody proposes, as text.

    Raises:
        ConfigurationInvalid: everything that is wrong with it, at once.
    """
    surroundings = _surroundings(settings, registry)
    configuration = load_bytes(content, surroundings, name="the proposed configuration")
    return Proposal(setup=setup_of(configuration), policy=policy_of(configuration))


def _surroundings(settings: Settings, registry: Registry) -> Surroundings:
    return Surroundings(
        connectors=registry,
        references=References(
            environment=os.environ,
            secrets_dir=settings.secrets_dir,
            kept=KeptCredentials(settings),
            operators_files=settings.secret_files,
        ),
        allow_hosts=settings.allow_hosts,
    )


def policy_of(configuration: Configuration) -> Policy:
    """The merchant's policy as the engine uses it."""
    return Policy(
        rules={pool: configuration.rules_for(pool) for pool in configuration.pools},
        safety_stock={pool: configuration.safety_stock_for(pool) for pool in configuration.pools},
        recipes={
            (channel, sku): recipe
            for channel in configuration.channels
            for sku, recipe in configuration.recipes_for(channel).items()
        },
        hold_ttl_seconds=configuration.hold_ttl_seconds,
    )


def retention_of(settings: Settings) -> Retention:
    """How long the operator wants old rows kept."""
    return Retention(
        deliveries_days=settings.keep_deliveries_days,
        pushes_days=settings.keep_pushes_days,
        notices_days=settings.keep_notices_days,
        holds_days=settings.keep_holds_days,
    )


def setup_of(configuration: Configuration) -> Setup:
    """Places and channels as the engine writes them into the store."""
    order = {
        code: index
        for pool in configuration.pools.values()
        for index, code in enumerate(pool.locations)
    }
    return Setup(
        fingerprint=configuration.fingerprint,
        locations=tuple(
            LocationSetup(code=code, name=location.name, pool=location.pool, priority=order[code])
            for code, location in configuration.locations.items()
        ),
        channels=tuple(
            ChannelSetup(
                name=name, connector=channel.connector, pool=channel.pool, mode=channel.mode
            )
            for name, channel in configuration.channels.items()
        ),
    )


@asynccontextmanager
async def open_application(
    settings: Settings,
    *,
    configuration_path: Path | None = None,
    registry: Registry | None = None,
    environment: Environment | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    with_channels: bool = True,
    tracing: Tracing | None = None,
) -> AsyncIterator[Application]:
    """Everything opened, and closed again at the end. The embedded store is upgraded first.

    Raises:
        ConfigurationInvalid: the merchant's file is wrong.
        SchemaMismatch, VaultLocked: the store waits for `db upgrade`, or for its secret key.
        StoreUnavailable: it answers too slowly to tell the time.
    """
    registry = registry or discover()
    configuration = read_configuration(settings, registry, configuration_path)
    database, channels = await _open_store(settings), OpenedChannels()
    async with AsyncExitStack() as opened:
        opened.push_async_callback(database.close)
        clock = None if database.is_sqlite else await DatabaseClock.of(database)
        environment = environment or system_environment(clock or time.time)
        far_bus, tokens = _redis(settings, opened) if clock is not None else (None, None)
        engine = Engine(
            database=database,
            channels=channels,
            environment=environment,
            bus=far_bus or InProcessBus(),
            policy=policy_of(configuration),
            presence=await _presence(database, environment, opened),
            tracing=tracing or NoTracing(),
        )
        database.on_marked = engine.wake
        neighbours = Neighbours()
        sharing = None if clock is None else Sharing(tokens, lambda: neighbours.count)
        lent = replace(lent_by(settings, environment, transport, engine.tracing), sharing=sharing)
        key = await endpoints_key(settings, database, environment.now)
        sending = open_outgoing(key, settings.allow_hosts, transport)
        opened.push_async_callback(channels.close_all)
        application = Application(
            settings=settings,
            registry=registry,
            configuration=configuration,
            channels=channels,
            lent=lent,
            engine=engine,
            anchoring=await open_anchoring(settings, opened, transport),
            outgoing=await opened.enter_async_context(sending),
            witness=Witness(settings.seen_file),
            notifying=_notifying(configuration),
            clock=clock,
            far_bus=far_bus,
            neighbours=neighbours,
        )
        for channel in configuration.channels.values() if with_channels else ():
            await channels.open(registry, channel, lent)
        yield application


def _redis(settings: Settings, opened: AsyncExitStack) -> tuple[FarBus | None, RateTokens | None]:
    """What Redis does where it is configured: wake-ups and common rates, neither of them needed.

    Raises:
        SettingsInvalid: its packages are not installed.
    """
    if settings.redis_url is None:
        return None, None
    url = settings.redis_url.get_secret_value()
    try:
        from channelsync.queue.arq_bus import ArqBus
        from channelsync.queue.redis_tokens import RedisTokens
    except ModuleNotFoundError as error:
        raise SettingsInvalid(
            f"CHANNELSYNC_REDIS_URL is set and {error.name} is not installed: install"
            " channelsync[redis]"
        ) from None
    tokens = RedisTokens(url)
    opened.push_async_callback(tokens.close)
    return ArqBus(url), tokens


def _notifying(configuration: Configuration) -> Notifying:
    return Notifying(configuration.notices, AppriseNotifier(configuration.notice_targets))


async def _presence(
    database: Database, environment: Environment, opened: AsyncExitStack
) -> Presence:
    """How the other processes see this one. Embedded there are none."""
    if database.is_sqlite:
        return Alone()
    presence = DatabasePresence(database.url, environment.owner)
    opened.push_async_callback(presence.close)
    await presence.start()
    return presence


async def _open_store(settings: Settings) -> Database:
    database = Database(settings.database)
    if database.is_sqlite:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        await migrate.upgrade(settings.database)
    else:
        await migrate.require_current(settings.database)
    return database
