"""Every request and answer of three connectors in one run of the whole engine, by the schemas."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.exchanges.checks import Contracts, declared
from tests.support.exchanges.tally import Tally, play_and_check
from tests.support.sqs import sqs_server


@pytest.mark.contracts
@pytest.mark.timeout(300)
async def test_every_exchange_of_a_market_day_conforms_and_every_operation_is_called(
    contracts_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqs_server() as origin:
        tally = await play_and_check(tmp_path, origin, contracts_folder)
    assert tally.wrong() == []
    markets = declared().keys()
    ways = {one.way for one in tally.checked}
    assert ways >= {*markets, "queue", "webhooks of shopify", "webhooks of square"}
    statuses = {one.status for one in tally.checked if one.way in markets}
    assert statuses >= {200, 429, 500, 502, None}
    described = [one for one in tally.checked if one.described]
    assert {one.operation for one in described if one.way == "queue"} == {
        "ORDER_CHANGE",
        "FEED_PROCESSING_FINISHED",
        "LISTINGS_ITEM_MFN_QUANTITY_CHANGE",
    }
    with capsys.disabled():
        told = f"{len(tally.checked):,} exchanges, {len(described):,} of them by a schema"
        sys.stdout.write(f"\n{told}\n")
    _a_missing_operation_is_told(tally)


def _a_missing_operation_is_told(tally: Tally) -> None:
    fewer = replace(
        tally, checked=tuple(one for one in tally.checked if one.operation != "confirmShipment")
    )
    assert fewer.wrong() == ["amazon: confirmShipment was never called"]


@pytest.mark.contracts
def test_what_does_not_conform_is_told(contracts_folder: Path) -> None:
    told = Contracts(contracts_folder).notification('{"NotificationType": "ORDER_CHANGE"}')
    assert told.problems
    assert Tally((told,)).wrong()[0].startswith("queue: ORDER_CHANGE")
