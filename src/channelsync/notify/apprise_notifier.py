"""Messages to people through Apprise: mail, chat, push services, by URL.

Apprise is an extra (`channelsync[notify]`) and is loaded when the first message is sent. An
address holds passwords, so it is shown to nobody: people know their targets by name.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from pydantic import SecretStr
from typing_extensions import override

from channelsync.ports import NoticeRefused, NoticeUnanswered

__all__ = ["AppriseNotifier"]

ANSWER_SECONDS_MAX: Final = 25.0
"""Well within the lease of the work that sends."""
_STATUS: Final = re.compile(r"\berror=(\d{3})\b")


class AppriseNotifier:
    """The targets of one configuration."""

    def __init__(self, targets: Mapping[str, SecretStr]) -> None:
        self._targets = dict(targets)
        self._one_at_a_time = asyncio.Lock()

    def names(self) -> tuple[str, ...]:
        """The targets there are, sorted."""
        return tuple(sorted(self._targets))

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
        name = service.service_name
        async with self._one_at_a_time:  # what Apprise logs meanwhile is about this message
            with _listening() as heard:
                try:
                    async with asyncio.timeout(ANSWER_SECONDS_MAX):
                        arrived = await door.async_notify(
                            title=title, body=body, body_format=apprise.NotifyFormat.TEXT
                        )
                except TimeoutError:
                    why = f"{name} did not answer within {ANSWER_SECONDS_MAX:.0f} s"
                    raise NoticeUnanswered(why) from None
        if not arrived:
            raise NoticeRefused(f"{name} did not take it{heard.said}")


class _Heard(logging.Handler):
    """What a service answered, as far as Apprise's log says it: the status and nothing else.

    The rest of such a line may quote addresses or what the service made of them.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said = ""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Keep the status."""
        if found := _STATUS.search(record.getMessage()):
            self.said = f" (it answered {found[1]})"
        elif "onnection" in record.getMessage():
            self.said = " (it could not be reached)"


@contextmanager
def _listening() -> Iterator[_Heard]:
    """Hear what Apprise says, and keep it out of our own log: its lines quote addresses."""
    heard, log = _Heard(), logging.getLogger("apprise")
    level, log.propagate = log.level, False
    log.addHandler(heard)
    log.setLevel(logging.WARNING)
    try:
        yield heard
    finally:
        log.removeHandler(heard)
        log.setLevel(level)
        log.propagate = True
