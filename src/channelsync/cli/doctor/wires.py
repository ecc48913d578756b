"""What of ours goes over a network readably. Source: OWASP ASVS 5.0.0, 12.3."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

import sqlalchemy as sa

from channelsync.cli.doctor.lines import Line, attention, fine
from channelsync.settings import Settings

__all__ = ["wire_lines"]

AREA = "encryption"
WITH_TLS = frozenset({"require", "verify-ca", "verify-full", "true"})


def wire_lines(settings: Settings) -> Iterator[Line]:
    """Connections that leave this machine without encryption."""
    found = list(_plain(settings))
    yield from found
    if not found:
        yield fine(AREA, "nothing of ours leaves this machine readably")


def _plain(settings: Settings) -> Iterator[Line]:
    database = sa.make_url(settings.database)
    ssl = database.query.get("ssl", database.query.get("sslmode"))
    if database.get_backend_name() != "sqlite" and ssl not in WITH_TLS and _leaves(database.host):
        fix = "Add ?ssl=require to CHANNELSYNC_DATABASE_URL, or connect over a private network."
        yield attention(AREA, f"the database on {database.host} is spoken to without TLS", fix)
    if settings.redis_url is not None:
        redis = sa.make_url(settings.redis_url.get_secret_value())
        if redis.drivername == "redis" and _leaves(redis.host):
            fix = "Write rediss:// in CHANNELSYNC_REDIS_URL, or connect over a private network."
            yield attention(AREA, f"Redis on {redis.host} is spoken to without TLS", fix)
    if settings.anchor_url is not None:
        anchor = sa.make_url(settings.anchor_url)
        if anchor.drivername == "http" and _leaves(anchor.host):
            fix = "Write https:// in CHANNELSYNC_ANCHOR_URL."
            yield attention(AREA, f"anchors go to {anchor.host} without TLS", fix)
    if _leaves(settings.host) and not (settings.public_url or "").startswith("https://"):
        fix = "Put a proxy with a certificate in front, and name it in CHANNELSYNC_PUBLIC_URL."
        said = f"pages and API listen on {settings.host}, and nothing says that TLS is before them"
        yield attention(AREA, said, fix)


def _leaves(host: str | None) -> bool:
    """Whether who speaks to this host leaves the machine. A socket in a folder has no host."""
    if not host or host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return True
