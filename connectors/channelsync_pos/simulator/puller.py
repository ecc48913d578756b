"""A till that cannot be called: it asks for its numbers, and posts its sales in batches."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from channelsync_pos.simulator.till import TillSimulator

__all__ = ["BATCH_ROWS_MAX", "TillPuller"]

BATCH_ROWS_MAX: Final = 500


@dataclass(slots=True)
class _Batch:
    """Rows that were sent and not yet answered: sent again, they keep their key and bytes."""

    key: str
    body: bytes
    end: int


@dataclass(slots=True)
class TillPuller:
    """Speaks to `{base_url}/pos/v1/{channel}` with an API key."""

    till: TillSimulator
    client: httpx.AsyncClient
    base_url: str
    channel: str
    api_key: str
    results: list[dict[str, Any]] = field(default_factory=list)
    """One a row, in the order of the till's events."""
    _posted: int = 0
    _pending: _Batch | None = None
    _cursor: str | None = None
    _etag: str | None = None

    async def pull_stock(self) -> int:
        """Ask for numbers that changed since the last time, and show them. Returns how many."""
        query = {"location": self.till.location}
        if self._cursor is not None:
            query["since"] = self._cursor
        headers = self._headers() | ({"if-none-match": self._etag} if self._etag else {})
        response = await self.client.get(self._url("stock"), params=query, headers=headers)
        if response.status_code == httpx.codes.NOT_MODIFIED:
            return 0
        response.raise_for_status()
        answer = response.json()
        for item in answer["items"]:
            self.till.shown[item["sku"]] = int(item["available"])
        self._cursor = answer["next"]
        self._etag = response.headers.get("etag")
        return len(answer["items"])

    async def post_sales(self) -> int:
        """Post every event not posted yet. Returns how many rows were answered.

        Raises:
            httpx.HTTPError: a batch was refused or lost; the next call sends the same again.
        """
        answered = 0
        while batch := self._pending or self._next_batch():
            self._pending = batch
            response = await self.client.post(
                self._url("sales"),
                content=batch.body,
                headers=self._headers()
                | {"content-type": "application/json", "idempotency-key": batch.key},
            )
            response.raise_for_status()
            results = response.json()["results"]
            self.results += results
            answered += len(results)
            self._posted, self._pending = batch.end, None
        return answered

    def _next_batch(self) -> _Batch | None:
        entries = self.till.log.page(self._posted, BATCH_ROWS_MAX)
        if not entries:
            return None
        rows = [{"type": entry.kind, **entry.data} for entry in entries]
        return _Batch(
            key=f"{self.till.rng.getrandbits(128):032x}",
            body=json.dumps({"sales": rows}).encode(),
            end=self._posted + len(entries),
        )

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.api_key}"}

    def _url(self, what: str) -> str:
        return f"{self.base_url}/pos/v1/{self.channel}/{what}"
