#!/usr/bin/env python3
"""Take the README's picture of the live page: a real run of the demonstration in a real browser.

Needs Chromium on PATH. Usage: scripts/demo_screenshot.py docs/images/demo.png [--after 34] [--dark]
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

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PORT = 8497
"""Fixed, so that the run does not depend on what else listens."""
RUN_ON_SECONDS = 20.0


async def photograph(browser: str, options: list[str], *, after: float) -> None:
    """Wait, then let the browser load the page and keep what it shows."""
    await asyncio.sleep(after)
    process = await asyncio.create_subprocess_exec(
        browser,
        *options,
        f"http://127.0.0.1:{PORT}/",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await process.wait()


async def run(browser: str, options: list[str], *, after: float, seed: int) -> DemoResult:
    """The demonstration, and the browser beside it."""
    demo = DemoOptions(seconds=after + RUN_ON_SECONDS, port=PORT, seed=seed)
    running = asyncio.create_task(run_demo(demo))
    await photograph(browser, options, after=after)
    return await running


def main(arguments: argparse.Namespace, browser: str) -> int:
    """Take the picture. Returns 0 when there is one and nothing was oversold."""
    target: Path = arguments.target.absolute()
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        options = [
            "--headless=new",
            "--hide-scrollbars",
            "--disable-gpu",
            f"--user-data-dir={profile}",
            f"--window-size={arguments.size}",
            f"--screenshot={target}",
            "--timeout=2500",
        ]
        options += ["--blink-settings=preferredColorScheme=0"] if arguments.dark else []
        options += ["--no-sandbox"] if os.geteuid() == 0 else []
        result = asyncio.run(run(browser, options, after=arguments.after, seed=arguments.seed))
    sys.stdout.write(f"{result.summary()}\n")
    if not target.exists():
        sys.exit(f"{browser} wrote no picture")
    return 1 if result.oversold else 0


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path)
    parser.add_argument("--after", type=float, default=34.0, help="seconds into the run")
    parser.add_argument("--size", default="1440,1180")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dark", action="store_true")
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        sys.exit(f"no browser: install one of {', '.join(BROWSERS)}")
    sys.exit(main(parser.parse_args(), found))
