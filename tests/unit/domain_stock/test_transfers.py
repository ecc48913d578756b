"""What may become of units on their way: nothing arrives twice, nothing gets lost unsaid."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channelsync.domain.errors import InvariantViolated, TransferConflict
from channelsync.domain.transfers import (
    Difference,
    Transfer,
    TransferState,
    cancel,
    receive,
    ship,
)

LOST, DAMAGED, SURPLUS = Difference.LOST, Difference.DAMAGED, Difference.SURPLUS


def sent(units: int) -> Transfer:
    return ship(Transfer(units=units))


def test_units_leave_once_and_only_while_they_are_prepared() -> None:
    transfer = Transfer(units=5)
    assert transfer.in_transit == 0
    under_way = ship(transfer)
    assert (under_way.state, under_way.in_transit) == (TransferState.IN_TRANSIT, 5)
    for refused in (ship, cancel):
        with pytest.raises(TransferConflict, match="the transfer is in transit"):
            refused(under_way)
    gone = cancel(transfer)
    with pytest.raises(TransferConflict, match="the transfer is cancelled"):
        ship(gone)
    with pytest.raises(TransferConflict, match="the transfer is preparing"):
        receive(transfer, 5, {})


def test_it_is_received_once_every_unit_is_accounted_for() -> None:
    transfer, first = receive(sent(10), 6, {})
    assert (transfer.state, transfer.outstanding, first.arrived) == (TransferState.IN_TRANSIT, 4, 6)
    transfer, last = receive(transfer, 2, {LOST: 1, DAMAGED: 1})
    assert (transfer.state, transfer.in_transit) == (TransferState.RECEIVED, 0)
    assert (last.arrived, dict(last.written_off)) == (2, {LOST: 1, DAMAGED: 1})
    with pytest.raises(TransferConflict, match="the transfer is received"):
        receive(transfer, 1, {})


def test_more_may_arrive_than_was_sent_but_not_beside_losses() -> None:
    transfer, receipt = receive(sent(10), 12, {})
    assert (receipt.arrived, receipt.surplus, transfer.received) == (10, 2, 10)
    assert transfer.state is TransferState.RECEIVED
    with pytest.raises(TransferConflict, match="10 units are under way: 9 cannot have arrived whi"):
        receive(sent(10), 9, {LOST: 2})


@pytest.mark.parametrize(
    ("arrived", "written_off"),
    [(0, {}), (0, {LOST: 0}), (-1, {}), (5, {LOST: -1}), (5, {SURPLUS: 1})],
)
def test_numbers_that_say_nothing_are_refused(
    arrived: int, written_off: dict[Difference, int]
) -> None:
    with pytest.raises(TransferConflict):
        receive(sent(10), arrived, written_off)


def test_a_transfer_that_does_not_add_up_cannot_be_made() -> None:
    several: list[dict[str, Any]] = [
        {"units": 0},
        {"units": 5, "received": 6},
        {"units": 5, "written_off": -1},
    ]
    for broken in several:
        with pytest.raises(InvariantViolated):
            Transfer(**broken)


RECEIPTS = st.lists(
    st.tuples(
        st.integers(0, 12),
        st.dictionaries(st.sampled_from([LOST, DAMAGED]), st.integers(0, 4), max_size=2),
    ),
    max_size=8,
)


@given(units=st.integers(1, 20), receipts=RECEIPTS)
def test_whatever_is_received_every_unit_is_in_one_place(
    units: int, receipts: list[tuple[int, dict[Difference, int]]]
) -> None:
    transfer = sent(units)
    on_hand = lost = surplus = 0
    for arrived, written_off in receipts:
        try:
            transfer, receipt = receive(transfer, arrived, written_off)
        except TransferConflict:
            continue
        on_hand += receipt.arrived
        surplus += receipt.surplus
        lost += sum(receipt.written_off.values())
        assert on_hand + lost + transfer.in_transit == units
        assert surplus == 0 or transfer.state is TransferState.RECEIVED
