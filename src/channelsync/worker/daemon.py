"""The daemon's background half: recover, set up, work, reload, drain."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

import structlog

from channelsync.domain.vocabulary import Instant
from channelsync.engine.anchor import Anchoring, anchor
from channelsync.engine.core import Engine
from channelsync.engine.deliver import Outgoing, deliver
from channelsync.engine.discover import discover
from channelsync.engine.events import sequence
from channelsync.engine.expire import expire
from channelsync.engine.notify import Notifying, notify
from channelsync.engine.poll import fetch, poll
from channelsync.engine.prune import Retention, prune
from channelsync.engine.publish import publish
from channelsync.engine.pull import pull
from channelsync.engine.receive import intake
from channelsync.engine.reconcile import reconcile, reconcile_together
from channelsync.engine.seal import seal
from channelsync.engine.settle import settle
from channelsync.engine.tell import tell
from channelsync.engine.watch import subscribe, watch
from channelsync.engine.work import Claim, WorkKind
from channelsync.worker.supervisor import Handler, InBatches, Supervisor

__all__ = ["DRAIN_SECONDS", "drain", "handlers"]

_log = structlog.get_logger("channelsync.worker")

DRAIN_SECONDS = 10.0
"""What is under way may take this long to finish after a stop; then it is cut off, and the next
start takes it as of unknown outcome."""


def handlers(
    public_url: str | None,
    anchoring: Anchoring | None = None,
    outgoing: Outgoing | None = None,
    notifying: Notifying | None = None,
    retention: Retention | None = None,
) -> Mapping[WorkKind, Handler]:
    """Who does which kind of work. Without `anchoring` the ledger's head is told in the log.

    Without `outgoing` nothing is sent to endpoints; what is for them waits. Without `notifying`
    nobody is told anything.
    """
    told, bell = anchoring or Anchoring(), notifying or Notifying()
    sending: dict[WorkKind, Handler] = {}
    if outgoing is not None:
        sending[WorkKind.DELIVER] = partial(deliver, outgoing=outgoing)

    async def subscribe_here(engine: Engine, held: Claim) -> Instant | None:
        return await subscribe(engine, held, public_url)

    async def anchor_there(engine: Engine, held: Claim) -> Instant | None:
        return await anchor(engine, held, told)

    async def prune_here(engine: Engine, held: Claim) -> Instant | None:
        return await prune(engine, held, retention or Retention())

    async def notify_them(engine: Engine, held: Claim) -> Instant | None:
        return await notify(engine, held, bell)

    return {
        WorkKind.INTAKE: intake,
        WorkKind.RECONCILE: InBatches(reconcile, reconcile_together),
        WorkKind.PUBLISH: publish,
        WorkKind.TELL: tell,
        WorkKind.SETTLE: settle,
        WorkKind.POLL: poll,
        WorkKind.PULL: pull,
        WorkKind.FETCH: fetch,
        WorkKind.DISCOVER: discover,
        WorkKind.SUBSCRIBE: subscribe_here,
        WorkKind.WATCH: watch,
        WorkKind.EXPIRE: expire,
        WorkKind.SEAL: seal,
        WorkKind.ANCHOR: anchor_there,
        WorkKind.SEQUENCE: sequence,
        WorkKind.NOTIFY: notify_them,
        WorkKind.PRUNE: prune_here,
        **sending,
    }


async def drain(supervisor: Supervisor, working: asyncio.Task[None]) -> bool:
    """Stop taking work and let what is under way finish. Returns whether all of it did."""
    supervisor.stop()
    done, _ = await asyncio.wait({working}, timeout=DRAIN_SECONDS)
    if not done:
        working.cancel()
        _log.warning("work under way was cut off at shutdown")
    return bool(done)
