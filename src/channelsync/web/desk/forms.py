"""Forms as browsers send them, and what is wrong with their fields."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from channelsync.web.bodies import read_body
from channelsync.web.problems import Problem

__all__ = ["Form", "number", "number_of", "read_form", "validated"]

FIELDS_MAX: Final = 2_000
ONCE_LENGTH_MAX: Final = 64
NUMBER_LENGTH_MAX: Final = 15
_BESIDE: Final = frozenset({"csrf_token", "once", "password", "again", "present", "code"})
"""Fields that say nothing of what is to be done, or must not be worked into anything kept."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form, as text."""

    fields: Mapping[str, Sequence[str]]
    path: str

    def get(self, name: str) -> str:
        """A field without the blanks around it; empty where it was not sent."""
        return self.raw(name).strip()

    def raw(self, name: str) -> str:
        """A field as it was typed: a password, a text of several lines."""
        return self.fields.get(name, ("",))[-1]

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a field that may stand several times."""
        return tuple(value.strip() for value in self.fields.get(name, ()) if value.strip())

    def starting(self, prefix: str) -> dict[str, str]:
        """The fields whose names begin so."""
        return {name: self.get(name) for name in self.fields if name.startswith(prefix)}

    @property
    def is_sure(self) -> bool:
        """Whether it was confirmed."""
        return self.get("sure") == "yes"

    @property
    def key(self) -> str:
        """What makes a double click one request: each page bears it, apart for each address."""
        return f"{self.get('once')[:ONCE_LENGTH_MAX]} {self.path}"

    @property
    def fingerprint(self) -> str:
        """The whole form, without what must not be kept."""
        said = {name: values for name, values in self.fields.items() if name not in _BESIDE}
        return hashlib.sha256(json.dumps([self.path, said], sort_keys=True).encode()).hexdigest()

    def kept(self) -> dict[str, str]:
        """What a page that asks once more sends again."""
        return {name: self.raw(name) for name in self.fields if name not in {*_BESIDE, "sure"}}


async def read_form(request: Request) -> Form:
    """The form of a request.

    Raises:
        Problem: it is none of ours (400).
    """
    body = await read_body(request)
    try:
        fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is no form") from None
    if not fields.get("once"):
        raise Problem(HTTPStatus.BAD_REQUEST, "open the page, and press its button")
    return Form(fields, request.url.path)


def number_of(request: Request) -> int:
    """The number in the address.

    Raises:
        Problem: it is none that anything could have (404).
    """
    text = str(request.path_params["number"])
    if not text.isdecimal() or not text.isascii() or len(text) > NUMBER_LENGTH_MAX:
        raise Problem(HTTPStatus.NOT_FOUND, "there is nothing of this number")
    return int(text)


def number(text: str) -> int | str:
    """A whole number, or the text that is none, for a model to say so."""
    digits = text.removeprefix("+")
    return int(digits) if digits.removeprefix("-").isdecimal() and digits.isascii() else text


def validated(model: type[Model], given: Mapping[str, Any]) -> tuple[Model | None, dict[str, str]]:
    """The body that the API would take, or what is wrong with each field."""
    try:
        return model.model_validate(given), {}
    except ValidationError as error:
        found: dict[str, str] = {}
        for one in error.errors(include_url=False, include_input=False):
            name = str(one["loc"][0]) if one["loc"] else ""
            found.setdefault(name, _worded(one))
        return None, found


_WORDS: Final[Mapping[str, str]] = {
    "int_type": "a whole number is wanted",
    "string_too_short": "this is wanted",
    "missing": "this is wanted",
    "too_short": "choose at least one",
    "float_parsing": "a number is wanted",
    "enum": "choose one of these",
    "string_pattern_mismatch": "this is wanted, on one line",
}


def _worded(error: Any) -> str:
    kind, message = str(error["type"]), str(error["msg"])
    return _WORDS.get(kind, message.removeprefix("Value error, ").replace("Input should", "should"))
