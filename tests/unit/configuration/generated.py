"""Writes what is generated from the models: `python -m tests.unit.configuration.generated`."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from channelsync.configuration.reference_page import key_tables
from channelsync.configuration.schema import schema_text
from channelsync.plugins.discovery import GROUP, discover
from channelsync.settings import PREFIX, SECRETS, Settings
from tests.unit.configuration.reference_tables import (
    errors_tables,
    indexes_table,
    metrics_table,
    permissions_tables,
    store_tables,
)

ROOT: Final = Path(__file__).resolve().parents[3]
NAME: Final = "channelsync"
"""Connectors of other packages that happen to be installed are not ours to document."""
COMMAND: Final = "python -m tests.unit.configuration.generated"
_GENERATED: Final = re.compile(
    r"(?<=<!-- generated: begin -->\n).*?(?=<!-- generated: end -->)", re.DOTALL
)


def settings_table() -> str:
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        variable = f"`{PREFIX}{name.upper()}`"
        if name in SECRETS:
            variable += f"<br>`{PREFIX}{name.upper()}_FILE`"
        lines.append(f"| {variable} | {_default(field.default)} | {meaning} |")
    return "\n".join([*lines, ""])


def _default(value: Any) -> str:
    return "none" if value is None or value == () else f"`{value}`"


def with_generated(page: str, generated: str) -> str:
    replaced, count = _GENERATED.subn(lambda _: f"\n{generated}\n", page)
    if count != 1:
        raise ValueError(f"{count} generated parts in the page, not 1")
    return replaced


def files() -> dict[Path, str]:
    """Every file that is generated, wholly or in part, with its text as it should be."""
    own = [point for point in entry_points(group=GROUP) if point.dist and point.dist.name == NAME]
    manifests = discover(own).manifests
    configuration = ROOT / "docs" / "reference" / "configuration.md"
    settings = ROOT / "docs" / "reference" / "settings.md"
    read_from_the_program = {
        ROOT / "docs" / "reference" / "metrics.md": metrics_table(),
        ROOT / "docs" / "reference" / "tables.md": store_tables(),
        ROOT / "docs" / "reference" / "indexes.md": indexes_table(),
        ROOT / "docs" / "reference" / "errors.md": errors_tables(),
        ROOT / "docs" / "reference" / "permissions.md": permissions_tables(),
    }
    return {
        ROOT / "config" / "channelsync.schema.json": schema_text(manifests),
        configuration: with_generated(configuration.read_text("utf-8"), key_tables(manifests)),
        settings: with_generated(settings.read_text("utf-8"), settings_table()),
        **{
            page: with_generated(page.read_text("utf-8"), text)
            for page, text in read_from_the_program.items()
        },
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
