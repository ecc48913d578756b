"""`/change/transfers`: units sent from one location to another, and what arrived of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync.domain.transfers import Difference, TransferState
from channelsync.engine.stock_errors import UnknownItem
from channelsync.engine.stock_places import find_item
from channelsync.store.stock_queries import load_locations
from channelsync.web.api.counter import Risky, require_reach
from channelsync.web.api.transfers import (
    Arrival,
    NewTransfer,
    Step,
    beginning,
    cancelling,
    forced_beginning,
    forced_shipping,
    receiving,
    shipping,
    stepping,
    transfer_within,
)
from channelsync.web.dashboard.frame import Crumb
from channelsync.web.dashboard.marks import of_transfer
from channelsync.web.desk.desk import Desk, Outcome, Question
from channelsync.web.desk.forms import Form, number, number_of, read_form, validated
from channelsync.web.gate import principal_of

__all__ = ["TransferPages"]

PATH: Final = "/change/transfers"
CRUMBS: Final = (Crumb("Transfers", "/transfers"),)
MINUTES_MAX: Final = 90 * 24 * 60
SKU_LENGTH_MAX: Final = 200
WRITTEN_OFF: Final[Sequence[tuple[Difference, str]]] = (
    (Difference.LOST, "Lost"),
    (Difference.DAMAGED, "Damaged"),
    (Difference.MISCOUNTED, "Never sent"),
)
"""What may have become of units that did not arrive fit for sale, as its fields are labelled."""


class TransferPages:
    """A page that begins one, and a page for each."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def routes(self) -> Sequence[Route]:
        """Where it all is."""
        one = f"{PATH}/{{number}}"
        return (
            Route(PATH, self.offer, methods=["GET"]),
            Route(PATH, self.begin, methods=["POST"]),
            Route(one, self.show, methods=["GET"]),
            Route(f"{one}/ship", self.ship, methods=["POST"]),
            Route(f"{one}/cancel", self.cancel, methods=["POST"]),
            Route(f"{one}/receive", self.receive, methods=["POST"]),
        )

    # -------------------------------------------------------------- beginning one

    async def offer(self, request: Request) -> Response:
        """The form that begins one."""
        sku = request.query_params.get("sku", "").strip()[:SKU_LENGTH_MAX]
        return await self._beginning(request, {"sku": sku})

    async def begin(self, request: Request) -> Response:
        """Reserve the units; they leave at once where no channel may still sell them."""
        form = await read_form(request)
        principal = principal_of(request)
        for place in (form.get("source"), form.get("target")):
            require_reach(principal, location=place)
        body, errors = validated(NewTransfer, _wanted(form))
        errors |= await self._unknown(form, errors)
        if body is None or errors:
            return await self._beginning(request, form.kept(), errors=errors)
        act = beginning(body, principal.name)
        risky = forced_beginning(body)
        outcome = await self._desk.do(request, form, "transfer.begin", act, risky=risky)
        if outcome.error is not None:
            return await self._beginning(request, form.kept(), outcome)
        if outcome.is_proposed:
            return self._desk.go(form, PATH, "proposed")
        done = "transfer-prepared" if outcome.answer["waits"] else "transfer-left"
        return self._desk.go(form, f"{PATH}/{outcome.answer['id']}", done)

    async def _unknown(self, form: Form, errors: Mapping[str, str]) -> dict[str, str]:
        """What can be said at a field before anything is done."""
        found: dict[str, str] = {}
        if form.get("source") == form.get("target"):
            found["target"] = "choose another location than the one that they leave"
        if "sku" not in errors:
            async with self._desk.engine.database.read() as tx:
                try:
                    await find_item(tx, form.get("sku"))
                except UnknownItem as unknown:
                    found["sku"] = str(unknown)
        return found

    async def _beginning(
        self,
        request: Request,
        values: Mapping[str, str],
        outcome: Outcome | None = None,
        errors: Mapping[str, str] | None = None,
    ) -> Response:
        reach = principal_of(request).reach
        async with self._desk.engine.database.read() as tx:
            found = [one for one in (await load_locations(tx)).values() if one.active]
        places = [(one.code, one.code) for one in found if reach.has_location(one.code)]
        return self._desk.page(
            request,
            "transfers",
            active="transfers",
            title="Send units",
            crumbs=CRUMBS,
            outcome=outcome,
            errors=errors,
            places=places,
            # The first two places differ, so that the form as it stands makes sense.
            values={"target": next((code for code, _ in places[1:]), "")} | dict(values),
        )

    # -------------------------------------------------------------- one transfer

    async def show(self, request: Request) -> Response:
        """A transfer, and what may be done about it."""
        return await self._page(request)

    async def ship(self, request: Request) -> Response:
        """The units leave; forced only by somebody who is sure that they have left already."""
        form, transfer_id = await read_form(request), number_of(request)
        force = form.get("force") == "yes"
        if force and not form.is_sure:
            return self._desk.ask(request, form, _force_question(transfer_id))
        step, risky = shipping(transfer_id, force=force), forced_shipping(transfer_id, force=force)
        return await self._do(request, form, "ship", step, risky)

    async def cancel(self, request: Request) -> Response:
        """The units stay where they are."""
        form = await read_form(request)
        return await self._do(request, form, "cancel", cancelling(number_of(request)))

    async def receive(self, request: Request) -> Response:
        """Take in what arrived, in one go or in several."""
        form = await read_form(request)
        body, errors = _arrived(form)
        minutes = number(form.get("minutes") or "0")
        if not isinstance(minutes, int) or not 0 <= minutes <= MINUTES_MAX:
            errors["minutes"] = f"whole minutes from 0 to {MINUTES_MAX} are wanted, or nothing"
        if body is None or errors or not isinstance(minutes, int):
            return await self._page(request, errors=errors, form=form)
        at = self._desk.engine.now() - 60.0 * minutes if form.get("minutes") else None
        step = receiving(number_of(request), body, at)
        return await self._do(request, form, "receive", step)

    async def _do(
        self, request: Request, form: Form, name: str, step: Step, risky: Risky | None = None
    ) -> Response:
        transfer_id = number_of(request)
        act = stepping(transfer_id, principal_of(request), step)
        outcome = await self._desk.do(request, form, f"transfer.{name}", act, risky=risky)
        if outcome.error is not None:
            return await self._page(request, outcome, form=form)
        if outcome.is_proposed:
            return self._desk.go(form, f"{PATH}/{transfer_id}", "proposed")
        done = {"ship": "left", "cancel": "cancelled", "receive": "received"}[name]
        return self._desk.go(form, f"{PATH}/{transfer_id}", f"transfer-{done}")

    async def _page(
        self,
        request: Request,
        outcome: Outcome | None = None,
        errors: Mapping[str, str] | None = None,
        form: Form | None = None,
    ) -> Response:
        reach, transfer_id = principal_of(request).reach, number_of(request)
        transfer = await transfer_within(self._desk.engine, transfer_id, reach)
        return self._desk.page(
            request,
            "transfer",
            active="transfers",
            title=f"Transfer {transfer.id}",
            crumbs=CRUMBS,
            outcome=outcome,
            errors=errors,
            transfer=transfer,
            standing=of_transfer(transfer),
            path=f"{PATH}/{transfer.id}",
            is_prepared=transfer.state == TransferState.PREPARING,
            is_under_way=transfer.state == TransferState.IN_TRANSIT,
            written_off=WRITTEN_OFF,
            values={"arrived": transfer.in_transit} if form is None else form.kept(),
        )


def _wanted(form: Form) -> dict[str, Any]:
    texts = {name: form.get(name) for name in ("sku", "source", "target", "reason")}
    return texts | {"units": number(form.get("units")), "force": form.get("force") == "yes"}


def _arrived(form: Form) -> tuple[Arrival | None, dict[str, str]]:
    """What arrived, or what is wrong with each field."""
    given = {"arrived": number(form.get("arrived")), "reason": form.get("reason")}
    missing = {cause: number(form.get(cause) or "0") for cause, _ in WRITTEN_OFF}
    errors = {
        str(cause): "a whole number, not below 0, is wanted"
        for cause, units in missing.items()
        if not isinstance(units, int) or units < 0
    }
    body, others = validated(Arrival, given | {"written_off": {} if errors else missing})
    if "written_off" in others:
        others[Difference.LOST] = others.pop("written_off")
    return body, errors | others


def _force_question(transfer_id: int) -> Question:
    return Question(
        title="Have the units left already?",
        text="They are booked as gone at once, though channels may still sell some of them. What"
        " was sold meanwhile is recorded as a shortfall. This cannot be undone: units that come"
        " back are received, or counted.",
        button="They have left",
        back=f"{PATH}/{transfer_id}",
        active="transfers",
    )
