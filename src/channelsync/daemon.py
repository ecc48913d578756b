"""The daemon: receivers, pages, workers and the watch over the configuration, in one process.

Or in several on PostgreSQL: any number of `web` and of `work`, each of which may die at any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from functools import partial
from pathlib import Path

import sqlalchemy as sa
import structlog

from channelsync.bootstrap import (
    Application,
    NeedsPostgreSQL,
    Part,
    open_application,
    read_proposal,
    retention_of,
    setup_of,
)
from channelsync.configuration.editing import MerchantFile
from channelsync.engine.kept import kept_version
from channelsync.engine.recover import recover
from channelsync.engine.setup import (
    apply_setup,
    note_unusable,
)
from channelsync.engine.users_desk import any_user
from channelsync.engine.vault import master_keys
from channelsync.engine.work import WorkKind
from channelsync.garbage import leave_the_program_out
from channelsync.reloading import WATCH_SECONDS, watch_configuration
from channelsync.security.tokens import set_up_token
from channelsync.settings import Settings, secret_key
from channelsync.store.errors import is_passing
from channelsync.store.folder import data_lock
from channelsync.store.turns import be_patient
from channelsync.telemetry.traces import open_tracing
from channelsync.tracing import Tracing
from channelsync.web.app import Front, WebOptions, build_app, build_probes
from channelsync.web.serving import listen, serving
from channelsync.worker.daemon import drain, handlers
from channelsync.worker.supervisor import SWEEP_SECONDS, Handler, Supervisor

__all__ = [
    "at_work",
    "collect_garbage_of_work",
    "get_ready",
    "run_daemon",
    "serve",
]

_log = structlog.get_logger("channelsync.daemon")

HOUSEKEEPING_SECONDS = 5.0
"""How often the dead are looked for and the clock is set."""


async def serve(
    settings: Settings, *, configuration_path: Path | None = None, part: Part = Part.ALL
) -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code: 0 after a clean stop.

    Raises:
        NeedsPostgreSQL, AlreadyRunning, ConfigurationInvalid, SchemaMismatch: it cannot start;
            nothing was changed.
        OSError: the port is taken.
    """
    stop, reload_now = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload_now.set)
    path = configuration_path or settings.config
    tracing = open_tracing(os.environ)
    with _only_one(settings, part):
        async with (
            _closing(tracing),
            open_application(settings, configuration_path=path, tracing=tracing) as application,
        ):
            door = listen(settings.host, settings.port)
            with _saying_why():
                await run_daemon(
                    application,
                    door,
                    stop=stop,
                    watched=path,
                    reload_now=reload_now,
                    on_ready=collect_garbage_of_work,
                    part=part,
                )
    return 0


@asynccontextmanager
async def _closing(tracing: Tracing) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await tracing.close()


def collect_garbage_of_work() -> None:
    """From now on look for cycles, among what work makes."""
    gc.collect()
    leave_the_program_out()
    gc.enable()


@contextlib.contextmanager
def _saying_why() -> Iterator[None]:
    """Whoever starts it again may never see it stop: the log must say where it did."""
    try:
        yield
    except Exception:
        _log.exception("the daemon stops: this should not happen")
        raise


def _only_one(settings: Settings, part: Part) -> AbstractContextManager[None]:
    """On SQLite one daemon works on the data folder; on PostgreSQL any number does."""
    if sa.make_url(settings.database).get_backend_name() != "sqlite":
        return contextlib.nullcontext()
    if part is not Part.ALL:
        raise NeedsPostgreSQL(part)
    return data_lock(settings.data_dir)


async def run_daemon(
    application: Application,
    door: socket.socket,
    *,
    stop: asyncio.Event,
    watched: Path | None = None,
    reload_now: asyncio.Event | None = None,
    options: WebOptions | None = None,
    on_ready: Callable[[], None] | None = None,
    part: Part = Part.ALL,
) -> None:
    """Recover, set up, serve and work until `stop` is set; then drain.

    On SQLite the caller holds the data lock, or knows otherwise that no other daemon uses the
    store.
    """
    await get_ready(application)
    build = build_probes if part is Part.WORK else build_app
    reload_now = reload_now or asyncio.Event()
    options = options or _options(application, stop, watched, reload_now)
    app = build(application.engine, options)
    async with (
        serving(app, door),
        at_work(application, watched=watched, reload_now=reload_now, part=part) as working,
    ):
        host, port = door.getsockname()[:2]
        _log.info("channelsync is up", url=f"http://{host}:{port}/")
        if part is not Part.WORK:
            await _invite(application, f"http://{host}:{port}", options)
        if isinstance(app, Front):
            await app.faces.open()
        if on_ready is not None:
            on_ready()
        await _until(stop, working)


