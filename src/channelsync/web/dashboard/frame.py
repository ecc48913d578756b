"""The frame of every page: header, navigation, who is signed in, and what he may see of it.

A page is a template that extends `base.html`; it is given what the frame knows and what the page
gives, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

import channelsync
from channelsync.domain.permissions import Principal
from channelsync.domain.vocabulary import Instant
from channelsync.web.dashboard.navigation import section_of, sections_for
from channelsync.web.dashboard.words import assets_version, template_environment
from channelsync.web.gate import csrf_token_of, principal_of

__all__ = ["Crumb", "Frame", "Message"]


@dataclass(frozen=True, slots=True)
class Crumb:
    """One step on the way to an inner page."""

    label: str
    href: str


@dataclass(frozen=True, slots=True)
class Message:
    """What came of the last thing that was done, above the page."""

    kind: str
    """good, warn or bad."""
    text: str


@dataclass(frozen=True, slots=True)
class Frame:
    """Draws pages."""

    now: Callable[[], Instant]

    def page(
        self,
        request: Request,
        template: str,
        *,
        active: str,
        title: str,
        crumbs: Sequence[Crumb] = (),
        message: Message | None = None,
        status: int = HTTPStatus.OK,
        **given: Any,
    ) -> HTMLResponse:
        """A whole page.

        `active` is the key of its entry in the navigation, `crumbs` lead to an inner page (the last
        step, the page itself, is its title).

        Raises:
            Problem: nobody that is known asks (401).
        """
        principal = principal_of(request)
        sections = sections_for(principal)
        html = (
            template_environment()
            .get_template(template)
            .render(
                title=title,
                active=active,
                sections=sections,
                section=section_of(sections, active),
                crumbs=crumbs,
                message=message,
                visitor=_visitor(principal),
                principal=principal,
                csrf_token=csrf_token_of(request),
                signed_in="session" in request.scope,
                now=self.now(),
                version=channelsync.__version__,
                assets=assets_version(),
                **given,
            )
        )
        return HTMLResponse(html, status)


def _visitor(principal: Principal) -> str:
    """A principal as the header names it."""
    kind, _, name = principal.name.partition(":")
    return name or kind
