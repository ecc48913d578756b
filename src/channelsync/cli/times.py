"""Instants as people type them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, tzinfo
from zoneinfo import ZoneInfo

from channelsync.cli.failures import Refused
from channelsync.cli.session import Session
from channelsync.domain.vocabulary import Instant

__all__ = ["instant_of", "teller"]


def instant_of(session: Session, text: str | None) -> Instant | None:
    """ISO 8601, as `2026-11-21T09:00` or `2026-11-21T09:00:00+01:00`, or `now`; None stays None.

    A time without an offset is one of the configuration's zone.

    Raises:
        Refused: it is no such time.
    """
    if text is None:
        return None
    if text == "now":
        return session.now()
    try:
        said = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(
            f"{text!r} is no time: write it like 2026-11-21T09:00 or 2026-11-21T09:00:00Z"
        ) from None
    return (said if said.tzinfo else said.replace(tzinfo=_zone(session))).timestamp()


def teller(session: Session, text: str | None) -> Callable[[], Instant | None]:
    """The same, read now and told later: `now` is by the clock of the store, once that is open.

    Raises:
        Refused: it is no such time.
    """
    read = instant_of(session, text)
    return session.now if text == "now" else lambda: read


def _zone(session: Session) -> tzinfo:
    configuration = session.configuration_if_valid("its time zone; the time is taken as UTC")
    return ZoneInfo(configuration.timezone if configuration else "UTC")
