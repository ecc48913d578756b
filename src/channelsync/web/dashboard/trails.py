"""The audit trail and transfers as tables, and the trail's check."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from channelsync.domain.permissions import Permission
from channelsync.engine.audit import AuditFilter, view_audit
from channelsync.engine.browse import Rows, Wanted
from channelsync.engine.core import Engine
from channelsync.engine.transfer_desk import TransferDesk
from channelsync.store.audit_chain import check_audit
from channelsync.web.dashboard.frame import Crumb, Frame
from channelsync.web.dashboard.marks import of_transfer
from channelsync.web.dashboard.table import Column, Table, chosen, typed
from channelsync.web.dashboard.words import said

__all__ = ["AUDIT", "TRANSFERS", "show_audit_check"]

TRANSFERS_MAX: Final = 500


async def _changes(_engine: Engine, tx: AsyncConnection, wanted: Wanted) -> Rows:
    looked_for = AuditFilter(actor=wanted.actor, action=wanted.kind, subject=wanted.subject)
    before = None if wanted.after is None else int(wanted.after)
    found = await view_audit(tx, looked_for, before=before, limit=wanted.limit)
    return [{**asdict(one), "was": said(one.before), "is": said(one.after)} for one in found]


AUDIT: Final = Table(
    key="audit",
    path="/audit",
    title="Audit trail",
    about="Who changed what, with what was before and after; each entry is chained to the one"
    " before it.",
    columns=(
        Column("position", "No.", "number"),
        Column("at", "When", "when"),
        Column("actor", "Who", "code"),
        Column("action", "Did", "code"),
        Column("subject", "To", "code"),
        Column("was", "Before", "long"),
        Column("is", "After", "long"),
        Column("request", "Request", "tail"),
    ),
    read=_changes,
    cursor="position",
    filters=(
        typed("actor", "Who"),
        typed("action", "Did", "kind"),
        typed("subject", "To"),
    ),
    permission=Permission.AUDIT_READ,
    empty="Nobody has changed anything yet.",
    template="audit.html",
)


async def show_audit_check(engine: Engine, frame: Frame, request: Request) -> Response:
    """Recompute the chain over the whole trail, and say what came of it."""
    async with engine.database.read() as tx:
        report = await check_audit(tx)
    return frame.page(
        request,
        "audit_check.html",
        active="audit",
        title="Is the trail as it was written?",
        crumbs=[Crumb("Audit trail", "/audit")],
        report=report,
    )


async def _transfers(engine: Engine, _tx: AsyncConnection, wanted: Wanted) -> Rows:
    desk, reach = TransferDesk(engine), wanted.reach
    found = await desk.list(closed=wanted.kind == "all", limit=TRANSFERS_MAX)
    return [
        _of_transfer(one)
        for one in found
        if reach.has_location(one.source) and reach.has_location(one.target)
    ]


def _of_transfer(one: Any) -> dict[str, Any]:
    differences = ", ".join(f"{units} {cause}" for cause, units in one.differences.items())
    return {**asdict(one), "standing": of_transfer(one), "otherwise": differences}


TRANSFERS: Final = Table(
    key="transfers",
    path="/transfers",
    title="Transfers",
    about="Units on their way from one location to another; the newest first.",
    columns=(
        Column("id", "No.", "transfer"),
        Column("sku", "SKU", "sku"),
        Column("source", "From"),
        Column("target", "To"),
        Column("units", "Units", "number"),
        Column("received", "Arrived", "number"),
        Column("in_transit", "In transit", "number"),
        Column("otherwise", "Differences", "long"),
        Column("created_at", "Begun", "when"),
        Column("shipped_at", "Left", "when"),
        Column("closed_at", "Ended", "when"),
        Column("standing", "State", "mark"),
    ),
    read=_transfers,
    paged=False,
    filters=(chosen("state", "Show", ("open", "all"), "kind"),),
    empty="Nothing is being moved. Send units begins it, or: `channelsync stock transfer`",
    template="transfers.html",
    note=f"The newest {TRANSFERS_MAX} are shown.",
)
