"""Whatever the API's document lists is called with what the document allows, and with what it does
not: no answer is a crash, and every answer has a status, type and shape that the document gives."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import requests
import schemathesis
from hypothesis import Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from channelsync.domain.permissions import Permission
from channelsync.domain.vocabulary import PushSemantics
from tests.support.house import build_house
from tests.support.signed_in import Door

EXAMPLES: Final = 3
OPERATIONS_MIN: Final = 40
DOCUMENT: Final = "/api/v1/openapi.json"
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


class Caller:
    """The API in process, on one event loop, asked by somebody who may do everything."""

    def __init__(self, runner: asyncio.Runner, client: httpx.AsyncClient) -> None:
        self._runner = runner
        self._client = client

    def get(self, path: str) -> Any:
        return self._runner.run(self._client.get(path)).json()

    def call(self, case: schemathesis.Case[Any]) -> httpx.Response:
        """Send a generated request as `requests` would put it together."""
        given_request = case.as_transport_kwargs(base_url=str(self._client.base_url).rstrip("/"))
        kept = ("method", "url", "headers", "params", "json", "data", "cookies")
        made = requests.Request(**{name: given_request.get(name) for name in kept}).prepare()
        body = made.body.encode() if isinstance(made.body, str) else made.body
        assert body is None or isinstance(body, bytes)
        told = {name: str(value) for name, value in made.headers.items()}
        headers = {**self._client.headers, **told}
        sent = httpx.Request(made.method or "", made.url or "", headers=headers, content=body)
        return self._runner.run(self._client.send(sent))


@contextmanager
def caller(folder: Path) -> Iterator[Caller]:
    with asyncio.Runner() as runner:
        house = runner.run(
            build_house(
                folder,
                stock={"MUG": {"dc": 60, "soho": 40}},
                quotas={"a": 5_000},
                semantics={"a": PushSemantics.KEYED_COMPARE_AND_SET},
            )
        )
        runner.run(house.settle_down(60))
        entered = Door(house).as_key(*Permission)
        client = runner.run(entered.__aenter__())
        yield Caller(runner, client)
        runner.run(entered.__aexit__(None, None, None))
        runner.run(house.engine.database.close())


def ends(operation: schemathesis.APIOperation[Any, Any, Any, Any]) -> bool:
    """A stream of events never does."""
    return "text/event-stream" not in str(operation.definition.raw.get("responses"))


def test_an_answer_that_the_document_does_not_give_is_found_out(tmp_path: Path) -> None:
    with caller(tmp_path) as api:
        schema = schemathesis.openapi.from_dict(api.get(DOCUMENT))
    case = schema["/api/v1/items"]["GET"].Case()
    request = httpx.Request("GET", "http://stock.example/api/v1/items")
    for answer in (
        httpx.Response(500, request=request),
        httpx.Response(418, json={}, request=request),
        httpx.Response(200, text="no JSON", request=request),
        httpx.Response(200, json={"items": 1}, request=request),
    ):
        answer.elapsed = timedelta(0)
        with pytest.raises(FailureGroup):
            case.validate_response(answer, checks=CHECKS)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_operation_answers_as_its_document_says(mode: GenerationMode, tmp_path: Path) -> None:
    with caller(tmp_path) as api:
        schema = schemathesis.openapi.from_dict(api.get(DOCUMENT))
        listed = list(schema.get_all_operations())
        operations = [one.ok() for one in listed if isinstance(one, Ok)]
        assert len(operations) == len(listed) >= OPERATIONS_MIN
        # The house remembers: a request that is sent again is not answered the same, so what is
        # wrong is collected at the first sight of it.
        wrong: list[str] = []
        for operation in filter(ends, operations):

            @settings(max_examples=EXAMPLES, phases=[Phase.generate])
            @given(operation.as_strategy(generation_mode=mode))
            def answered(case: schemathesis.Case[Any]) -> None:
                answer = api.call(case)
                try:
                    case.validate_response(answer, checks=CHECKS)
                except FailureGroup as failures:
                    wrong.append(f"{case.as_curl_command()}: {failures.exceptions}")

            answered()
        assert wrong == []
