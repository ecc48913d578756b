"""The stage: what the live page shows of a demonstration, and its buttons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from channelsync.demo.catalogue import FLASH_SKU
from channelsync.demo.marketplaces import APPLIES_SECONDS, CHECKOUT_SECONDS, DELIVERIES
from channelsync.demo.shoppers import Shoppers
from channelsync.web.options import Button, Exhibit

__all__ = ["DemoStage"]

NOTES: Final = (
    "Amazon, Shopify and a Square till, simulated on this machine, over real HTTP",
    "Amazon applies a number {:.0f} to {:.0f} s after taking it in".format(*APPLIES_SECONDS),
    f"{DELIVERIES.lose:.0%} of webhooks lost, {DELIVERIES.double:.0%} doubled, all late, shuffled",
    f"checkouts and quarantine shortened from minutes to {CHECKOUT_SECONDS:.0f} s",
)


@dataclass(slots=True)
class DemoStage:
    """Buttons act on the simulated marketplaces alone, never on the daemon."""

    shoppers: Shoppers
    deaf: bool = False

    def exhibit(self) -> Exhibit:
        """What to show now."""
        sold, by_us, by_till = self.shoppers.auditor.verdict()
        rival = self.shoppers.rival
        return Exhibit(
            title="Demonstration: a flash sale on the Aurora lamp",
            notes=NOTES,
            sold=sold,
            oversold=by_us,
            oversold_by_tills=by_till,
            rival="A plain quota pusher",
            rival_sold=sum(rival.accepted.values()),
            rival_oversold=rival.oversold,
            buttons=self._buttons(),
            featured=FLASH_SKU,
        )

    def _buttons(self) -> Sequence[Button]:
        offline = self.shoppers.town.shopify.faults.offline
        return (
            Button(
                name="offline",
                label="Bring Shopify back" if offline else "Take Shopify offline",
                pressed=offline,
                hint="Its shoppers go on buying; we can neither ask it nor tell it anything",
            ),
            Button(
                name="deaf",
                label="Let webhooks through" if self.deaf else "Drop all webhooks",
                pressed=self.deaf,
                hint="Sales are then found by polling alone",
            ),
            Button(
                name="past-slice",
                label="Keep the till to its slice"
                if self.shoppers.past_slice
                else "Let the till sell past its slice",
                pressed=self.shoppers.past_slice,
                hint="A till's sale is a fact that nobody can refuse: it shows as a shortfall",
            ),
        )

    async def press(self, button: str) -> None:
        """Do what a button says.

        Raises:
            KeyError: there is no such button.
        """
        shoppers = self.shoppers
        if button == "offline":
            faults = shoppers.town.shopify.faults
            faults.offline = not faults.offline
        elif button == "deaf":
            self.deaf = not self.deaf
            shoppers.town.lose_every_webhook(lose=self.deaf)
        elif button == "past-slice":
            shoppers.past_slice = not shoppers.past_slice
        else:
            raise KeyError(button)