async def get_ready(application: Application) -> None:
    """Take over what earlier processes left behind, and bring the store in line with the file."""
    engine = application.engine
    application.neighbours.count = await engine.presence.count()
    await recover(engine)
    await application.witness.look(engine)
    await apply_setup(engine, setup_of(application.configuration))
    await note_unusable(engine, application.configuration.channels, application.channels.unusable)


@asynccontextmanager
async def at_work(
    application: Application,
    *,
    watched: Path | None = None,
    reload_now: asyncio.Event | None = None,
    part: Part = Part.ALL,
    work: Mapping[WorkKind, Handler] | None = None,
    sweep_seconds: float = SWEEP_SECONDS,
    housekeeping_seconds: float = HOUSEKEEPING_SECONDS,
    watch_seconds: float = WATCH_SECONDS,
) -> AsyncIterator[asyncio.Task[None]]:
    """Work in the background until the block ends; then drain. Yields the task that works.

    `work` says who does which kind of work, where that is not what the daemon does; the times say
    how often it looks for what nobody told it.
    """
    supervisor = Supervisor(
        engine=application.engine,
        handlers=_handlers(application, part) if work is None else work,
        sweep_seconds=sweep_seconds,
    )
    reload_now = reload_now or asyncio.Event()
    working = asyncio.create_task(supervisor.run(), name="supervisor")
    watching = asyncio.create_task(
        watch_configuration(application, watched, reload_now, watch_seconds),
        name="configuration",
    )
    keeping = _keep_house(application, housekeeping_seconds, reload_now)
    beside = [asyncio.create_task(keeping, name="housekeeping")]
    if application.far_bus is not None:
        telling = application.far_bus.run(listens=part is not Part.WEB)
        beside.append(asyncio.create_task(telling, name="wake-ups"))
    try:
        yield working
    finally:
        watching.cancel()  # once: a second time would cut off how it ends
        await drain(supervisor, working)
        for task in beside:
            task.cancel()
        await asyncio.gather(watching, *beside, working, return_exceptions=True)


def _handlers(application: Application, part: Part) -> Mapping[WorkKind, Handler]:
    if part is Part.WEB:
        return {}
    return handlers(
        application.settings.public_url,
        application.anchoring,
        application.outgoing,
        application.notifying,
        retention_of(application.settings),
    )


async def _keep_house(
    application: Application, every_seconds: float, reload_now: asyncio.Event
) -> None:
    """Set the clock, find what dead processes left behind, notice a restored backup."""
    seen: tuple[object, ...] | None = None
    be_patient()
    while True:
        await asyncio.sleep(every_seconds)
        try:
            if application.clock is not None:  # first, so that no other failure comes before it
                await application.clock.synchronise(application.engine.database)
            if application.configuration.uses_kept:
                found = await kept_version(application.engine.database)
                if found != seen:  # the first look reads again: it may have changed since the start
                    reload_now.set()
                seen = found
            await recover(application.engine)
            await application.witness.look(application.engine)
            application.neighbours.count = await application.engine.presence.count()
        except Exception as error:  # noqa: BLE001 - the next round may do better
            if not is_passing(error):
                _log.exception("housekeeping failed")


def _options(
    application: Application,
    stop: asyncio.Event,
    watched: Path | None,
    reload_now: asyncio.Event,
) -> WebOptions:
    return WebOptions(
        merchant_file=None if watched is None else MerchantFile(watched),
        file_written=reload_now.set,
        public_url=application.settings.public_url,
        stopping=stop,
        setup_token=set_up_token(secret_key(application.settings)),
        master_keys=master_keys(application.settings),
        second_factor_of=frozenset(application.settings.second_factor_of),
        approval_seconds=_approval_seconds(application.settings),
        outgoing_key=application.outgoing.key,
        allow_hosts=application.settings.allow_hosts,
        notifying=application.notifying,
        read_proposal=partial(read_proposal, application.settings, application.registry),
    )


def _approval_seconds(settings: Settings) -> float | None:
    return 3_600.0 * settings.second_approver_hours if settings.second_approver else None


async def _invite(application: Application, url: str, options: WebOptions) -> None:
    """Print the link with which the first user is made, while there is none."""
    if options.setup_token is None:
        return
    async with application.engine.database.read() as tx:
        if await any_user(tx):
            return
    where = application.settings.public_url or url
    _log.warning(
        "nobody can sign in yet, so only this machine is answered; make the first user with this"
        " link",
        url=f"{where}/setup?token={options.setup_token}",
    )


async def _until(stop: asyncio.Event, working: asyncio.Task[None]) -> None:
    """Wait for the stop, or for the work to break, which must not go unnoticed."""
    asked = asyncio.create_task(stop.wait())
    await asyncio.wait({asked, working}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if working.done():
        working.result()
