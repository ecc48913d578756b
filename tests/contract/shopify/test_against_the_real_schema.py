"""What we send, and what the simulated shop answers, against Shopify's own schema."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from channelsync.sdk.types import PushKind
from channelsync_shopify.documents import ALL
from channelsync_shopify.settings import API_VERSION_DEFAULT
from channelsync_shopify.simulator.execution import SCHEMA
from tests.support.contracts import conforms, load_checker
from tests.support.shopify import HOOK_URL, Bench, open_bench

VERSIONS = ("2026-07", "2026-10")
ALIASES = {"Query": "QueryRoot"}


@pytest.fixture(scope="session")
def checker(contracts_folder: Path) -> ModuleType:
    return load_checker(contracts_folder, "shopify")


@pytest.fixture
def folder(contracts_folder: Path) -> Path:
    return contracts_folder / "shopify"


async def an_eventful_day() -> Bench:
    """A shop in which every document is sent and every kind of answer is given."""
    bench = await open_bench()
    shop = bench.shop
    for number in range(60):
        shop.add_item(f"SKU-{number:02}", 9)
    shop.add_item(None, 1)
    beside = shop.add_location("Second warehouse")
    shop.stock_at(shop.world.item_of("SKU-01"), beside, 3)
    await bench.channel.test()
    await bench.subscribe()
    await bench.channel.ensure_subscriptions(HOOK_URL + "/moved")
    [listing async for listing in bench.channel.listings()]
    push = bench.channel.push
    await push(bench.prepared(bench.change("SKU-01", PushKind.RAISE, 3)))
    await push(bench.prepared(bench.change("SKU-01", PushKind.CUT, 3, compare=12)))
    await push(bench.prepared(bench.change("SKU-01", PushKind.CUT, 3, compare=1)))
    await push(bench.prepared(bench.change("SKU-01", PushKind.RAISE, 3, compare=9)))
    gone = bench.prepared(bench.change("SKU-59", PushKind.RAISE, 3))
    shop.delete_item("SKU-59")
    await push(gone)
    order = await shop.buy_basket({f"SKU-{number:02}": 2 for number in range(55)})
    await shop.fulfil(order)
    await shop.refund(order, "SKU-02", 1, "RETURN")
    await shop.refund(order, "SKU-52", 1, "NO_RESTOCK")
    other = await shop.buy("SKU-03", 2)
    await shop.cancel(other)
    order_of = shop.world.order_of(order)
    order_of.refunds[0].parts += [
        type(part)(shop.world.number(), part.line, 0) for part in order_of.fulfilments[0].parts
    ]
    till = await shop.till_sale("SKU-01", 1, beside)
    bench.clock.passes(60)
    await bench.all_facts(0)
    assert till
    shop.stock_at(shop.world.item_of("SKU-05"), beside, 3)
    await bench.channel.read([bench.listing("SKU-01"), bench.listing("SKU-05")])
    beside.active = False
    bench.clock.passes(3_600)
    await bench.channel.read([bench.listing("SKU-01"), bench.listing("SKU-05")])
    return bench


@pytest.mark.contracts
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("document", ALL, ids=lambda document: document.name)
def test_every_document_is_valid_in_shopifys_schema(
    contracts_folder: Path, checker: ModuleType, folder: Path, document: Any, version: str
) -> None:
    errors, warnings = checker.check(
        document.text, str(folder / f"admin_{version}.json.gz"), version
    )
    assert (errors, warnings) == ([], [])


@pytest.mark.contracts
async def test_every_call_of_an_eventful_day_is_valid_with_its_variables(
    contracts_folder: Path, checker: ModuleType, folder: Path
) -> None:
    bench = await an_eventful_day()
    calls = bench.simulator.server.calls
    assert {name for name, _, _ in calls} == {document.name for document in ALL}
    place = str(folder / f"admin_{API_VERSION_DEFAULT}.json.gz")
    for name, request, _ in calls:
        errors, _ = checker.check(
            request["query"], place, API_VERSION_DEFAULT, request["variables"]
        )
        assert errors == [], name


@pytest.mark.contracts
async def test_every_answer_of_an_eventful_day_conforms_to_shopifys_schema(
    contracts_folder: Path, checker: ModuleType, folder: Path
) -> None:
    schema, _ = checker.load_schema(str(folder / f"admin_{API_VERSION_DEFAULT}.json.gz"))
    bench = await an_eventful_day()
    for _, request, answer in bench.simulator.server.calls:
        conforms(schema, request["query"], request["variables"], answer["data"])


def test_the_check_of_answers_finds_what_does_not_conform() -> None:
    query = "{ publicApiVersions { handle supported } }"
    good = {"publicApiVersions": [{"handle": "2026-10", "supported": True}]}
    conforms(SCHEMA, query, {}, good)
    for bad in (
        {"publicApiVersions": None},
        {"publicApiVersions": [{"handle": "2026-10"}]},
        {"publicApiVersions": [{"handle": "2026-10", "supported": "perhaps"}]},
        {"publicApiVersions": [{"handle": "2026-10", "supported": True, "more": 1}]},
    ):
        with pytest.raises(AssertionError):
            conforms(SCHEMA, query, {}, bad)


def signature(named: Any) -> Any:
    """A type's fields with their types and arguments, or its enum values."""
    if hasattr(named, "fields"):
        return {
            name: (
                str(field.type),
                {key: str(one.type) for key, one in getattr(field, "args", {}).items()},
            )
            for name, field in named.fields.items()
        }
    return set(getattr(named, "values", ()))


@pytest.mark.contracts
def test_the_simulators_schema_is_a_part_of_shopifys(
    contracts_folder: Path, checker: ModuleType, folder: Path
) -> None:
    real, _ = checker.load_schema(str(folder / f"admin_{API_VERSION_DEFAULT}.json.gz"))
    for name, ours in SCHEMA.type_map.items():
        if name.startswith("__"):
            continue
        theirs = real.type_map[ALIASES.get(name, name)]
        assert type(ours) is type(theirs), name
        mine, all_of_it = signature(ours), signature(theirs)
        if isinstance(mine, set):
            assert mine <= all_of_it, name
            continue
        for field, (kind, arguments) in mine.items():
            assert kind == all_of_it[field][0].replace("QueryRoot", "Query"), (name, field)
            assert arguments.items() <= all_of_it[field][1].items(), (name, field)
