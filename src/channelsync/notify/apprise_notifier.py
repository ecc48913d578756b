"""Messages to people through Apprise: mail, chat, push services, by URL.

Apprise is an extra (`channelsync[notify]`) and is loaded when the first message is sent. An
address holds passwords, so it is shown to nobody: people know their targets by name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from pydantic import SecretStr

from channelsync.ports import NoticeRefused, NoticeUnanswered

__all__ = ["AppriseNotifier"]

ANSWER_SECONDS_MAX: Final = 25.0
"""Well within the lease of the work that sends."""


class AppriseNotifier:
    """The targets of one configuration."""

    def __init__(self, targets: Mapping[str, SecretStr]) -> None:
        self._targets = dict(targets)

    async def send(self, target: str, title: str, body: str) -> None:
        """Send one message.

        Raises:
            NoticeRefused: it did not arrive, as far as can be told; the message says why.
        """
        try:
            import apprise
        except ModuleNotFoundError:
            raise NoticeRefused("Apprise is not installed: install channelsync[notify]") from None
        url = self._targets.get(target)
        if url is None:
            raise NoticeRefused(f"there is no target {target!r} under notifications.targets")
        service = apprise.Apprise.instantiate(url.get_secret_value(), suppress_exceptions=True)
        if not isinstance(service, apprise.NotifyBase):
            raise NoticeRefused(f"the address of {target} is none that Apprise knows")
        door = apprise.Apprise(asset=apprise.AppriseAsset(plugin_paths=[]))
        door.add(service)
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                arrived = await door.async_notify(
                    title=title, body=body, body_format=apprise.NotifyFormat.TEXT
                )
        except TimeoutError:
            why = f"{service.service_name} did not answer within {ANSWER_SECONDS_MAX:.0f} s"
            raise NoticeUnanswered(why) from None
        if not arrived:
            raise NoticeRefused(f"{service.service_name} did not take it")
