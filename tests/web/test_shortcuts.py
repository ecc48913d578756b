"""What stands before the framework answers as the framework would."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import Response

from channelsync.web.shortcuts import Shortcut, Shortcuts
from tests.support.house import Build
from tests.web.conftest import Client

V1 = "/api/v1/holds"


async def act(_request: Request, **_given: str) -> Response:
    return Response("done")


def scope(path: str, method: str = "POST", **more: str) -> dict[str, object]:
    return {"type": "http", "method": method, "path": path, **more}


def test_a_shortcut_is_found_by_its_path_and_method_alone() -> None:
    shortcuts = Shortcuts()
    assert shortcuts.find(scope(V1)) is None
    shortcuts.open([Shortcut(V1, act), Shortcut(f"{V1}/{{hold_id}}/confirm", act)])
    assert shortcuts.find(scope(V1)) == (act, {})
    assert shortcuts.find(scope(f"{V1}/h-1/confirm")) == (act, {"hold_id": "h-1"})
    others = (
        *(scope(f"{V1}/"), scope("/api/v2/holds"), scope(V1, "GET"), scope(f"{V1}//confirm")),
        *(scope(f"/pos{V1}/h-1/confirm"), scope(f"{V1}/h-1/release"), scope(f"{V1}\n")),
        *(scope("/api/v1/items/h-1/confirm"), scope(V1, root_path="/shop"), {"type": "lifespan"}),
    )
    assert [shortcuts.find(other) for other in others] == [None] * len(others)


def test_shortcuts_that_cannot_be_told_apart_are_refused() -> None:
    for paths in (["/a/{x}"], ["/a/b", "/c/b"]):
        with pytest.raises(ValueError, match="cannot be told"):
            Shortcuts().open([Shortcut(path, act) for path in paths])


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
