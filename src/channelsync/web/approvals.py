"""What wants a second approver: each kind of act, what it is about, and how it is done later.

An approval is worth what the act itself asks for in the table of routes, within the approver's own
reach. What a request is about is looked at when it is proposed and once more when it is approved;
where the two differ nothing is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from channelsync.configuration.editing import FileText, MerchantFile
from channelsync.configuration.problems import ConfigurationInvalid
from channelsync.domain.permissions import Permission, Principal, Reach
from channelsync.engine.audit import note_change
from channelsync.engine.channel_desk import ChannelRefused, UnknownChannel, require_channel
from channelsync.engine.core import Engine
from channelsync.engine.dead_letters import DeadLetterEnded, UnknownDeadLetter
from channelsync.engine.proposals import (
    About,
    ProposalRefused,
    Proposed,
    UnknownProposal,
    decide_proposal,
    make_proposal,
    require_another,
    waiting_proposal,
)
from channelsync.engine.stock_errors import StockRefused
from channelsync.engine.transfers_view import view_transfer
from channelsync.store.audit_chain import Change
from channelsync.store.tables import ChannelState, dead_letters, listings
from channelsync.web.access import TABLE
from channelsync.web.api.counter import Deed, Propose, Refusal, Risky, UseCase, plain
from channelsync.web.api.deeds import deciding, forgetting
from channelsync.web.api.proposed import ProposalShown
from channelsync.web.api.transfers import NewTransfer, TransferShown, beginning, shipping, stepping
from channelsync.web.desk.writing import changed_lines, writing
from channelsync.web.options import WebOptions

__all__ = ["approving", "may_decide", "proposing", "refusing", "shown_proposal", "told_of"]

Wanted: TypeAlias = Mapping[str, Any]
Look: TypeAlias = Callable[[WebOptions, AsyncConnection, Wanted, Reach], Awaitable[About]]
Do: TypeAlias = Callable[[WebOptions, Wanted, Principal], UseCase]


@dataclass(frozen=True, slots=True)
class _Kind:
    """An act that may want a second approver."""

    route: str
    """Its line in the table of routes says what it asks for."""
    told: Callable[[Wanted], str]
    look: Look
    do: Do

    @property
    def permission(self) -> Permission:
        asked = TABLE["POST", self.route]
        if not isinstance(asked, Permission):
            raise TypeError(f"{self.route} asks for no permission")
        return asked


# ------------------------------------------------------------------ each of them


async def _letter(_options: WebOptions, tx: AsyncConnection, wanted: Wanted, reach: Reach) -> About:
    number = int(wanted["number"])
    mine = sa.select(dead_letters).where(dead_letters.c.id == number)
    row = (await tx.execute(mine)).one_or_none()
    if row is None or not reach.has_channel(row.channel or ""):
        raise UnknownDeadLetter(number)
    if row.state != "dead":
        raise DeadLetterEnded(number, row.state)
    seen = {"channel": row.channel, "delivery": row.reference, "reason": row.reason}
    return About(seen=seen, channel=row.channel or "")


async def _channel(
    _options: WebOptions, tx: AsyncConnection, wanted: Wanted, reach: Reach
) -> About:
    name = str(wanted["channel"])
    if not reach.has_channel(name):
        raise UnknownChannel(name, None)
    row = await require_channel(tx, name)
    if row.state != ChannelState.REMOVED:
        raise ChannelRefused(f"channel {name} is still in the configuration: remove it there first")
    offers = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(listings.c.exposure), 0))
    number, units = (await tx.execute(offers.where(listings.c.channel == name))).one()
    return About(seen={"listings": number, "units_set_aside": int(units)}, channel=name)


def _file(options: WebOptions) -> MerchantFile:
    if options.merchant_file is None or options.read_proposal is None:
        raise Refusal(HTTPStatus.NOT_FOUND, "this daemon works without a file to edit")
    return options.merchant_file


async def _configuration(
    options: WebOptions, _tx: AsyncConnection, wanted: Wanted, _reach: Reach
) -> About:
    current = await asyncio.to_thread(_file(options).read)
    if current.digest != wanted["seen"]:
        raise ProposalRefused("the file was changed meanwhile by somebody else")
    gone, came = changed_lines(current.text, FileText(wanted["text"].encode()).text)
    return About(seen={"sha256": current.digest, "lines_gone": gone, "lines_new": came})


def _write(options: WebOptions, wanted: Wanted, _principal: Principal) -> UseCase:
    async def act(joined: Engine, tx: AsyncConnection) -> Deed:
        file, content = _file(options), str(wanted["text"]).encode()
        try:
            if options.read_proposal is not None:
                await asyncio.to_thread(options.read_proposal, content)
        except ConfigurationInvalid:
            detail = "the text is not right any more: a variable or a secret that it names is gone"
            raise Refusal(HTTPStatus.CONFLICT, detail) from None
        current = await asyncio.to_thread(file.read)
        deed = await writing(file, current, content, str(wanted["seen"]))(joined, tx)
        if options.file_written is not None:
            options.file_written()
        return deed

    return act


async def _transfer(
    _options: WebOptions, tx: AsyncConnection, wanted: Wanted, reach: Reach
) -> About:
    number = int(wanted["transfer"])
    try:
        view = await view_transfer(tx, number, None)
    except StockRefused:
        view = None
    if view is None or not all(map(reach.has_location, (view.source, view.target))):
        raise Refusal(HTTPStatus.NOT_FOUND, f"there is no transfer {number}")
    seen = plain(TransferShown.model_validate(view))
    return About(
        seen={name: seen[name] for name in _OF_A_TRANSFER},
        locations=(view.source, view.target),
    )


_OF_A_TRANSFER: Final = ("sku", "source", "target", "units", "state")


async def _new_transfer(
    _options: WebOptions, _tx: AsyncConnection, wanted: Wanted, reach: Reach
) -> About:
    places = (str(wanted["source"]), str(wanted["target"]))
    for place in places:
        if not reach.has_location(place):
            raise Refusal(HTTPStatus.NOT_FOUND, f"there is no location {place!r}")
    seen = {name: wanted[name] for name in ("sku", "source", "target", "units", "reason")}
    return About(seen=seen, locations=places)


KINDS: Final[Mapping[str, _Kind]] = {
    "dead_letter.drop": _Kind(
        "/dead-letters/{number}/drop",
        lambda wanted: f"Drop dead letter {wanted['number']}",
        _letter,
        lambda _o, wanted, me: deciding(int(wanted["number"]), "drop", me.reach),
    ),
    "channel.forget": _Kind(
        "/change/channels/{channel}/forget",
        lambda wanted: f"Forget channel {wanted['channel']}",
        _channel,
        lambda _o, wanted, me: forgetting(str(wanted["channel"]), me.name),
    ),
    "configuration.edit": _Kind(
        "/quotas/apply", lambda _: "Write the merchant's file", _configuration, _write
    ),
    "transfer.ship": _Kind(
        "/api/v1/transfers/{transfer_id}/ship",
        lambda wanted: f"Let the units of transfer {wanted['transfer']} leave by force",
        _transfer,
        lambda _o, wanted, me: stepping(
            int(wanted["transfer"]), me, shipping(int(wanted["transfer"]), force=True)
        ),
    ),
    "transfer.begin": _Kind(
        "/api/v1/transfers",
        lambda wanted: f"Send {wanted['units']} of {wanted['sku']} by force",
        _new_transfer,
        lambda _o, wanted, me: beginning(NewTransfer.model_validate(wanted), me.name),
    ),
}
"""By the name of the act in the trail."""


# ------------------------------------------------------------------ proposing and deciding


def told_of(proposed: Proposed) -> str:
    """What it would do, in words."""
    return KINDS[proposed.kind].told(proposed.request)


def may_decide(principal: Principal, proposed: Proposed) -> bool:
    """Whether somebody may do the same himself, and so decide about it."""
    kind = KINDS.get(proposed.kind)
    allowed = kind is not None and principal.may(kind.permission)
    return allowed and proposed.is_within(principal.reach)


def shown_proposal(proposed: Proposed) -> ProposalShown:
    """A proposal as the API tells of it."""
    return ProposalShown.model_validate({**asdict(proposed), "told": told_of(proposed)})


def proposing(options: WebOptions) -> Propose | None:
    """Keeps what is risky for a second approver; None: it is done at once."""
    seconds = options.approval_seconds
    if seconds is None:
        return None

    def propose(risky: Risky, principal: Principal) -> UseCase:
        async def act(joined: Engine, tx: AsyncConnection) -> Deed:
            kind = KINDS[risky.kind]
            about = await kind.look(options, tx, risky.request, principal.reach)
            made = await make_proposal(
                tx,
                risky.kind,
                risky.request,
                about,
                actor=principal.name,
                now=joined.now(),
                seconds=seconds,
            )
            after = {"act": made.kind, "told": told_of(made), "about": about.seen}
            return Deed(subject=f"proposal:{made.id}", answer=shown_proposal(made), after=after)

        return act

    return propose


def approving(
    options: WebOptions, number: int, principal: Principal, *, request: str | None
) -> UseCase:
    """Do what was proposed, exactly, in the approver's name; the trail tells both."""

    async def act(joined: Engine, tx: AsyncConnection) -> Deed:
        proposed = await _decidable(joined, tx, number, principal)
        await require_another(tx, proposed, principal.name)
        kind = KINDS[proposed.kind]
        about = await kind.look(options, tx, proposed.request, principal.reach)
        if plain(about.seen) != proposed.about.seen:
            raise ProposalRefused(
                "what it is about has changed since it was proposed: refuse it, and propose it anew"
            )
        now = joined.now()
        ended = await decide_proposal(tx, proposed, "approved", actor=principal.name, now=now)
        deed = await kind.do(options, proposed.request, principal)(joined, tx)
        # Told once it is done: what is noted stays, whatever is rolled back behind it.
        change = Change(
            at=now,
            actor=principal.name,
            action="proposal.approve",
            subject=f"proposal:{number}",
            before={"state": "waiting"},
            after={"state": "approved", "act": proposed.kind, "proposed_by": proposed.created_by},
            request=request,
        )
        await note_change(tx, change)
        return Deed(
            answer=shown_proposal(ended),
            subject=deed.subject,
            before=deed.before,
            after=deed.after,
        )

    return act


def refusing(number: int, principal: Principal) -> UseCase:
    """End a proposal without doing it; whoever made it may as well."""

    async def act(joined: Engine, tx: AsyncConnection) -> Deed:
        proposed = await _decidable(joined, tx, number, principal)
        now = joined.now()
        ended = await decide_proposal(tx, proposed, "refused", actor=principal.name, now=now)
        return Deed(
            answer=shown_proposal(ended),
            subject=f"proposal:{number}",
            before={"state": "waiting"},
            after={"state": "refused", "act": proposed.kind, "proposed_by": proposed.created_by},
        )

    return act


async def _decidable(
    joined: Engine, tx: AsyncConnection, number: int, principal: Principal
) -> Proposed:
    proposed = await waiting_proposal(tx, number, principal.reach, now=joined.now())
    if not may_decide(principal, proposed):
        raise UnknownProposal(number)
    return proposed
