"""The tables of docs/reference/configuration.md, generated from the models."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from channelsync.configuration.schema import file_schema
from channelsync.sdk.connector import Manifest

__all__ = ["key_tables"]

_PLACES: Final = (
    ("", "FileShape", "The whole file"),
    ("locations.NAME", "LocationShape", "A location"),
    ("pools.NAME", "PoolShape", "A pool"),
    ("channels.NAME", "ChannelShape", "A channel"),
    ("allocation", "AllocationShape", "Allocation"),
    ("allocation.rules[]", "RuleShape", "A rule"),
    ("….limits.CHANNEL", "LimitsShape", "Limits"),
    ("….window", "WindowShape", "A window"),
    ("….demand", "DemandShape", "Demand"),
    ("listings.CHANNEL.EXTERNAL_SKU", "ListingShape", "A listing"),
    ("holds", "HoldsShape", "Holds"),
    ("notifications", "NotificationsShape", "Notifications"),
    ("notifications.rules[]", "NoticeRuleShape", "A rule of notifications"),
)


def key_tables(manifests: Mapping[str, Manifest]) -> str:
    """Markdown: one table of keys for every mapping of the file, then for every connector."""
    schema = file_schema(manifests)
    definitions = schema["$defs"]
    parts = []
    for place, name, title in _PLACES:
        heading = f"### {title}" + (f": `{place}`" if place else "")
        parts.append(_table(heading, definitions.get(name, schema), definitions))
    for name in sorted(manifests):
        heading = f"### Settings of the connector `{name}` ({manifests[name].title})"
        parts.append(_table(heading, definitions[f"connector-{name}"], definitions))
    return "\n".join(parts)


def _table(heading: str, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    required = set(schema.get("required", ()))
    lines = [heading, "", "| key | wanted | meaning |", "|---|---|---|"]
    for key, one in schema.get("properties", {}).items():
        meaning = " ".join(str(one.get("description", "")).split())
        must = "required" if key in required else "optional"
        lines.append(f"| `{key}` | {must}, {_kind(one, definitions)} | {_escaped(meaning)} |")
    return "\n".join([*lines, ""])


def _kind(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    found = list(dict.fromkeys(_kinds(schema, definitions)))
    if "reference" in found and len(found) > 1:
        found.remove("reference")
    return " or ".join(found) or "any"


def _kinds(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[str]:
    for one in (*schema.get("anyOf", ()), *schema.get("allOf", ())):
        yield from _kinds(one, definitions)
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    if name == "Reference":
        yield "reference"
    elif name:
        yield from _kinds(definitions[name], definitions)
    elif "enum" in schema:
        yield "one of " + ", ".join(f"`{choice}`" for choice in schema["enum"])
    elif examples := schema.get("examples"):
        yield f"such as `{examples[0]}`"
    elif "const" in schema:
        yield f"`{schema['const']}`"
    elif (kind := schema.get("type")) and kind != "null":
        yield {
            "string": "text",
            "integer": "whole number",
            "object": "mapping",
            "array": "list",
        }.get(kind, str(kind))


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
