"""Each recorded exchange against the schema of the marketplace that it was with."""

from __future__ import annotations

import ast
import datetime as dt
import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final
from urllib.parse import parse_qsl

from channelsync_amazon.buckets import PLANS
from channelsync_shopify.documents import ALL
from channelsync_shopify.settings import API_VERSION_DEFAULT
from channelsync_square.settings import SQUARE_VERSION_DEFAULT
from channelsync_square.webhooks import EVENT_TYPES
from tests.support.checkout import ROOT
from tests.support.contracts import conforms, load_checker
from tests.support.exchanges.recorder import Exchange
from tests.support.square import OPERATIONS

__all__ = ["Checked", "Contracts", "declared"]

TOKEN: Final = "token"
DOCUMENT: Final = {"PUT": "upload of a feed", "GET": "download of its report"}
UNDESCRIBED_AT_SQUARE: Final = frozenset({"DELETE /v2/webhooks/subscriptions/{subscription_id}"})
"""Square has it, and the part of its description at hand leaves it out."""
GZIP: Final = b"\x1f\x8b"
WITH_ID: Final = {
    "/v2/webhooks/subscriptions/": "{subscription_id}",
    "/v2/payments/": "{payment_id}",
}


def declared() -> dict[str, frozenset[str]]:
    """Every operation that a connector has, by marketplace.

    Raises:
        AssertionError: Square's connector has a path that is not among these.
    """
    unknown = {
        path
        for path in _paths_of_square()
        if not any(path in operation for operation in OPERATIONS)
    }
    assert not unknown, f"Square's connector calls {sorted(unknown)}, which nobody declares"
    documents = frozenset(document.name for document in ALL)
    return {
        "amazon": frozenset({*PLANS, *DOCUMENT.values(), TOKEN}),
        "shopify": documents | {TOKEN},
        "square": OPERATIONS,
    }


def _paths_of_square() -> Iterator[str]:
    """Every path that stands in its connector."""
    for path in sorted((ROOT / "connectors" / "channelsync_square").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and str(node.value).startswith("/v2/"):
                yield str(node.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What became of one exchange."""

    way: str
    operation: str
    """As the connector declares it."""
    status: int | None
    described: bool
    """Whether the marketplace's schemas describe this operation."""
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class Contracts:
    """The schemas of all three, in one folder."""

    folder: Path
    _known: dict[str, Any] = field(default_factory=dict)

    def check(self, one: Exchange) -> Checked:
        """Check one exchange, both ways. A request that got no answer is checked alone."""
        by_way: Mapping[str, Callable[[Exchange], Checked]] = {
            "amazon": self._amazon,
            "shopify": self._shopify,
            "square": self._square,
            "webhooks": self._webhook,
        }
        return by_way[one.way](one)

    def notification(self, body: str) -> Checked:
        """Check one message of Amazon's queue."""
        told = json.loads(body)
        inner = told.get("detail", told)
        kind = inner.get("NotificationType") or inner.get("notificationType")
        problems = self._module("amazon").errors(self._validator().notification(told))
        return Checked(
            way="queue",
            operation=str(kind),
            status=None,
            described=True,
            problems=tuple(map(str, problems)),
        )

    def _module(self, market: str) -> ModuleType:
        return load_checker(self.folder, market)

    def _validator(self) -> Any:
        if "amazon" not in self._known:
            self._known["amazon"] = self._module("amazon").Validator()
        return self._known["amazon"]

    # ------------------------------------------------------------ Amazon

    def _amazon(self, one: Exchange) -> Checked:
        validator, errors = self._validator(), self._module("amazon").errors
        path = one.url.raw_path.decode().partition("?")[0]
        operation = validator.operation(one.method, path)
        if operation is None:
            return self._beside_amazon(one)
        problems = validator.request(
            one.method,
            path,
            query=parse_qsl(one.url.query.decode(), keep_blank_values=True),
            headers=one.headers,
            body=one.sent_json(),
            now=dt.datetime.fromtimestamp(one.at, dt.UTC),
        )
        if one.status is not None:
            answer = one.answered_json()
            problems += validator.response(one.method, path, one.status, answer, one.answer_headers)
        return Checked(
            way=one.way,
            operation=operation.id,
            status=one.status,
            described=True,
            problems=tuple(map(str, errors(problems))),
        )

    def _beside_amazon(self, one: Exchange) -> Checked:
        """Tokens, and the documents that signed addresses take and give."""
        validator, errors = self._validator(), self._module("amazon").errors
        if one.url.path.endswith("/token"):
            return Checked(way=one.way, operation=TOKEN, status=one.status, described=False)
        problems: list[Any] = []
        if one.method == "PUT":
            problems = validator.feed(one.sent_json())
        elif one.status == 200:
            report = one.answer
            if report.startswith(GZIP):
                report = gzip.decompress(report)
            problems = validator.feed_report(json.loads(report))
        return Checked(
            way=one.way,
            operation=DOCUMENT[one.method],
            status=one.status,
            described=True,
            problems=tuple(map(str, errors(problems))),
        )

    # ------------------------------------------------------------ Shopify

    def _shopify(self, one: Exchange) -> Checked:
        if one.url.path.endswith("/access_token"):
            return Checked(way=one.way, operation=TOKEN, status=one.status, described=False)
        sent = one.sent_json()
        name = next(document.name for document in ALL if document.text == sent["query"])
        place = str(self.folder / "shopify" / f"admin_{API_VERSION_DEFAULT}.json.gz")
        checker = self._module("shopify")
        problems = list(
            checker.check(sent["query"], place, API_VERSION_DEFAULT, sent["variables"])[0]
        )
        answer = one.answered_json() if one.status == 200 else {}
        if answer.get("data") is not None:
            if "shopify" not in self._known:
                self._known["shopify"] = checker.load_schema(place)[0]
            try:
                conforms(self._known["shopify"], sent["query"], sent["variables"], answer["data"])
            except AssertionError as difference:
                problems.append(str(difference))
        return Checked(
            way=one.way,
            operation=name,
            status=one.status,
            described=True,
            problems=tuple(problems),
        )

    # ------------------------------------------------------------ Square

    def _square(self, one: Exchange) -> Checked:
        path = one.url.path
        place = next((at + name for at, name in WITH_ID.items() if path.startswith(at)), path)
        operation = f"{one.method} {place}"
        if operation in UNDESCRIBED_AT_SQUARE:
            return Checked(way=one.way, operation=operation, status=one.status, described=False)
        checker = self._module("square")
        problems = checker.check_request(
            operation,
            one.sent_json(),
            version=SQUARE_VERSION_DEFAULT,
            now=dt.datetime.fromtimestamp(one.at, dt.UTC),
        )
        if one.status is not None:
            problems += checker.check_response(
                operation, one.answered_json(), one.status, version=SQUARE_VERSION_DEFAULT
            )
        return Checked(
            way=one.way,
            operation=operation,
            status=one.status,
            described=True,
            problems=tuple(problems),
        )

    # ------------------------------------------------------------ webhooks

    def _webhook(self, one: Exchange) -> Checked:
        channel = one.url.path.rpartition("/")[2]
        if channel == "shopify":  # Shopify publishes no schema of their bodies
            topic = one.headers["x-shopify-topic"]
            return Checked(
                way=f"webhooks of {channel}", operation=topic, status=one.status, described=False
            )
        told = one.sent_json()
        assert told["type"] in EVENT_TYPES
        return Checked(
            way=f"webhooks of {channel}",
            operation=told["type"],
            status=one.status,
            described=True,
            problems=tuple(self._module("square").check_event(told)),
        )
