"""The shop: registers with their numbering, the till's server, and what is true."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx

from channelsync.sdk.testing.faults import FaultPlan
from channelsync.sdk.types import Instant
from channelsync_pos.simulator.app import till_app
from channelsync_pos.simulator.courier import Courier
from channelsync_pos.simulator.log import Entry, EventLog
from channelsync_pos.times import iso
from channelsync_pos.wire import COUNTED, HEARTBEAT, RETURNED, SALE, VOIDED

__all__ = ["Register", "TillSimulator"]

CUSTOMERS: Final = ("Ada Canary", "Noor Canary", "Jo Canary")


@dataclass(slots=True)
class Register:
    """One register. What it does while offline waits on it, in order."""

    register_id: str
    last_contact: Instant
    online: bool = True
    sequence: int = 0
    waiting: list[Entry] = field(default_factory=list)
    uploads_to_lose: int = 0
    """So many of the next events vanish between register and server."""


@dataclass(slots=True)
class _Sale:
    register_id: str
    units: dict[str, int]
    """Not yet returned."""
    returned_from: bool = False


class TillSimulator:
    """A shop's till: what the clerks do, and everything that can go wrong on the way to us.

    The clerks sell whatever a customer carries to them. Whoever drives the simulation decides how
    much is carried: `shown` holds the numbers that the till was last told.
    """

    def __init__(
        self,
        *,
        now: Callable[[], Instant],
        rng: Random,
        location: str = "shop",
        registers: Sequence[str] = ("T1",),
        faults: FaultPlan | None = None,
        api_token: str | None = None,
    ) -> None:
        self.now = now
        self.rng = rng
        self.location = location
        self.faults = faults or FaultPlan()
        self.registers = {name: Register(name, now()) for name in registers}
        self.log = EventLog()
        self.courier: Courier | None = None
        self.shown: dict[str, int] = {}
        self.sold: dict[str, int] = {}
        self.came_back: dict[str, int] = {}
        """Back on the shelf: voided, or returned and fit for sale."""
        self.spoilt: dict[str, int] = {}
        """Returned, but not fit for the shelf."""
        self._sales: dict[str, _Sale] = {}
        self._returns = 0
        self.app = till_app(self, api_token=api_token)
        """The till's own API, an ASGI application."""

    def post_webhooks_to(
        self, url: str, *, client: httpx.AsyncClient, secrets: Sequence[str]
    ) -> Courier:
        """Post every event to `url` from now on. Returns the courier, which needs to be run."""
        self.courier = Courier(
            url=url,
            client=client,
            now=self.now,
            rng=self.rng,
            faults=self.faults,
            secrets=secrets,
        )
        return self.courier

    # ------------------------------------------------------------ what clerks do

    def sell(self, sku: str, units: int = 1, *, register: str | None = None) -> str:
        """Ring up units of one SKU; a clerk sells what a customer holds. Returns the sale's id."""
        return self.sell_basket({sku: units}, register=register)

    def sell_basket(self, basket: Mapping[str, int], *, register: str | None = None) -> str:
        """Ring up several SKUs. Returns the sale's id."""
        at = self._register(register)
        sale_id = f"{at.register_id}-{at.sequence + 1:06d}"
        self._sales[sale_id] = _Sale(at.register_id, dict(basket))
        for sku, units in basket.items():
            self.sold[sku] = self.sold.get(sku, 0) + units
        self._record(
            at,
            SALE,
            sale_id=sale_id,
            location=self.location,
            occurred_at=iso(self.now()),
            recorded_offline=not at.online,
            lines=[
                {"line_id": str(number), "sku": sku, "quantity": str(units), "unit_price": "9.90"}
                for number, (sku, units) in enumerate(basket.items(), start=1)
            ],
            currency="EUR",
            total="19.80",
            cashier={"name": self.rng.choice(CUSTOMERS)},
            customer={"name": self.rng.choice(CUSTOMERS), "email": "canary@mail.example"},
        )
        return sale_id

    def void(self, sale_id: str, *, register: str | None = None) -> None:
        """Take a whole sale back: its goods are on the shelf again.

        Raises:
            ValueError: something of it came back already.
        """
        sale = self._sales[sale_id]
        if sale.returned_from:
            raise ValueError(f"{sale_id} had a return: return the rest of it instead")
        del self._sales[sale_id]
        at = self._register(register or sale.register_id)
        self._add(self.came_back, sale.units)
        self._record(
            at,
            VOIDED,
            sale_id=sale_id,
            sale_register_id=sale.register_id,
            occurred_at=iso(self.now()),
            note="customer changed her mind, call 555 0100",
        )

    def take_back(
        self,
        sku: str,
        units: int = 1,
        *,
        sale_id: str | None = None,
        restock: bool = True,
        register: str | None = None,
    ) -> str:
        """Accept a return, of a known sale or of none. Returns the return's id.

        Raises:
            ValueError: more units than are left of that sale.
        """
        at = self._register(register)
        seller = self._take_from_sale(sale_id, sku, units) if sale_id is not None else None
        self._returns += 1
        return_id = f"R-{self._returns:05d}"
        self._add(self.came_back if restock else self.spoilt, {sku: units})
        data: dict[str, Any] = {"return_id": return_id}
        if sale_id is not None:
            data |= {"sale_id": sale_id, "sale_register_id": seller}
        line = {"line_id": "1", "sku": sku, "quantity": str(units), "restock": restock}
        self._record(
            at, RETURNED, **data, location=self.location, occurred_at=iso(self.now()), lines=[line]
        )
        return return_id

    def count(self, shelves: Mapping[str, int], *, register: str | None = None) -> None:
        """Report a stock-take of these SKUs, as of now."""
        self._record(
            self._register(register),
            COUNTED,
            location=self.location,
            as_of=iso(self.now()),
            lines=[{"sku": sku, "quantity": str(units)} for sku, units in shelves.items()],
        )

    def beat(self) -> None:
        """Every register that is online says so."""
        for register in self.registers.values():
            if register.online:
                self._record(register, HEARTBEAT)

    # ------------------------------------------------------------ the line to the server

    def go_offline(self, *registers: str) -> None:
        """Cut registers off (all, if none is named); they go on selling."""
        for name in registers or tuple(self.registers):
            self.registers[name].online = False

    def come_back(self, *registers: str) -> None:
        """Connect registers again; they upload what waited, in order."""
        for name in registers or tuple(self.registers):
            register = self.registers[name]
            register.online = True
            self._upload(register)

    def lose_uploads(self, register: str, count: int = 1) -> None:
        """Let a register's next uploads vanish on the way; `resend` brings them in."""
        self.registers[register].uploads_to_lose += count

    def resend(self, register: str, from_sequence: int) -> int:
        """Send a register's events again, from a number on. Returns how many."""
        again = self.log.of_register(register, from_sequence=from_sequence)
        for entry in again:
            self.log.restore(entry, at=self.now())
            self._announce(entry)
        return len(again)

    def statuses(self) -> list[dict[str, Any]]:
        """What the server tells of each register."""
        for register in self.registers.values():
            if register.online:
                register.last_contact = self.now()
        return [
            {
                "register_id": register.register_id,
                "last_contact": iso(register.last_contact),
                "sequence": register.sequence - len(register.waiting),
                "received_to": self.log.received_to(register.register_id),
            }
            for register in self.registers.values()
        ]

    # ------------------------------------------------------------ what is true

    def net_units(self, sku: str) -> int:
        """Units of a SKU that left the shop's shelves for good: sold, less what is back on them."""
        return self.sold.get(sku, 0) - self.came_back.get(sku, 0)

    @property
    def open_sales(self) -> tuple[str, ...]:
        """Sales of which nothing came back, oldest first: they can be voided."""
        return tuple(name for name, sale in self._sales.items() if not sale.returned_from)

    # ------------------------------------------------------------ inner works

    def _register(self, name: str | None) -> Register:
        return self.registers[name] if name else self.rng.choice(tuple(self.registers.values()))

    def _record(self, register: Register, kind: str, **told: Any) -> None:
        register.sequence += 1
        data = {"register_id": register.register_id, "sequence": register.sequence, **told}
        register.waiting.append(Entry(kind=kind, data=data))
        if register.online:
            self._upload(register)

    def _upload(self, register: Register) -> None:
        register.last_contact = self.now()
        uploads, register.waiting = register.waiting, []
        for entry in uploads:
            if register.uploads_to_lose:
                register.uploads_to_lose -= 1
                self.faults.count("upload_lost")
                self.log.lose(entry)
                continue
            self.log.append(entry, at=self.now())
            self._announce(entry)

    def _take_from_sale(self, sale_id: str, sku: str, units: int) -> str:
        sale = self._sales[sale_id]
        left = sale.units.get(sku, 0)
        if units > left:
            raise ValueError(f"{units} of {sku} came back, {left} are left of {sale_id}")
        sale.units[sku] = left - units
        sale.returned_from = True
        return sale.register_id

    def _announce(self, entry: Entry) -> None:
        if self.courier is not None:
            self.courier.send(entry.kind, entry.data)

    @staticmethod
    def _add(to: dict[str, int], units: Mapping[str, int]) -> None:
        for sku, count in units.items():
            to[sku] = to.get(sku, 0) + count
