"""The checkers that lie beside the marketplaces' own schemas."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from graphql import GraphQLSchema, execute_sync, parse

__all__ = ["conforms", "load_checker"]


def load_checker(folder: Path, market: str) -> ModuleType:
    """The module that checks against the schemas of one marketplace."""
    name = f"{market}_contract"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, folder / market / "validate.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def _typed(value: Any) -> str | None:
    """The type that a global id names, for answers of an interface's type."""
    identifier = value.get("id") if isinstance(value, dict) else None
    return identifier.split("/")[3] if isinstance(identifier, str) else None


def conforms(schema: GraphQLSchema, query: str, variables: Any, answer: Any) -> None:
    """Require that an answer's data is one that the schema allows for this query.

    The query is executed in the real schema with the answer as the data: any field, enum value,
    scalar or null that the schema does not allow is an error, any other value a difference.
    """
    result = execute_sync(
        schema,
        parse(query),
        root_value=answer,
        variable_values=variables,
        type_resolver=lambda value, _info, _type: _typed(value),
    )
    assert result.errors is None, (query[:60], result.errors)
    assert result.data == answer
