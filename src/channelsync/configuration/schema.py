"""The JSON schema of `channelsync.yaml`, for editors: the file's shape and every connector's own.

Generated from the models, so that it cannot say anything else than the checks do.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from channelsync.configuration.shape import FileShape
from channelsync.sdk.connector import Manifest

__all__ = ["file_schema", "schema_text"]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE: Final = "Reference"
_PLAIN_TEXT_KEYS: Final = frozenset({"type", "description", "default", "examples"})
_MAPPINGS_OF_SCHEMAS: Final = frozenset({"properties", "patternProperties"})


def file_schema(manifests: Mapping[str, Manifest]) -> dict[str, Any]:
    """The schema of the file, with the settings of these connectors."""
    schema = FileShape.model_json_schema(mode="validation", by_alias=True)
    definitions = schema["$defs"]
    definitions[_REFERENCE] = {
        "type": "string",
        "pattern": r"^(file:.+|kept:.+|.*\$\{[A-Za-z_][A-Za-z0-9_]*\}.*)$",
        "description": "A value from elsewhere: ${NAME}, file:NAME or kept:NAME.",
    }
    for name, definition in definitions.items():
        definitions[name] = _tidied(definition)
    channel = definitions["ChannelShape"]
    names = sorted(manifests)
    channel["properties"]["connector"] |= {"enum": names}
    channel["allOf"] = [_settings_of(manifests[name], definitions) for name in names]
    if not names:
        del channel["allOf"], channel["properties"]["connector"]["enum"]
    whole = {**_tidied(schema), "$defs": definitions, "title": "channelsync.yaml"}
    return {"$schema": _DIALECT, **whole}


def schema_text(manifests: Mapping[str, Manifest]) -> str:
    """The schema as the text of its file."""
    return json.dumps(file_schema(manifests), indent=2, ensure_ascii=False) + "\n"


def _settings_of(manifest: Manifest, definitions: dict[str, Any]) -> dict[str, Any]:
    """A condition: where `connector` is this one, `settings` are its own."""
    prefix = f"connector-{manifest.name}"
    settings = manifest.settings_model.model_json_schema(
        mode="validation", ref_template=f"#/$defs/{prefix}-{{model}}"
    )
    for name, definition in settings.pop("$defs", {}).items():
        definitions[f"{prefix}-{name}"] = _with_references(_tidied(definition))
    settings = _tidied(settings)
    definitions[prefix] = _with_references(settings)
    condition: dict[str, Any] = {
        "if": {"properties": {"connector": {"const": manifest.name}}},
        "then": {"properties": {"settings": {"$ref": f"#/$defs/{prefix}"}}},
    }
    if settings.get("required"):
        condition["then"]["required"] = ["settings"]
    return condition


def _tidied(schema: Any) -> Any:
    """Without what tells an editor nothing: titles made of keys, and null, which no key accepts."""
    if isinstance(schema, list):
        return [_tidied(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    tidy = {
        key: {name: _tidied(one) for name, one in value.items()}
        if key in _MAPPINGS_OF_SCHEMAS
        else _tidied(value)
        for key, value in schema.items()
        if key not in {"$defs", "title"}
    }
    if "patternProperties" in tidy:
        tidy.setdefault("additionalProperties", False)
        tidy.pop("propertyNames", None)
    if not isinstance(tidy.get("default", ()), str | int | bool | list) or "pattern" in tidy:
        tidy.pop("default", None)
    some = [one for one in tidy.pop("anyOf", ()) if one != {"type": "null"}]
    if len(some) == 1:
        return {**some[0], **tidy}
    return {**tidy, "anyOf": some} if some else tidy


def _with_references(schema: dict[str, Any]) -> dict[str, Any]:
    """Every property of a mapping may be a reference; a secret must be one."""
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return schema
    return {**schema, "properties": {key: _property(one) for key, one in properties.items()}}


def _property(schema: dict[str, Any]) -> dict[str, Any]:
    reference = {"$ref": f"#/$defs/{_REFERENCE}"}
    about: dict[str, Any] = {
        key: schema[key] for key in ("description", "default") if key in schema
    }
    if _is_secret(schema):
        return {**about, **reference}
    if _is_plain_text(schema) or _is_structure(schema):
        return schema
    rest = {key: value for key, value in schema.items() if key not in about}
    return {**about, "anyOf": [rest, reference]}


def _is_secret(schema: Mapping[str, Any]) -> bool:
    return bool(schema.get("writeOnly")) or any(_is_secret(one) for one in schema.get("anyOf", ()))


def _is_plain_text(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "string" and schema.keys() <= _PLAIN_TEXT_KEYS


def _is_structure(schema: Mapping[str, Any]) -> bool:
    """Whether it is a mapping or a list, which no reference can stand for."""
    return schema.get("type") in {"object", "array"} or "$ref" in schema
