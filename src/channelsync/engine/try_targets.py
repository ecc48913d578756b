"""Try targets: send a message that says it is a test, and tell what the target answered.

It is sent by whoever asks, not by the daemon's queue, so that the answer is there at once. Nothing
is sent twice: who tries again means it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from channelsync.ports import NoticeRefused, Notifier

__all__ = ["ACTION", "Tried", "UnknownTarget", "told", "try_targets"]

ACTION: Final = "notification.test"
TITLE: Final = "channelsync: a test"
BODY: Final = "This is what a notification looks like. Nothing is wrong."


class UnknownTarget(Exception):
    """No target is called so; the message names those that there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What one target answered."""

    target: str
    ok: bool
    message: str
    """Never its address, which holds passwords."""


async def try_targets(notifier: Notifier, target: str | None) -> tuple[Tried, ...]:
    """Send a test message to one target; None: to each, in the order of their names.

    Raises:
        UnknownTarget: there is none of this name, or none at all; nothing was sent.
    """
    names = notifier.names()
    if not names:
        raise UnknownTarget(
            "there is no target yet: add one under notifications.targets in the file"
        )
    if target is not None and target not in names:
        raise UnknownTarget(f"there is no target {target!r}; there are {', '.join(names)}")
    return tuple([await _try(notifier, name) for name in names if target in {None, name}])


async def _try(notifier: Notifier, name: str) -> Tried:
    try:
        await notifier.send(name, TITLE, BODY)
    except NoticeRefused as refused:
        return Tried(target=name, ok=False, message=str(refused))
    return Tried(target=name, ok=True, message="sent")


def told(tried: Sequence[Tried]) -> Mapping[str, Any]:
    """What the audit trail tells of it."""
    return {"subject": "notifications", "after": {"targets": [asdict(one) for one in tried]}}
