"""One-time codes: what an authenticator app shows, and recovery codes for whoever has lost it.

A code belongs to a step of 30 seconds; the one before and the one after count as well, for clocks
that are a little wrong. Whoever accepts a code keeps its step and takes no earlier one and not the
same again. Recovery codes have 80 random bits each: a fast digest of them is enough to keep.
Sources: RFC 6238, 5.2; OWASP ASVS 5.0.0, 6.5.
"""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from typing import Final

import pyotp

from channelsync.domain.vocabulary import Instant

__all__ = [
    "RECOVERY_CODES",
    "STEP_SECONDS",
    "address_of",
    "new_recovery_codes",
    "new_secret",
    "plain_code",
    "step_of",
]

STEP_SECONDS: Final = 30
STEPS_BESIDE: Final = (-1, 0, 1)
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 10
ISSUER: Final = "channelsync"
_SIX_DIGITS: Final = re.compile(r"[0-9]{6}", re.ASCII)


def new_secret() -> str:
    """160 random bits, as apps take them: 32 letters and digits."""
    return pyotp.random_base32()


def address_of(secret: str, name: str, host: str | None = None) -> str:
    """What the picture says to the app: the secret, and whose it is where."""
    account = name if host is None else f"{name} ({host})"
    return pyotp.TOTP(secret).provisioning_uri(name=account, issuer_name=ISSUER)


def step_of(secret: str, code: str, *, now: Instant) -> int | None:
    """The step that a code belongs to; None: it is none of now."""
    if not _SIX_DIGITS.fullmatch(code):
        return None
    totp, present = pyotp.TOTP(secret), int(now // STEP_SECONDS)
    steps = [present + beside for beside in STEPS_BESIDE]
    # Each is compared, whichever it is: how long it takes says nothing.
    right = [hmac.compare_digest(totp.generate_otp(step), code) for step in steps]
    return max((step for step, is_it in zip(steps, right, strict=True) if is_it), default=None)


def new_recovery_codes() -> tuple[str, ...]:
    """Codes to write down: four groups of four letters and digits each."""
    made = (secrets.token_bytes(RECOVERY_BYTES) for _ in range(RECOVERY_CODES))
    texts = (base64.b32encode(one).decode().lower() for one in made)
    return tuple("-".join(re.findall("....", text)) for text in texts)


def plain_code(typed: str) -> str:
    """A code without the blanks and hyphens that people type."""
    return re.sub(r"[\s-]", "", typed).casefold()
