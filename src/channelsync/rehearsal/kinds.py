"""Every kind of fault that a rehearsal brings about, by its row of the reliability reference."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

__all__ = ["KINDS"]

KINDS: Final = MappingProxyType(
    {
        "webhook lost": 1,
        "webhooks blacked out": 1,
        "webhook doubled": 2,
        "webhook overtaken by a later one": 3,
        "webhook hours late": 4,
        "webhook told what a poll had counted": 5,
        "receiver too slow": 9,
        "receiver died": 9,
        "subscriptions dropped silently": 10,
        "throttled": 11,
        "server error, not done": 12,
        "server error, done all the same": 12,
        "answer was a page in HTML": 12,
        "answer was empty": 12,
        "slow answer": 13,
        "no connection": 13,
        "no answer, not done": 13,
        "no answer, done all the same": 14,
        "request arrived after its sender gave up": 15,
        "request arrived twice": 16,
        "number accepted and never applied": 17,
        "batch applied in part": 18,
        "number edited by hand": 19,
        "number raised by hand": 19,
        "marketplace sold beyond its number": 20,
        "token expired or revoked": 21,
        "every order changed at once": 22,
        "orders came in several pages": 22,
        "orders visible late": 23,
        "crash at begin": 24,
        "crash at statement": 24,
        "crash at before commit": 24,
        "crash at after commit": 25,
        "crash at before request": 26,
        "crash at after request": 26,
        "process frozen": 27,
        "process frozen longer than a lease": 27,
        "clock minutes off": 29,
        "clock set forward or back": 29,
        "connection lost in a transaction": 30,
        "commit of unknown outcome, done": 30,
        "commit of unknown outcome, not done": 30,
        "database slow": 30,
        "start on a slow database": 29,
        "database busy": 31,
        "disk error": 31,
        "disk full": 32,
        "old backup restored": 33,
        "nonsense in a signed webhook": 36,
        "rush for one item": 37,
        "quotas changed": 38,
        "channel removed": 38,
        "goods broke that may be sold already": 39,
        "cart paid as it expired": 40,
        "order shipped in parts": 41,
        "order called off": 41,
    }
)
