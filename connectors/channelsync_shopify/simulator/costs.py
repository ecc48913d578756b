"""What a query costs, and the leaky bucket that pays for it.

Rules: scalar and enum 0, object 1, connection 2 and its nodes by `first`, mutation 10 (shopify.dev,
"GraphQL Admin API rate limits"; today's real prices of large pages are lower, never higher).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

__all__ = ["COST_MAX", "Bucket", "actual_cost", "requested_cost"]

COST_MAX: Final = 1_000
MUTATION_COST: Final = 10
CONNECTION_COST: Final = 2


class Bucket:
    """Query cost that one app may still spend in one shop."""

    def __init__(
        self, now: Callable[[], float], *, maximum: float = 2_000.0, rate: float = 100.0
    ) -> None:
        self._now = now
        self.maximum = maximum
        self.rate = rate
        self._left = maximum
        self._at = now()

    def left(self) -> float:
        """What is in it now."""
        now = self._now()
        self._left = min(self.maximum, self._left + self.rate * max(now - self._at, 0.0))
        self._at = now
        return self._left

    def take(self, cost: float) -> None:
        """Spend; may be called after `left` showed that it suffices."""
        self._left = self.left() - cost

    def report(self, requested: int, actual: int | None) -> Mapping[str, Any]:
        """`extensions.cost`."""
        return {
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": {
                "maximumAvailable": self.maximum,
                "currentlyAvailable": int(self.left()),
                "restoreRate": self.rate,
            },
        }


def requested_cost(
    schema: GraphQLSchema, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> int:
    """The highest price that an operation can have."""
    if operation.operation is OperationType.MUTATION:
        root, base = schema.mutation_type, MUTATION_COST
    else:
        root, base = schema.query_type, 0
    if root is None:
        return base
    return base + _selections(schema, root, operation.selection_set, variables)


def _selections(
    schema: GraphQLSchema, parent: object, chosen: SelectionSetNode, variables: Mapping[str, Any]
) -> int:
    total, fragments = 0, [0]
    for node in chosen.selections:
        if isinstance(node, InlineFragmentNode):
            name = node.type_condition.name.value if node.type_condition is not None else ""
            inner = schema.type_map.get(name, parent)
            fragments.append(_selections(schema, inner, node.selection_set, variables))
        elif isinstance(node, FieldNode):
            total += _field(schema, parent, node, variables)
        elif isinstance(node, FragmentSpreadNode):
            raise TypeError("the simulator prices no named fragments")
    return total + max(fragments)


def _field(
    schema: GraphQLSchema, parent: object, node: FieldNode, variables: Mapping[str, Any]
) -> int:
    if node.selection_set is None or not isinstance(
        parent, GraphQLObjectType | GraphQLInterfaceType
    ):
        return 0
    definition = parent.fields[node.name.value]
    named = get_named_type(definition.type)
    inner = _selections(schema, named, node.selection_set, variables)
    arguments = {one.name.value: _value(one.value, variables) for one in node.arguments or ()}
    many = _count(arguments)
    if named.name.endswith("Connection"):
        return CONNECTION_COST + many * inner
    if named.name == "PageInfo":
        return 0
    # `nodes` of a connection: its factor was taken above.
    own = 1
    return many * (own + inner)


def _count(arguments: Mapping[str, Any]) -> int:
    first = arguments.get("first")
    if isinstance(first, int):
        return first
    for name in ("ids", "names"):
        listed = arguments.get(name)
        if isinstance(listed, list):
            return len(listed)
    return 1


def _value(node: object, variables: Mapping[str, Any]) -> Any:
    if isinstance(node, VariableNode):
        return variables.get(node.name.value)
    if isinstance(node, IntValueNode):
        return int(node.value)
    if isinstance(node, ListValueNode):
        return list(node.values)
    return None


def actual_cost(data: object) -> int:
    """The objects that an answer really holds."""
    if isinstance(data, Mapping):
        return 1 + sum(actual_cost(value) for value in data.values())
    if isinstance(data, list):
        return sum(actual_cost(value) for value in data)
    return 0
