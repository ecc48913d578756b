"""What stands before every route."""

from __future__ import annotations

import pytest

from tests.support.house import Build
from tests.web.conftest import Client

PRIVATE = ("/", "/events", "/metrics", "/api/v1/openapi.json")
POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"


@pytest.mark.parametrize("path", PRIVATE)
@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "10.0.0.7", "", "[::"])
async def test_pages_answer_loopback_hosts_only(
    build: Build, visit: Client, path: str, host: str
) -> None:
    client = await visit(await build(stock={}, quotas={}, semantics={}))
    answer = await client.get(path, headers={"host": host})
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("peer", ["203.0.113.9", "10.0.0.7", "", "::ffff:203.0.113.9"])
async def test_a_forged_host_header_does_not_help_a_stranger(
    build: Build, visit: Client, peer: str
) -> None:
    client = await visit(await build(stock={}, quotas={}, semantics={}), peer=peer)
    for path in PRIVATE:
        assert (await client.get(path)).status_code == 403
    spoofed = {"x-forwarded-for": "127.0.0.1", "forwarded": "for=127.0.0.1"}
    assert (await client.get("/", headers=spoofed)).status_code == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:8484", "127.0.0.1:8484", "[::1]:8484"])
async def test_this_machine_may_look(build: Build, visit: Client, host: str) -> None:
    client = await visit(await build(stock={}, quotas={}, semantics={}))
    assert (await client.get("/", headers={"host": host})).status_code == 200


async def test_other_networks_may_be_let_in(build: Build, visit: Client) -> None:
    house = await build(stock={}, quotas={}, semantics={})
    client = await visit(house, peer="172.17.0.1", operators=("172.17.0.0/16",))
    assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 422),
        ({"sec-fetch-site": "same-origin"}, 422),
        ({"sec-fetch-site": "none"}, 422),
        ({"origin": "http://localhost"}, 422),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:3000"}, 403),
    ],
)
async def test_a_page_of_another_site_changes_nothing(
    build: Build, visit: Client, headers: dict[str, str], status: int
) -> None:
    client = await visit(await build(stock={}, quotas={}, semantics={}))
    answer = await client.post("/api/v1/holds", json={}, headers=headers)
    assert answer.status_code == status


async def test_every_answer_bears_the_security_headers(build: Build, visit: Client) -> None:
    client = await visit(await build(stock={}, quotas={}, semantics={}))
    seen = set()
    for path in (*PRIVATE[2:], "/", "/nowhere", "/livez", "/webhooks/nobody"):
        answer = await client.get(path)
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        seen.add(answer.headers["x-request-id"])
    assert len(seen) == 6


async def test_errors_are_problem_documents(build: Build, visit: Client) -> None:
    client = await visit(await build(stock={}, quotas={}, semantics={}))
    for path, status in (("/nowhere", 404), ("/webhooks/nobody", 405)):
        answer = await client.get(path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


async def test_what_breaks_is_told_without_its_insides(build: Build, visit: Client) -> None:
    house = await build(stock={}, quotas={}, semantics={})
    client = await visit(house)
    async with house.engine.database.write() as tx:
        await tx.exec_driver_sql("DROP TABLE hold_lines")
    answer = await client.post("/api/v1/holds/x/extend", json={}, headers={"idempotency-key": "k"})
    assert answer.status_code == 404
    async with house.engine.database.write() as tx:
        await tx.exec_driver_sql("DROP TABLE holds")
    answer = await client.post("/api/v1/holds/x/extend", json={})
    assert answer.status_code == 500
    assert "sqlite" not in answer.text.lower()
    assert answer.headers["content-type"] == "application/problem+json"


# ------------------------------------------------------------------ probes


async def test_probes_answer_anybody_and_tell_only_operators_more(
    build: Build, visit: Client
) -> None:
    house = await build(stock={"MUG": 1}, quotas={}, semantics={})
    stranger = await visit(house, peer="10.1.2.3")
    for path in ("/livez", "/readyz", "/readyz?verbose"):
        answer = await stranger.get(path, headers={"host": "10.1.2.4:8484"})
        assert (answer.status_code, answer.text) == (200, "ok\n")
    operator = await visit(house)
    told = (await operator.get("/readyz?verbose")).json()
    assert told["ok"] is True
    assert {"name": "store", "ok": True, "message": "answers"} in told["checks"]


async def test_readiness_ends_when_nobody_works(build: Build, visit: Client) -> None:
    house = await build(stock={"MUG": 1}, quotas={}, semantics={})
    client = await visit(house)
    await house.settle_down()
    assert (await client.get("/readyz")).status_code == 200
    house.clock.at += 3_600
    late = await client.get("/readyz?verbose")
    assert late.status_code == 503
    assert "waits since" in late.text


async def test_readiness_ends_with_the_store(build: Build, visit: Client) -> None:
    house = await build(stock={}, quotas={}, semantics={})
    client = await visit(house)
    async with house.engine.database.write() as tx:
        await tx.exec_driver_sql("DROP TABLE work")
    assert (await client.get("/readyz")).status_code == 503
    assert (await client.get("/livez")).status_code == 200
