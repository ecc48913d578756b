#!/usr/bin/env python3
"""Take the documents' pictures of the dashboard: a real run of the demonstration in a real browser.

Needs Chromium on PATH. Usage: scripts/demo_screenshot.py docs/images [--after 34] [--dark]
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path

import structlog

from channelsync.demo import DemoOptions, DemoResult, run_demo
from channelsync.demo.catalogue import FLASH_SKU

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PORT = 8497
"""Fixed, so that the run does not depend on what else listens."""
RUN_ON_SECONDS = 10.0
PICTURES = {"demo.png": ("", "1440,1180"), "item.png": (f"items/{FLASH_SKU}", "1280,900")}
"""By name: the page, and how large a window shows it."""


async def photograph(browser: str, options: list[str], folder: Path, *, after: float) -> None:
    """Wait, then let the browser load each page and keep what it shows."""
    await asyncio.sleep(after)
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
    browser: str, options: list[str], folder: Path, *, after: float, seed: int
) -> DemoResult:
    """The demonstration, and the browser beside it."""
    demo = DemoOptions(seconds=after + RUN_ON_SECONDS, port=PORT, seed=seed)
    running = asyncio.create_task(run_demo(demo))
    await photograph(browser, options, folder, after=after)
    return await running


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
        taken = run(browser, options, folder, after=arguments.after, seed=arguments.seed)
        result = asyncio.run(taken)
    sys.stdout.write(f"{result.summary()}\n")
    missing = [name for name in PICTURES if not (folder / name).exists()]
    if missing:
        sys.exit(f"{browser} took no picture for {', '.join(missing)}")
    return 1 if result.oversold else 0


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--after", type=float, default=34.0, help="seconds into the run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dark", action="store_true")
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        sys.exit(f"no browser: install one of {', '.join(BROWSERS)}")
    sys.exit(main(parser.parse_args(), found))
