"""A secret of a second factor on its way into an app: as a picture, a text and a link."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import segno
from markupsafe import Markup

from channelsync.security.one_time import address_of

__all__ = ["ShownSecret", "shown_secret"]

BORDER_MODULES: Final = 4
"""As the standard wants it around the picture: ISO/IEC 18004, 9.1."""


@dataclass(frozen=True, slots=True)
class ShownSecret:
    """A secret on its way into an app."""

    picture: Markup
    text: str
    """In groups of four, for whoever types it."""
    address: str
    """A link that an app on the same machine takes."""


def shown_secret(secret: str, name: str, public_url: str | None) -> ShownSecret:
    """The secret of somebody here, as apps take it."""
    host = urlsplit(public_url).hostname if public_url else None
    address = address_of(secret, name, host)
    drawn = segno.make(address, error="m", micro=False).svg_inline(
        border=BORDER_MODULES, dark="#000", light="#fff", omitsize=True, svgclass="qr"
    )
    # Drawn from modules alone: nothing of the name or the host stands in it as text.
    picture = Markup(drawn)  # noqa: S704
    return ShownSecret(picture, " ".join(re.findall(".{1,4}", secret)), address)
