"""From a file to a `Configuration`, or to everything that is wrong with it, at once."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import ValidationError

from channelsync.configuration.channels import ChannelCheck, Surroundings
from channelsync.configuration.complaints import Complainer
from channelsync.configuration.configuration import Configuration
from channelsync.configuration.document import BYTES_MAX, read_document
from channelsync.configuration.names import NameCheck, zone_of
from channelsync.configuration.notices import NoticeCheck
from channelsync.configuration.problems import ConfigurationInvalid, Problem
from channelsync.configuration.references import KEPT
from channelsync.configuration.schema_walk import SchemaWalk
from channelsync.configuration.shape import FileShape

__all__ = ["load", "load_bytes"]


def load(path: Path, surroundings: Surroundings) -> Configuration:
    """Read, check and resolve the file at `path`.

    Raises:
        ConfigurationInvalid: the file is missing, unreadable or wrong; holds every problem.
    """
    try:
        with path.open("rb") as opened:
            content = opened.read(BYTES_MAX + 1)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else "it is not a file"
        suggestion = "make one with: channelsync init" if not path.exists() else None
        message = f"the file cannot be read: {reason}"
        raise ConfigurationInvalid(
            [Problem(file=str(path), message=message, suggestion=suggestion)]
        ) from None
    return load_bytes(content, surroundings, name=str(path))


def load_bytes(content: bytes, surroundings: Surroundings, *, name: str) -> Configuration:
    """Check and resolve the content of a file that messages call `name` (an editor's text).

    Raises:
        ConfigurationInvalid: the content is wrong; holds every problem.
    """
    document = read_document(content, name=name)
    problems = list(document.problems)
    channels = ChannelCheck(document, surroundings)
    channels.run()
    names = NameCheck(document)
    names.run()
    notices = NoticeCheck(document, surroundings.references)
    notices.run()
    problems += [*channels.problems, *names.problems, *notices.problems]
    shape = None
    try:
        shape = FileShape.model_validate(document.plain())
    except ValidationError as error:
        walk = SchemaWalk(FileShape.model_json_schema(mode="validation", by_alias=True))
        nothing = {path for path, node in document.scalars() if node.value is None}
        problems += Complainer(document, walk).problems(error, nothing)
    zone = zone_of(shape.timezone) if shape else None
    if problems or shape is None or zone is None:
        raise document.source.told(problems)
    return Configuration(
        shape,
        settings=channels.settings,
        manifests=surroundings.connectors.manifests,
        zone=zone,
        notice_targets=notices.targets,
        uses_kept=any(
            isinstance(node.value, str) and node.value.startswith(KEPT)
            for _, node in document.scalars()
        ),
    )
