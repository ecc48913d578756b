"""A browser without scripts: opens a page, reads its forms, fills one in and sends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import httpx
from typing_extensions import override

__all__ = ["Page", "open_page"]


@dataclass
class SentForm:
    """One form of a page, with what stands in it."""

    action: str
    fields: dict[str, list[str]] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[SentForm] = []
        self._open: SentForm | None = None
        self._select = ""
        self._text: str | None = None

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method") == "post":
            self._open = SentForm(given["action"])
            self.forms.append(self._open)
        if self._open is not None:
            self._take(self._open, tag, given)

    def _take(self, form: SentForm, tag: str, given: dict[str, str]) -> None:
        if tag == "input":
            off = given.get("type") in {"checkbox", "radio"} and "checked" not in given
            if not off and given.get("name"):
                form.fields.setdefault(given["name"], []).append(given.get("value", ""))
        elif tag == "select":
            self._select = given["name"]
        elif tag == "option":
            if "selected" in given or self._select not in form.fields:
                form.fields[self._select] = [given["value"]]
        elif tag == "textarea":
            self._text = given["name"]
            form.fields[self._text] = [""]

    @override
    def handle_data(self, data: str) -> None:
        if self._open is not None and self._text is not None:
            self._open.fields[self._text][0] += data

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
        if tag == "textarea" and self._open is not None and self._text is not None:
            # A browser leaves out the line break that opens a text.
            text = self._open.fields[self._text][0]
            self._open.fields[self._text] = [text.removeprefix("\n")]
            self._text = None


@dataclass
class Page:
    """A page as it was answered."""

    client: httpx.AsyncClient
    answer: httpx.Response

    @property
    def status(self) -> int:
        """How it was answered."""
        return self.answer.status_code

    @property
    def text(self) -> str:
        """The page."""
        return self.answer.text

    def form(self, action: str, having: str = "") -> SentForm:
        """The form that is sent there (with a field of this name)."""
        reader = _Reader()
        reader.feed(self.text)
        found = [
            one
            for one in reader.forms
            if one.action == action and (not having or having in one.fields)
        ]
        assert found, (action, [one.action for one in reader.forms])
        return found[0]

    def has_form(self, action: str) -> bool:
        """Whether the page offers it."""
        return f'action="{action}"' in self.text

    async def send(
        self, action: str, values: Mapping[str, Any] | None = None, *, having: str = "", **more: Any
    ) -> Page:
        """Fill the form in and send it; a redirect is followed, as browsers do."""
        form = self.form(action, having)
        fields = form.fields | {
            name: [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]
            for name, value in {**(values or {}), **more}.items()
        }
        return await self.post(action, fields)

    async def post(self, action: str, fields: dict[str, Any]) -> Page:
        """Send these fields."""
        origin = str(self.client.base_url).rstrip("/")
        headers = {"origin": origin, "accept": "text/html"}
        answer = await self.client.post(action, data=fields, headers=headers)
        if answer.status_code == 303:
            goal = answer.headers["location"]
            answer = await self.client.get(goal, headers={"accept": "text/html"})
        return Page(self.client, answer)


async def open_page(client: httpx.AsyncClient, path: str) -> Page:
    """Look at a page."""
    client.headers.pop("x-csrf-token", None)
    return Page(client, await client.get(path, headers={"accept": "text/html"}))
