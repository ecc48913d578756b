"""`/quotas`: the merchant's file, as numbers and as text, with the plan before it applies."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from channelsync.configuration.document import read_document
from channelsync.configuration.editing import FileText, FileUnwritable, MerchantFile
from channelsync.configuration.layout import LayoutRefused, edited
from channelsync.configuration.problems import ConfigurationInvalid
from channelsync.configuration.problems import Problem as Mistake
from channelsync.configuration.shares import Sheet, changes_of, rule_names, sheet_of
from channelsync.engine.propose import Proposal
from channelsync.store.tables import configurations
from channelsync.web.api.counter import Risky
from channelsync.web.desk.desk import Desk
from channelsync.web.desk.forms import Form, read_form
from channelsync.web.desk.preview import difference, marked_lines, plan_preview
from channelsync.web.desk.writing import writing
from channelsync.web.problems import Problem

__all__ = ["QuotaPages"]

STRATEGIES: Final = (
    ("", "as the default says (quota, where it says nothing)"),
    ("quota", "quota: a percentage for each channel"),
    ("demand", "demand: by what each channel sells"),
    ("fixed", "fixed: a number of units for each channel"),
    ("priority", "priority: each channel in turn, up to its cap"),
)


@dataclass(slots=True, kw_only=True)
class _Draft:
    """A text that somebody works on, and what is known of it."""

    current: FileText
    """The file as it lies there."""
    text: str
    rule: int | None = None
    content: Any = None
    """The text's plain content, where it is YAML."""
    proposal: Proposal | None = None
    problems: Sequence[Mistake] = ()
    given: Mapping[str, str] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    status: int = HTTPStatus.OK
    is_previewed: bool = False
    is_download: bool = False

    @property
    def raw(self) -> bytes:
        """The text as it would be written."""
        return self.current.with_text(self.text)

    def refuse(self, status: int, error: str | None = None) -> None:
        """It does not go on like this."""
        self.status, self.error, self.is_previewed = status, error, False


