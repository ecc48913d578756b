#!/usr/bin/env python3
"""Take the documents' pictures of the dashboard: a real run of the demonstration in a real browser.

It waits until every channel is in step and the plain quota pusher has oversold, as the page itself
says: how long that takes is the machine's affair.

Needs Chromium on PATH. Usage: scripts/demo_screenshot.py docs/images [--oversold 5] [--dark]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

import httpx
import structlog

from channelsync.demo import DemoOptions, DemoResult, run_demo
from channelsync.demo.catalogue import FLASH_SKU

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PORT = 8497
"""Fixed, so that the run does not depend on what else listens."""
LOOK_SECONDS = 1.0
ANSWER_SECONDS = 30.0
RIVAL = re.compile(
    r'class="card rival.*?class="figure">(?:<span[^>]*>[^<]*</span>)?([0-9]+)<', re.DOTALL
)
SETTLED = re.compile(r"</span> in step</span>")
CHANNELS = 3
PICTURES = {"demo.png": ("", "1440,1180"), "item.png": (f"items/{FLASH_SKU}", "1280,900")}
"""By name: the page, and how large a window shows it."""


def is_worth_a_picture(page: str, oversold: int) -> bool:
    """Whether every channel is in step, and the rival has oversold so many units."""
    found = RIVAL.search(page)
    return (
        found is not None and int(found[1]) >= oversold and len(SETTLED.findall(page)) == CHANNELS
    )


async def wait_for_it(oversold: int, within: float) -> None:
    """Look at the page until it shows what the picture is about.

    Raises:
        TimeoutError: it does not, within so many seconds.
    """
    async with asyncio.timeout(within), httpx.AsyncClient(timeout=ANSWER_SECONDS) as client:
        while True:
            with contextlib.suppress(httpx.TransportError):  # it starts
                answer = await client.get(f"http://127.0.0.1:{PORT}/")
                if is_worth_a_picture(answer.text, oversold):
                    return
            await asyncio.sleep(LOOK_SECONDS)


async def photograph(browser: str, options: list[str], folder: Path) -> None:
    """Let the browser load each page, and keep what it shows."""
    for name, (page, size) in PICTURES.items():
        process = await asyncio.create_subprocess_exec(
            browser,
            *options,
            f"--window-size={size}",
            f"--screenshot={folder / name}",
            f"http://127.0.0.1:{PORT}/{page}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await process.wait()


async def run(
    browser: str, options: list[str], folder: Path, arguments: argparse.Namespace
) -> DemoResult:
    """The demonstration, and the browser beside it."""
    demo = DemoOptions(port=PORT, seed=arguments.seed)
    running = asyncio.create_task(run_demo(demo))
    try:
        await wait_for_it(arguments.oversold, arguments.within)
        await photograph(browser, options, folder)
    finally:
        demo.stop.set()
        result = await running
    return result


def main(arguments: argparse.Namespace, browser: str) -> int:
    """Take the pictures. Returns 0 when they are there and nothing was oversold."""
    folder: Path = arguments.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for name in PICTURES:
        (folder / name).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        options = [
            "--headless=new",
            "--hide-scrollbars",
            "--disable-gpu",
            f"--user-data-dir={profile}",
            "--timeout=2500",
        ]
        options += ["--blink-settings=preferredColorScheme=0"] if arguments.dark else []
        options += ["--no-sandbox"] if os.geteuid() == 0 else []
        try:
            result = asyncio.run(run(browser, options, folder, arguments))
        except TimeoutError:
            sys.exit(f"nothing worth a picture within {arguments.within:.0f} s: try another --seed")
    sys.stdout.write(f"{result.summary()}\n")
    missing = [name for name in PICTURES if not (folder / name).exists()]
    if missing:
        sys.exit(f"{browser} took no picture for {', '.join(missing)}")
    return 1 if result.oversold else 0


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--oversold", type=int, default=5, help="units of the rival to wait for")
    parser.add_argument("--within", type=float, default=300.0, help="seconds to wait at most")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dark", action="store_true")
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        sys.exit(f"no browser: install one of {', '.join(BROWSERS)}")
    sys.exit(main(parser.parse_args(), found))
