"""Every page and every file of the dashboard on PostgreSQL."""

from __future__ import annotations

import re

from channelsync.domain.permissions import Role
from channelsync.domain.vocabulary import PushSemantics
from channelsync.web.access import TABLE
from tests.support.house import Build
from tests.support.signed_in import Door

NAMES = {"sku": "MUG", "channel": "a", "name": "root"}
"""Of paths that name something, those that are tried."""
_NAME = re.compile(r"\{(\w+)(?::path)?\}")
ELSEWHERE = (
    *("/api/", "/pos/", "/webhooks/", "/events", "/static", "/metrics", "/readyz"),
    *("/setup", "/login"),
    "/quotas",  # there is no merchant's file here; what it shows comes of no query
)


def pages() -> list[str]:
    """Paths that a person opens, with something in the place of names."""
    paths = [path for method, path in TABLE if method == "GET" and not path.startswith(ELSEWHERE)]
    filled = [_NAME.sub(lambda found: NAMES.get(found[1], found[0]), path) for path in paths]
    return [path for path in filled if "{" not in path]


async def test_every_page_and_every_file_is_answered(build: Build) -> None:
    house = await build(
        stock={"MUG": 40, "CUP": 3},
        quotas={"a": 5_000, "b": 3_000},
        semantics={"a": PushSemantics.KEYED_DELTA, "b": PushSemantics.ABSOLUTE},
    )
    await house.settle_down(60)
    assert house.markets["a"].sell("MUG", 15)
    await house.settle_down(300, step=30)
    door = Door(house)
    answers = {}
    async with door.as_user("root", Role.ADMIN) as client:
        for path in pages():
            answer = await client.get(path)
            answers[path] = answer.status_code
            if path.endswith(".csv"):
                assert answer.headers["content-type"].startswith("text/csv"), path
    assert len(answers) > 50
    assert {path: status for path, status in answers.items() if status != 200} == {}
