"""Ears: what is to be learnt from the webhooks that we have taken in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import httpx

from channelsync.rehearsal.auditor import Auditor
from channelsync.rehearsal.stage import Stage

__all__ = ["Ears"]

HOURS: Final = 3_600.0
DAYS: Final = 86_400.0


@dataclass(slots=True)
class Ears:
    """Checks that an answered webhook is stored, and counts how it came."""

    stage: Stage
    auditor: Auditor
    _newest: float = 0.0

    def accepted(self, request: httpx.Request) -> None:
        """A process has answered that it has this."""
        self.auditor.acknowledged(hashlib.sha256(request.content).hexdigest())
        triggered = request.headers.get("X-Shopify-Triggered-At")
        if triggered is None:
            return
        at = datetime.fromisoformat(triggered).timestamp()
        if at < self._newest - 1.0:
            self.stage.happened("webhook overtaken by a later one")
        self._newest = max(self._newest, at)
        late = self.stage.now() - at
        if late > HOURS:
            self.stage.happened("webhook hours late" if late < DAYS else "webhook days late")
        if request.headers["X-Shopify-Topic"] == "orders/create":
            order = json.loads(request.content).get("admin_graphql_api_id")
            if self.auditor.rows("SELECT 1 FROM order_lines WHERE order_id = ?", order):
                self.stage.happened("webhook told what a poll had counted")
