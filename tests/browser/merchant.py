"""A merchant's file, for pages that edit it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from channelsync.bootstrap import policy_of, setup_of
from channelsync.configuration.editing import MerchantFile
from channelsync.configuration.loading import load_bytes
from channelsync.engine.propose import Proposal
from tests.unit.configuration.samples import surroundings

__all__ = ["FILE", "editing"]

FILE = """\
version: 1
locations: {dc: {name: DC}}
channels:
  a:
    connector: square
    settings: {access_token: "${TOKEN}", location_id: L1, webhook_key: "${TOKEN}"}
allocation:
  quotas: {a: 50%}   # to begin with
"""


def editing(path: Path) -> dict[str, Any]:
    """What the web half is told where there is a file to edit; it is written first."""
    path.write_text(FILE, encoding="utf-8")
    return {
        "merchant_file": MerchantFile(path),
        "read_proposal": _proposed,
        "outgoing_key": b"k" * 32,
    }


def _proposed(content: bytes) -> Proposal:
    known = load_bytes(content, surroundings(environment={"TOKEN": "x"}), name="proposed")
    return Proposal(setup=setup_of(known), policy=policy_of(known))
