"""Where the dashboard is, as the command line names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # every command knows this module, `--help` among them
    from channelsync.settings import Settings

__all__ = ["local_url", "repairs_page"]


def local_url(settings: Settings) -> str | None:
    """Where the daemon listens, called from this machine; None: only its log names the port."""
    if settings.port == 0:
        return None
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - what is listened on is not what is called
    return f"http://{host}:{settings.port}"


def repairs_page(settings: Settings) -> str:
    """The page with a button for what wants a person: its address, or without one its path."""
    return f"{settings.public_url or local_url(settings) or ''}/repairs"
