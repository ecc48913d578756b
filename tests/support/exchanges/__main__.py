"""Play the slice, check every exchange and print the counts: `python -m tests.support.exchanges`.

`--record` keeps them for the page that tells of them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog

from tests.support.checkout import ROOT
from tests.support.exchanges.tally import Tally, play_and_check
from tests.support.sqs import sqs_server

RECORD: Final = ROOT / "docs" / "trust" / "records" / "exchanges.json"


async def played(folder: Path) -> Tally:
    """One slice, checked."""
    with sqs_server() as origin, tempfile.TemporaryDirectory() as name:
        return await play_and_check(Path(name), origin, folder)


def main() -> int:
    """Returns the exit code: 1 where something does not conform or was never called."""
    named = os.environ.get("CHANNELSYNC_CONTRACTS", "")
    if not named or not Path(named).is_dir():
        sys.stderr.write("CHANNELSYNC_CONTRACTS names no folder with the marketplaces' schemas\n")
        return 2
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    tally = asyncio.run(played(Path(named)))
    sys.stdout.write(tally.table())
    if "--record" in sys.argv[1:]:
        record = {
            "command": "./run exchanges --record",
            "on": datetime.now(UTC).date().isoformat(),
            "rows": tally.rows(),
        }
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    wrong = tally.wrong()
    sys.stderr.writelines(f"{line}\n" for line in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
