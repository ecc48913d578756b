"""What a start leaves out: whatever the running daemon has no use for."""

from __future__ import annotations

import subprocess
import sys


def test_the_daemon_loads_no_migrations_no_api_and_no_connector_for_itself() -> None:
    code = "import sys, channelsync.daemon; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    modules = set(loaded.stdout.split())
    assert "channelsync.store.migrate" in modules
    assert not {"alembic", "mako", "apprise", "fastapi"} & modules
    assert not {name for name in modules if name.startswith("channelsync_")}
