"""What stands before the framework answers as the framework would."""

from __future__ import annotations

from tests.support.house import Build
from tests.web.conftest import Client

V1 = "/api/v1/holds"


async def test_what_a_shortcut_does_not_answer_the_framework_does(
    build: Build, visit: Client
) -> None:
    client = await visit(await build(stock={"MUG": 1}, quotas={}, semantics={}))
    refused = await client.delete(V1)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, POST")
    refused = await client.get(f"{V1}/some/confirm")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST")
    assert (await client.get(V1)).json() == {"items": []}
    assert (await client.post(f"{V1}/some/forget")).status_code == 404


async def test_a_part_of_the_path_that_is_too_long_is_refused_everywhere_alike(
    build: Build, visit: Client
) -> None:
    client = await visit(await build(stock={"MUG": 1}, quotas={}, semantics={}))
    longest, longer = "h" * 64, "h" * 65
    unknown = await client.post(f"{V1}/{longest}/confirm", json={"reference": "A-1"})
    assert unknown.status_code == 404
    said = [
        (await client.get(f"{V1}/{longer}")).json(),
        (await client.post(f"{V1}/{longer}/confirm", json={"reference": "A-1"})).json(),
    ]
    assert [one["status"] for one in said] == [422, 422]
    assert said[0]["errors"] == said[1]["errors"]
    assert said[0]["errors"][0]["where"] == "path.hold_id"


async def test_a_refusal_of_a_shortcut_is_a_problem_document(build: Build, visit: Client) -> None:
    client = await visit(await build(stock={"MUG": 1}, quotas={}, semantics={}))
    refused = await client.post(V1, json={"owner": "a"}, headers={"idempotency-key": "not a key"})
    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["request_id"] == refused.headers["x-request-id"]
    cart = {"owner": "a", "lines": [{"sku": "MUG", "units": 1}]}
    refused = await client.post(V1, json=cart, headers={"idempotency-key": "not a key"})
    assert (refused.status_code, refused.json()["title"]) == (400, "Bad Request")
