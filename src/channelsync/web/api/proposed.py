"""The answer to what is risky where a second user must approve it."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from channelsync.web.api.shapes import Moment, Shown

__all__ = ["PROPOSED", "ProposalShown"]


class ProposalShown(Shown):
    """What somebody has proposed, and another user must approve on the dashboard."""

    id: int
    kind: str = Field(description="The act, as the audit trail calls it.")
    told: str = Field(description="What it would do.", examples=["Drop dead letter 7"])
    state: Literal["waiting", "approved", "refused", "expired"]
    created_at: Moment
    created_by: str
    expires_at: Moment
    decided_at: Moment | None
    decided_by: str | None


PROPOSED: Final[dict[str, Any]] = {
    "model": ProposalShown,
    "description": "Nothing is done yet: it waits for a second user (CHANNELSYNC_SECOND_APPROVER).",
}
