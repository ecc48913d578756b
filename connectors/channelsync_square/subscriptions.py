"""Keeping the webhook subscription alive.

Square disables an address that has not answered for three weeks, after mails to the developer
(its "Webhooks overview"). Subscriptions belong to the application, so its own token is needed;
without it they are made by hand in Square's console.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from channelsync.sdk.types import Instant, SubscriptionReport
from channelsync.sdk.wire import Wire
from channelsync_square.api import Missing, SquareApi
from channelsync_square.settings import SquareSettings
from channelsync_square.webhooks import EVENT_TYPES, Keys
from channelsync_square.wire import understood

__all__ = ["Subscriptions"]

PATH: Final = "/v2/webhooks/subscriptions"
PAGES_MAX: Final = 100
NAME_LENGTH_MAX: Final = 64
HOUR_SECONDS: Final = 3_600.0


class Hook(Wire):
    """A subscription."""

    id: str
    name: str | None = None
    enabled: bool | None = None
    event_types: tuple[str, ...] | None = None
    notification_url: str | None = None
    signature_key: str | None = None


class HooksPage(Wire):
    """Of subscriptions."""

    subscriptions: tuple[Hook, ...] = ()
    cursor: str | None = None


class MadeHook(Wire):
    """A subscription just made."""

    subscription: Hook


class Subscriptions:
    """Lists and mends the application's subscription of one channel."""

    def __init__(
        self,
        api: SquareApi,
        settings: SquareSettings,
        keys: Keys,
        channel: str,
        now: Callable[[], Instant],
    ) -> None:
        self._api = api
        self._now = now
        self._settings = settings
        self._keys = keys
        self._name = f"channelsync {channel}"[:NAME_LENGTH_MAX]

    async def ensure_subscriptions(self, url: str) -> SubscriptionReport:
        """Make Square deliver every event that we need to `url`, once, and learn who signs.

        A subscription of our name that is disabled, lacks an event or points elsewhere is replaced.
        Others' subscriptions stay untouched. Without `application_token` nothing is done.

        Raises:
            ConnectorError: the list could not be read or mended now.
        """
        if self._settings.application_token is None:
            return SubscriptionReport()
        address = self._settings.notification_url or url
        hooks = await self._all()
        kept = next((one for one in hooks if _serves(one, address)), None)
        made = None if kept is not None else await self._create(address, hooks)
        superfluous = [one for one in hooks if one.name == self._name and one is not kept]
        # Deliveries of the old one may still be on their way, so its key is good for a while.
        signers = [one for one in (made, *hooks) if one is not None]
        self._keys.learn(
            tuple(
                one.signature_key
                for one in signers
                if one.signature_key and one.notification_url == address
            )
        )
        for hook in superfluous:
            await self._remove(hook)
        return SubscriptionReport(
            kept=tuple(sorted(EVENT_TYPES)) if kept is not None else (),
            created=tuple(sorted(EVENT_TYPES)) if made is not None else (),
            removed=tuple(sorted(kind for one in superfluous for kind in one.event_types or ())),
        )

    async def _all(self) -> list[Hook]:
        found: list[Hook] = []
        place = ""
        for _ in range(PAGES_MAX):
            token = self._settings.application_token
            answer = await self._api.call("GET", PATH + place, token=token)
            page = understood(HooksPage, answer)
            found += page.subscriptions
            if not page.cursor:
                break
            place = f"?cursor={quote(page.cursor, safe='')}"
        return found

    async def _create(self, address: str, hooks: list[Hook]) -> Hook:
        # One key for one state of the list: a lost answer, asked again, makes no second one. And
        # one for every hour: the answer about a subscription that is gone must not come again.
        seen = ",".join(sorted(one.id for one in hooks))
        state = f"{address} {seen} {self._now() // HOUR_SECONDS:.0f}"
        content = {
            "idempotency_key": hashlib.sha256(state.encode()).hexdigest()[:32],
            "subscription": {
                "name": self._name,
                "event_types": sorted(EVENT_TYPES),
                "notification_url": address,
                "api_version": self._settings.square_version,
            },
        }
        token = self._settings.application_token
        answer = await self._api.call("POST", PATH, content, token=token)
        return understood(MadeHook, answer).subscription

    async def _remove(self, hook: Hook) -> None:
        token = self._settings.application_token
        try:
            await self._api.call("DELETE", f"{PATH}/{quote(hook.id, safe='')}", token=token)
        except Missing:
            # Somebody else removed it meanwhile, which is just as well.
            return


def _serves(hook: Hook, address: str) -> bool:
    complete = set(EVENT_TYPES) <= set(hook.event_types or ())
    return hook.notification_url == address and hook.enabled is not False and complete
