"""Scripts, sheets and pictures of the pages. Addresses bear a digest: browsers keep them."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from typing_extensions import override

from channelsync.web.dashboard.words import STATIC, assets_version

__all__ = ["Assets"]

KEEP: Final = "public, max-age=31536000, immutable"


class Assets(StaticFiles):
    """The folder `static`."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    @override
    async def get_response(self, path: str, scope: Scope) -> Response:
        """A file; one that is asked for by its digest never changes."""
        answer = await super().get_response(path, scope)
        if scope["query_string"] == assets_version().encode():
            answer.headers["cache-control"] = KEEP
        return answer
