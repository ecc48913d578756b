#!/usr/bin/env python3
"""Take the README's picture of the live page: a real run of the demonstration in a real browser.

Needs Chromium on PATH. Usage: scripts/demo_screenshot.py docs/images/demo.png [--after 34] [--dark]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path

from channelsync.demo import DemoOptions, run_demo

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PORT = 8497
"""Fixed, so that the run does not depend on what else listens."""
RUN_ON_SECONDS = 20.0


async def photograph(browser: str, target: Path, *, after: float, size: str, dark: bool) -> None:
    """Wait, then let the browser load the page and keep what it shows."""
    await asyncio.sleep(after)
    with tempfile.TemporaryDirectory() as profile:
        options = [
            "--headless=new",
            "--hide-scrollbars",
            "--disable-gpu",
            "--force-device-scale-factor=1",
            f"--user-data-dir={profile}",
            f"--window-size={size}",
            f"--screenshot={target.absolute()}",
            "--timeout=2500",
        ]
        if dark:
            options.append("--blink-settings=preferredColorScheme=0")
        if os.geteuid() == 0:
            options.append("--no-sandbox")
        process = await asyncio.create_subprocess_exec(
            browser,
            *options,
            f"http://127.0.0.1:{PORT}/",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        await process.wait()


async def main(arguments: argparse.Namespace, browser: str) -> int:
    """Run both; the picture decides whether it worked."""
    target: Path = arguments.target
    target.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    options = DemoOptions(seconds=arguments.after + RUN_ON_SECONDS, port=PORT, seed=arguments.seed)
    picture = photograph(
        browser, target, after=arguments.after, size=arguments.size, dark=arguments.dark
    )
    running = asyncio.create_task(run_demo(options))
    await picture
    result = await running
    print(result.summary())
    print(target if target.exists() else f"{browser} wrote no picture")
    return 0 if target.exists() and not result.oversold else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path)
    parser.add_argument("--after", type=float, default=34.0, help="seconds into the run")
    parser.add_argument("--size", default="1440,1180")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dark", action="store_true")
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        sys.exit(f"no browser: install one of {', '.join(BROWSERS)}")
    sys.exit(asyncio.run(main(parser.parse_args(), found)))
