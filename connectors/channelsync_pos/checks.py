"""What `channels test` and the assumption monitor say about a till."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from channelsync.sdk.errors import ConnectorError
from channelsync.sdk.types import Assumption, AssumptionFinding, CheckResult, Instant
from channelsync_pos.api import Page, TillApi
from channelsync_pos.settings import TillSettings
from channelsync_pos.times import iso
from channelsync_pos.webhooks import TOLERANCE_SECONDS

__all__ = ["api_checks", "feed_finding", "own_checks"]

UNREAD_TOLD_MAX: Final = 3


def own_checks(settings: TillSettings) -> tuple[CheckResult, ...]:
    """What the settings alone tell."""
    rotating = settings.webhook_secret_old is not None
    secret = (
        "two secrets are accepted: remove webhook_secret_old once the till signs with the new one"
        if rotating
        else "one secret is accepted"
        if settings.webhook_secret is not None
        else "none is set, so no call is accepted: the till hands over files"
    )
    interface = (
        f"sales are fetched from {settings.base_url}"
        if settings.base_url is not None
        else "sales arrive as files"
        if settings.drop_folder
        else "sales arrive by webhook or in batches only: a lost one is found by its number"
        " and must be sent again by the till"
    )
    return (
        CheckResult(name="webhook secret", ok=True, message=secret),
        CheckResult(
            name="location", ok=True, message=f"sales belong to {settings.location!r} by default"
        ),
        CheckResult(name="feed", ok=True, message=interface),
    )


async def api_checks(
    api: TillApi, settings: TillSettings, *, now: Callable[[], Instant]
) -> tuple[CheckResult, ...]:
    """What the till's API tells about itself."""
    try:
        page = await api.events_after(None, uploaded_from=now())
    except ConnectorError as error:
        return (CheckResult(name="till's API", ok=False, message=str(error)),)
    ahead = page.as_of - now()
    clock_ok = abs(ahead) <= TOLERANCE_SECONDS
    silent = "; ".join(_silent(page, settings, now()))
    return (
        CheckResult(name="till's API", ok=True, message="answers"),
        CheckResult(
            name="clock",
            ok=clock_ok,
            message=f"{ahead:+.0f} s from ours"
            + ("" if clock_ok else ": set the till's clock, or its webhooks are refused"),
        ),
        CheckResult(
            name="registers",
            ok=not silent,
            message=silent or f"{len(page.registers)} in contact",
        ),
    )


def feed_finding(
    page: Page, settings: TillSettings, *, unread: Sequence[str], now: Instant
) -> AssumptionFinding:
    """Whether every sale is heard of in time, and if not, why."""
    reasons = [*_silent(page, settings, now)]
    reasons += [f"an event could not be read: {why}" for why in unread[:UNREAD_TOLD_MAX]]
    return AssumptionFinding(
        assumption=Assumption.FEED_COMPLETE, holds=not reasons, why="; ".join(reasons)
    )


def _silent(page: Page, settings: TillSettings, now: Instant) -> Iterator[str]:
    known = {status.register_id for status in page.registers}
    for register_id in settings.registers:
        if register_id not in known:
            yield f"register {register_id} was never heard of"
    for status in page.registers:
        if status.sequence > status.received_to:
            missing = status.received_to + 1
            yield f"register {status.register_id} has not uploaded its event {missing}"
        elif not status.retired and now - status.last_contact > settings.quiet_limit_seconds:
            yield (
                f"register {status.register_id} was last in contact at {iso(status.last_contact)}:"
                " what it sold since is unknown"
            )
