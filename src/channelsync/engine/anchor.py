"""Anchor: tell the heads of ledger and audit trail outside, so that nobody writes them anew unseen.

Whoever may write to the database may also write a whole new chain that holds in itself. He cannot
change what was told elsewhere before: a log collector, a file on another machine, a webhook's
receiver. `channelsync verify --anchor` holds what was told against the chain.

Telling may repeat itself after a failure; a head told twice is the same head.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol

import httpx
import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.domain.vocabulary import Instant
from channelsync.engine.core import Engine
from channelsync.engine.stock_changes import spoken_instant
from channelsync.engine.work import Claim, require_lease
from channelsync.sdk.errors import ConnectorError
from channelsync.sdk.http import http_client
from channelsync.sdk.signatures import decode_standard_secret, standard_webhook_signature
from channelsync.settings import Settings
from channelsync.store.audit_chain import load_trail_head
from channelsync.store.chain import Head, load_head
from channelsync.store.chain_check import Anchor
from channelsync.store.tables import anchors

__all__ = [
    "AnchorFile",
    "AnchorLog",
    "AnchorPlace",
    "AnchorUnreadable",
    "AnchorWebhook",
    "Anchoring",
    "NotAnchored",
    "anchor",
    "open_anchoring",
    "read_anchors",
]

FIRST_LOOK_SECONDS: Final = 60.0
"""How soon to look again while nothing is sealed yet."""
_DIGEST: Final = re.compile(r"[0-9A-Fa-f]{64}")
_log = structlog.get_logger("channelsync.ledger")


class NotAnchored(ConnectorError):
    """A place could not be told; it is told again after a pause."""


class AnchorUnreadable(Exception):
    """What was given as an anchor is none; the message says where."""


class AnchorPlace(Protocol):
    """Somewhere that the head is told."""

    @property
    def name(self) -> str:
        """For people."""

    async def tell(self, told: dict[str, Any], message_id: str, *, now: Instant) -> None:
        """Tell it, for good.

        Raises:
            NotAnchored: it is not certain that it was.
        """


@dataclass(frozen=True, slots=True)
class AnchorLog:
    """A line in the log, for whoever collects logs elsewhere."""

    name: str = "log"

    async def tell(self, told: dict[str, Any], message_id: str, *, now: Instant) -> None:
        """Log it."""
        _log.info("ledger anchored", **told)


@dataclass(frozen=True, slots=True)
class AnchorFile:
    """A file of JSON lines, best on another machine or where nothing can be overwritten."""

    path: Path
    name: str = "file"

    async def tell(self, told: dict[str, Any], message_id: str, *, now: Instant) -> None:
        """Append a line and wait until it is on the disk."""
        line = json.dumps(told, separators=(",", ":")) + "\n"
        try:
            await asyncio.to_thread(self._append, line.encode())
        except OSError as error:
            raise NotAnchored(f"{self.path} cannot be written: {error.strerror}") from error

    def _append(self, line: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        descriptor = os.open(self.path, flags, 0o644)
        try:
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class AnchorWebhook:
    """An address that is sent a signed request, as the Standard Webhooks specification has it."""

    url: str
    secret: bytes
    http: httpx.AsyncClient
    name: str = "webhook"

    async def tell(self, told: dict[str, Any], message_id: str, *, now: Instant) -> None:
        """Send it; any 2xx answer is a receipt."""
        at = int(now)
        event = {"type": "ledger.anchored", "timestamp": spoken_instant(now), "data": told}
        body = json.dumps(event, separators=(",", ":")).encode()
        headers = {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(at),
            "webhook-signature": standard_webhook_signature(self.secret, message_id, at, body),
        }
        try:
            response = await self.http.post(self.url, content=body, headers=headers)
        except httpx.RequestError as error:
            raise NotAnchored(f"no answer from {self.url}: {type(error).__name__}") from error
        if not response.is_success:
            raise NotAnchored(f"{self.url} answered {response.status_code} to the ledger's head")


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchoring:
    """Where the head is told, and how often."""

    places: Sequence[AnchorPlace] = (AnchorLog(),)
    interval_seconds: float = 3_600.0


async def anchor(engine: Engine, held: Claim, anchoring: Anchoring) -> Instant | None:
    """Tell the head everywhere it was not told before. Returns when to look again.

    Raises:
        NotAnchored: some place was not told and must be tried again; the others were.
    """
    async with engine.database.read() as tx:
        head, trail = await load_head(tx), await load_trail_head(tx)
        known = await _told_before(tx)
    now_at = (head.position, trail[0])
    places = [place for place in anchoring.places if known.get(place.name) != now_at]
    told, failures = [], []
    for place in places if head.position else ():
        try:
            await place.tell(*_message(head, trail, engine.now()), now=engine.now())
        except NotAnchored as error:
            failures.append(str(error))
        else:
            told.append(place.name)
    async with engine.database.write() as tx:
        now = engine.now()
        await require_lease(tx, held, now=now)
        row = {"at": now, "position": head.position, "digest": head.digest}
        row["trail_position"] = trail[0]
        if told:
            await tx.execute(sa.insert(anchors), [row | {"place": name} for name in told])
    if failures:
        raise NotAnchored("; ".join(failures))
    pause = anchoring.interval_seconds
    return engine.now() + (pause if head.position else min(pause, FIRST_LOOK_SECONDS))


async def _told_before(tx: AsyncConnection) -> dict[str, tuple[int, int]]:
    """The positions told last, of the ledger and of the trail, by place."""
    last = sa.select(sa.func.max(anchors.c.id)).group_by(anchors.c.place)
    query = sa.select(anchors).where(anchors.c.id.in_(last))
    return {row.place: (row.position, row.trail_position) for row in await tx.execute(query)}


def _message(head: Head, trail: tuple[int, str], now: Instant) -> tuple[dict[str, Any], str]:
    """What is told, and an id that is the same however often the heads are told."""
    told: dict[str, Any] = {
        "position": head.position,
        "movement": head.movement_id,
        "digest": head.digest,
        "at": spoken_instant(now),
    }
    message_id = f"ledger_{head.position}_{head.digest[:16]}"
    position, digest = trail
    if position:
        told["audit"] = {"position": position, "digest": digest}
        message_id += f"_{position}_{digest[:16]}"
    return told, message_id


def read_anchors(text: str) -> list[Anchor]:
    """Heads as they were told: `POSITION:DIGEST`, or JSON lines (of the file, or a whole log).

    A line of a log that tells no head is passed over.

    Raises:
        AnchorUnreadable: there is no head in it, or one that cannot be read.
    """
    found: list[Anchor] = []
    for number, line in enumerate(text.splitlines(), start=1):
        position, _, digest = line.strip().partition(":")
        if position.isascii() and position.isdigit():
            found.append(_anchor(number, int(position[:18]), digest))
        elif line.strip().startswith("{"):
            found += _from_json(number, line)
    if not found:
        raise AnchorUnreadable(
            "there is no head of a ledger in it: give a file of JSON lines as they were told, or"
            " POSITION:DIGEST"
        )
    return found


def _from_json(number: int, line: str) -> list[Anchor]:
    try:
        told = json.loads(line)
    except ValueError as error:
        raise AnchorUnreadable(f"line {number} begins like JSON and is none: {error}") from error
    inner = told.get("data") if isinstance(told.get("data"), dict) else told
    if "position" not in inner or "digest" not in inner:
        return []
    ledger = _anchor(number, inner["position"], inner["digest"])
    if not isinstance(inner.get("audit"), dict):
        return [ledger]
    trail = _anchor(number, inner["audit"].get("position"), inner["audit"].get("digest"))
    return [replace(ledger, trail_position=trail.position, trail_digest=trail.digest)]


def _anchor(number: int, position: Any, digest: Any) -> Anchor:
    is_digest = isinstance(digest, str) and _DIGEST.fullmatch(digest) is not None
    if not isinstance(position, int) or position < 1 or not is_digest:
        raise AnchorUnreadable(f"line {number} names no head: a position from 1 and 64 hex digits")
    return Anchor(position=position, digest=digest.lower())


async def open_anchoring(
    settings: Settings, opened: AsyncExitStack, transport: httpx.AsyncBaseTransport | None
) -> Anchoring:
    """Where the operator wants the ledger's head told. The client ends with `opened`."""
    places: list[AnchorPlace] = [AnchorLog()]
    if settings.anchor_file is not None:
        places.append(AnchorFile(settings.anchor_file))
    if settings.anchor_url is not None and settings.anchor_secret is not None:
        host = httpx.URL(settings.anchor_url).netloc.decode("ascii")
        client = http_client(allowed_hosts=(host,), transport=transport)
        await opened.enter_async_context(client)
        secret = decode_standard_secret(settings.anchor_secret.get_secret_value())
        places.append(AnchorWebhook(settings.anchor_url, secret, client))
    return Anchoring(places=tuple(places), interval_seconds=settings.anchor_interval_seconds)
