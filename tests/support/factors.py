"""An authenticator app, and somebody who has one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pyotp

from channelsync.security.one_time import STEP_SECONDS
from channelsync.web.factors import factors_of
from tests.support.signed_in import PASSWORD, Door

__all__ = ["App", "codes_on", "secret_on", "switch_on"]


@dataclass
class App:
    """What a telephone has after the picture was scanned."""

    secret: str
    clock: Any

    def code(self, *, steps_off: int = 0) -> str:
        """The code of now, or of some steps beside it."""
        step = int(self.clock.at // STEP_SECONDS) + steps_off
        return pyotp.TOTP(self.secret).generate_otp(step)

    def fresh(self) -> str:
        """The next code, once it is there: none is taken twice."""
        self.clock.at += STEP_SECONDS
        return self.code()


def secret_on(text: str) -> str:
    """The secret that a page shows."""
    (found,) = re.findall(r'class="secret"><code>([A-Z2-7 ]+)</code>', text)
    return str(found).replace(" ", "")


def codes_on(text: str) -> list[str]:
    """The recovery codes that a page shows."""
    return re.findall(r"<code>((?:[a-z2-7]{4}-){3}[a-z2-7]{4})</code>", text)


async def switch_on(door: Door, name: str) -> tuple[App, tuple[str, ...]]:
    """A second factor for a user who is there, without a page: his app and recovery codes."""
    factors = factors_of(door.house.engine, door.web_options)
    await factors.prepare(name, present=PASSWORD)
    async with factors.database.read() as tx:
        secret = (await factors.state(tx, name)).prepared
    assert secret is not None
    app = App(secret, door.house.clock)
    return app, await factors.confirm(name, app.code(), session=None)
