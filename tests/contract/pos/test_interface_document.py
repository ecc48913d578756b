"""Every example in the till's interface is read by the connector as the page says."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from channelsync.sdk.connector import Manifest
from channelsync.sdk.signatures import decode_standard_secret, standard_webhook_signature
from channelsync.sdk.types import Parsed
from channelsync_pos import connector
from channelsync_pos.drop.rows import COLUMNS
from channelsync_pos.drop.sheet import read_report
from channelsync_pos.settings import TillSettings
from channelsync_pos.simulator.app import till_app
from channelsync_pos.wire import EVENTS
from tests.support.checkout import ROOT
from tests.support.till import Clock, Shelves, asked_till, heard_till, signed, simulator

PAGE = (ROOT / "docs/reference/pos-interface.md").read_text(encoding="utf-8")
EXAMPLES: list[Any] = [
    json.loads(block) for block in re.findall(r"```json[^\n]*\n(.*?)```", PAGE, re.DOTALL)
]
WEBHOOKS = [one for one in EXAMPLES if "data" in one]
CLOCK = Clock(1_795_289_600.0)
"""After every time on the page."""


def only(name: str) -> dict[str, Any]:
    found: list[dict[str, Any]] = [one for one in EXAMPLES if name in one]
    assert len(found) == 1
    return found[0]


async def parsed(example: dict[str, Any]) -> Parsed:
    till = await heard_till(CLOCK)
    request = signed(example, timestamp=int(CLOCK()), received_at=CLOCK())
    return till.parse(till.verify_webhook(request))


def test_every_type_has_its_section_and_its_example() -> None:
    assert sorted(one["type"] for one in WEBHOOKS) == sorted(EVENTS)
    for kind in EVENTS:
        assert f"### `{kind}`" in PAGE


@pytest.mark.parametrize("example", WEBHOOKS, ids=[one["type"] for one in WEBHOOKS])
async def test_every_example_of_an_event_is_read(example: dict[str, Any]) -> None:
    told = await parsed(example)
    assert [one.sequence for one in told.sequences] == [example["data"]["sequence"]]
    lines = example["data"].get("lines", ())
    assert len(told.facts) + len(told.counts) == len(lines)


async def test_the_example_of_a_void_takes_back_the_example_of_a_sale() -> None:
    shelves = Shelves()
    for example in WEBHOOKS:
        if example["type"].startswith("pos.sale."):
            shelves.hear(await parsed(example))
    assert shelves.net_units() == {"MUG-RED": 0}


def test_the_example_of_a_signature_is_right() -> None:
    match = re.search(
        r"secret `(\S+)`, the id `(\S+)`, the timestamp `(\d+)` and the body `(.+?)` give `(\S+)`",
        PAGE,
    )
    assert match is not None
    secret, message_id, timestamp, body, signature = match.groups()
    key = decode_standard_secret(secret)
    found = standard_webhook_signature(key, message_id, int(timestamp), body.encode())
    assert found == signature


async def test_the_example_of_a_batch_is_read_row_by_row() -> None:
    till, shelves = await heard_till(CLOCK), Shelves()
    for row in only("sales")["sales"]:
        shelves.hear(till.parse_batch(row))
    assert shelves.net_units() == {"CAP-NAVY": 0}


async def test_the_example_of_the_tills_answer_is_read_and_complete_as_the_page_explains() -> None:
    answer = only("events")
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    till = await asked_till(transport, CLOCK)
    page = await till.orders_since(till.first_cursor(0.0))
    assert [fact.order_id for fact in page.facts] == ["T3/T3-000871"]
    oldest_contact = 1_795_255_200.0 + 2 * 60 + 3
    assert page.complete_to == oldest_contact


async def test_the_example_of_numbers_shown_is_understood_by_the_simulated_till() -> None:
    till = simulator(CLOCK)
    transport = httpx.ASGITransport(till_app(till, api_token=None))
    async with httpx.AsyncClient(transport=transport, base_url="http://till.test") as http:
        response = await http.put("/stock", json=only("op_id"))
    assert response.status_code == 200
    assert till.shown == {"MUG-RED": 4}


def test_the_example_of_settings_names_every_setting_and_loads() -> None:
    called, filed = [
        YAML(typ="safe").load(block)["channels"]
        for block in re.findall(r"```yaml[^\n]*\n(.*?)```", PAGE, re.DOTALL)
    ]
    given, drops = called["soho-till"]["settings"], filed["dock-till"]["settings"]
    given["webhook_secret"] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert TillSettings.model_validate(given).registers == ("T1", "T3")
    assert TillSettings.model_validate(drops).drop_folder
    named = given.keys() | drops.keys() | {"webhook_secret_old"}
    assert named == TillSettings.model_fields.keys()
    assert "`webhook_secret_old`" in PAGE


def test_the_example_of_a_report_is_read() -> None:
    block = re.search(r"```csv[^\n]*\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    content = block[1].encode()
    report = read_report(content, register_id="T3", zone=None, now=CLOCK())
    assert [event.sequence for event in report.events] == [871, 872, 873, 874]
    assert block[1].splitlines()[0].split(",") == list(COLUMNS)


def test_the_page_bears_the_name_of_the_manifest() -> None:
    manifest: Manifest = connector.manifest
    assert "channelsync-pos/1" in manifest.title
    assert PAGE.startswith("# The till's interface: channelsync-pos/1\n")