class QuotaPages:
    """The editor."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def routes(self) -> Sequence[Route]:
        """Where it all is."""
        return (
            Route("/quotas", self.show, methods=["GET"]),
            Route("/quotas/preview", self.preview, methods=["POST"]),
            Route("/quotas/apply", self.apply, methods=["POST"]),
            Route("/quotas/download", self.download, methods=["POST"]),
        )

    async def show(self, request: Request) -> Response:
        """The file as it is."""
        draft = await self._draft()
        await self._check(draft)
        return await self._page(request, draft)

    async def preview(self, request: Request) -> Response:
        """What the change would do; nothing is written."""
        form = await read_form(request)
        draft = await self._draft(form)
        if form.get("what") == "shares":
            _fill_in(draft, form)
        await self._check(draft)
        if form.get("what") != "rule" and draft.status == HTTPStatus.OK:
            if draft.proposal is None:
                draft.refuse(HTTPStatus.UNPROCESSABLE_ENTITY)
            else:
                draft.is_previewed = True
        return await self._page(request, draft, is_changed=form.get("digest"))

    async def apply(self, request: Request) -> Response:
        """Write the file, if it still is the one that was edited."""
        form = await read_form(request)
        draft = await self._draft(form)
        await self._check(draft)
        if draft.proposal is None:
            draft.refuse(HTTPStatus.UNPROCESSABLE_ENTITY)
            return await self._page(request, draft)
        seen = form.get("digest")
        use_case = writing(self._file(), draft.current, draft.raw, seen)
        risky = Risky("configuration.edit", {"text": draft.raw.decode(), "seen": seen})
        outcome = await self._desk.do(request, form, "configuration.edit", use_case, risky=risky)
        if outcome.error is not None:
            fresh = await self._draft(form)
            await self._check(fresh)
            fresh.refuse(outcome.status, outcome.error)
            fresh.is_previewed = fresh.current.digest != seen
            fresh.is_download = not fresh.is_previewed
            return await self._page(request, fresh)
        if outcome.is_proposed:
            return self._desk.go(form, "/quotas", "proposed")
        if self._desk.options.file_written is not None:
            self._desk.options.file_written()
        return self._desk.go(form, "/quotas", "file-written")

    async def download(self, request: Request) -> Response:
        """The text as a file, for whoever must put it there himself."""
        form = await read_form(request)
        draft = await self._draft(form)
        headers = {"content-disposition": 'attachment; filename="channelsync.yaml"'}
        return Response(draft.raw, media_type="application/yaml", headers=headers)

    # -------------------------------------------------------------- parts

    def _file(self) -> MerchantFile:
        file = self._desk.options.merchant_file
        if file is None or self._desk.options.read_proposal is None:
            raise Problem(HTTPStatus.NOT_FOUND, "this daemon works without a file to edit")
        return file

    async def _draft(self, form: Form | None = None) -> _Draft:
        try:
            current = await asyncio.to_thread(self._file().read)
        except FileUnwritable as error:
            raise Problem(HTTPStatus.CONFLICT, str(error)) from None
        if form is None:
            return _Draft(current=current, text=current.text)
        rule = form.get("rule")
        number = int(rule) if rule.isdecimal() and rule.isascii() and len(rule) < 5 else None  # noqa: PLR2004
        text = form.raw("text").replace("\r\n", "\n")
        return _Draft(current=current, text=text, rule=number)

    async def _check(self, draft: _Draft) -> None:
        """With the same checker as `channelsync check`, at start and at each reload."""
        read = self._desk.options.read_proposal
        if read is None:
            raise Problem(HTTPStatus.NOT_FOUND, "this daemon works without a file to edit")
        try:
            draft.content = read_document(draft.text.encode(), name="").plain()
            draft.proposal = await asyncio.to_thread(read, draft.raw)
        except ConfigurationInvalid as error:
            draft.problems = error.problems
        except UnicodeEncodeError:
            draft.problems = (Mistake(file="", message="the text holds what is no character"),)

    async def _page(
        self, request: Request, draft: _Draft, *, is_changed: str | None = None
    ) -> Response:
        sheet = _sheet(draft)
        if is_changed and is_changed != draft.current.digest and draft.error is None:
            draft.error = (
                "the file was changed meanwhile by somebody else: the lines below are those that"
                " your text changes in it as it is now"
            )
        plan = None
        if draft.is_previewed and draft.proposal is not None:
            plan = await plan_preview(self._desk.engine, draft.proposal)
        return self._desk.page(
            request,
            "quotas",
            active="quotas",
            title="Quotas",
            error=draft.error,
            status=draft.status,
            draft=draft,
            path=str(self._file().path),
            digest=draft.current.digest,
            is_draft=draft.raw != draft.current.content,
            sheet=sheet,
            values={} if sheet is None else dict(sheet.values) | dict(draft.given),
            wrong=_wrong(draft, sheet),
            strategies=STRATEGIES,
            rules=[(str(n), name) for n, name in enumerate(rule_names(draft.content))],
            lines=marked_lines(draft.text, draft.problems),
            elsewhere=[one for one in draft.problems if one.line is None],
            difference=difference(draft.current.text, draft.text) if draft.is_previewed else (),
            plan=plan,
            unwritable=await asyncio.to_thread(self._file().why_unwritable),
            in_force=await self._in_force(draft),
        )

    async def _in_force(self, draft: _Draft) -> bool | None:
        """Whether the daemon works with the file as it lies there; None: that is not known."""
        if draft.proposal is None or draft.raw != draft.current.content:
            return None
        last = sa.select(configurations.c.fingerprint).order_by(configurations.c.id.desc())
        async with self._desk.engine.database.read() as tx:
            applied = await tx.scalar(last.where(configurations.c.error.is_(None)).limit(1))
        return bool(applied == draft.proposal.setup.fingerprint)


def _fill_in(draft: _Draft, form: Form) -> None:
    """The text with the numbers of the form in it."""
    try:
        sheet = sheet_of(read_document(draft.text.encode(), name="").plain(), draft.rule)
    except (ConfigurationInvalid, LookupError, UnicodeEncodeError):
        draft.refuse(HTTPStatus.UNPROCESSABLE_ENTITY, "the text has no such shares any more")
        return
    draft.given = {name: form.get(name) for name in sheet.values if name in form.fields}
    changes, wrong = changes_of(sheet, draft.given)
    if wrong:
        draft.wrong = dict(wrong)
        draft.refuse(HTTPStatus.UNPROCESSABLE_ENTITY)
        return
    try:
        draft.text = edited(draft.text, changes)
    except LayoutRefused as error:
        draft.refuse(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))


def _sheet(draft: _Draft) -> Sheet | None:
    if draft.content is None:
        return None
    try:
        return sheet_of(draft.content, draft.rule)
    except LookupError:
        draft.rule = None
        return sheet_of(draft.content)


def _wrong(draft: _Draft, sheet: Sheet | None) -> Mapping[str, str]:
    """What is wrong with each field: as it was typed, or as the whole file is checked."""
    found = dict(draft.wrong)
    for problem in draft.problems if sheet is not None else ():
        name = sheet.field_of(problem.path) if sheet is not None else None
        if name is not None:
            found.setdefault(name, problem.message)
    return found
