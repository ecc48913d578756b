"""Cold starts: until the help is printed, and until the daemon listens."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

from bench.figure import Figure
from bench.house import House
from bench.process import environment, run_cli, running
from bench.scale import Scale

__all__ = ["measure"]

HELP_SECONDS_MAX = 0.6
READY_SECONDS_MAX = 2.0
BARE_SERVER = """\
import asyncio, os, signal, fastapi, sqlalchemy, uvicorn

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async def answer(reader, writer):
        writer.close()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    os.write(2, b'{"url": "http://127.0.0.1:%d"}\\n' % port)
    await stop.wait()

asyncio.run(main())
"""


async def measure(scale: Scale, folder: Path) -> list[Figure]:
    """Two figures; of every round the median of some starts."""
    House.build(folder, items=1, units=1).write(shop_urls=["http://127.0.0.1:9"])
    variables = environment(folder, "127.0.0.1:9")
    await run_cli(variables, "db", "upgrade")
    helped, bare, ready, listening = [], [], [], []
    for _ in range(scale.rounds):
        helped.append(median([await _help(variables) for _ in range(scale.starts)]))
        bare.append(median([await _nothing(variables) for _ in range(scale.starts)]))
        run = ("-m", "channelsync", "run")
        ready.append(median([await _ready(run, variables) for _ in range(scale.starts)]))
        server = ("-c", BARE_SERVER)
        listening.append(median([await _ready(server, variables) for _ in range(scale.starts)]))
    return [
        Figure(
            name="channelsync --help",
            unit="seconds",
            better="less",
            values=tuple(helped),
            limits=tuple(bare),
            limit_is="Python alone",
            target=HELP_SECONDS_MAX,
        ),
        Figure(
            name="daemon listens",
            unit="seconds",
            better="less",
            values=tuple(ready),
            limits=tuple(listening),
            limit_is="a bare server with the same libraries",
            target=READY_SECONDS_MAX,
        ),
    ]


async def _help(variables: dict[str, str]) -> float:
    began = perf_counter()
    await run_cli(variables, "--help")
    return perf_counter() - began


async def _nothing(variables: dict[str, str]) -> float:
    began = perf_counter()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "pass", env=variables)
    await process.wait()
    return perf_counter() - began


async def _ready(command: Sequence[str], variables: dict[str, str]) -> float:
    async with running(command, variables) as started:
        return started.started_in_seconds
