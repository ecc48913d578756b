"""Intake as a process of its own: `python -m bench.worker`; the operator's environment says where.

Says on standard error when it is ready, works until SIGTERM.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal

import structlog

from channelsync.bootstrap import open_application
from channelsync.daemon import collect_garbage_of_work
from channelsync.engine.work import WorkKind
from channelsync.settings import read_settings
from channelsync.worker.daemon import drain, handlers
from channelsync.worker.supervisor import Supervisor

__all__ = ["main"]


def main() -> None:
    """Work until SIGTERM."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(_work())


async def _work() -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with open_application(read_settings()) as application:
        intake = {WorkKind.INTAKE: handlers(None)[WorkKind.INTAKE]}
        supervisor = Supervisor(engine=application.engine, handlers=intake)
        working = asyncio.create_task(supervisor.run())
        beside = []
        if application.far_bus is not None:
            beside.append(asyncio.create_task(application.far_bus.run(listens=True)))
        collect_garbage_of_work()
        os.write(2, b'{"url": "it takes no requests"}\n')
        await stop.wait()
        await drain(supervisor, working)
        for task in beside:
            task.cancel()
        await asyncio.gather(working, *beside, return_exceptions=True)


if __name__ == "__main__":
    main()
