"""Running GraphQL documents against the simulated shop."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from graphql import (
    ExecutionResult,
    FieldNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSchema,
    OperationDefinitionNode,
    VariableNode,
    build_schema,
    execute_sync,
)

from channelsync_shopify.simulator.ledger import Ledger
from channelsync_shopify.simulator.nodes import (
    LocationNode,
    OrderNode,
    ProductVariantNode,
    SubscriptionNode,
    node_of,
)
from channelsync_shopify.simulator.paging import connection
from channelsync_shopify.simulator.search import matches
from channelsync_shopify.simulator.state import Subscription, World
from channelsync_shopify.times import global_id

__all__ = ["SCHEMA", "Call", "Execution", "preflight"]

SCHEMA: Final[GraphQLSchema] = build_schema(
    files("channelsync_shopify.simulator").joinpath("schema.graphql").read_text("utf-8")
)
KEYED: Final = {"inventorySetQuantities": "quantities", "inventoryAdjustQuantities": "changes"}
SCOPE_OF: Final = {
    "inventorySetQuantities": "write_inventory",
    "inventoryAdjustQuantities": "write_inventory",
    "orders": "read_orders",
    "productVariants": "read_products",
    "locations": "read_locations",
}
ENTRIES_MAX: Final = 250
HOPELESS_URI: Final = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, ready to run."""

    document: Any
    operation: OperationDefinitionNode
    variables: Mapping[str, Any]
    body: bytes


def preflight(call: Call) -> GraphQLError | None:
    """What the schema cannot say but the server demands: keys, old values, short lists."""
    for node in call.operation.selection_set.selections:
        if not isinstance(node, FieldNode) or node.name.value not in KEYED:
            continue
        if not any(one.name.value == "idempotent" for one in node.directives or ()):
            words = "The @idempotent directive is required for this mutation but was not provided."
            return GraphQLError(words, extensions={"code": "BAD_REQUEST"})
        complaint = _entries_complaint(_input_of(node, call.variables), KEYED[node.name.value])
        if complaint is not None:
            return complaint
    return None


def _entries_complaint(given: Mapping[str, Any], name: str) -> GraphQLError | None:
    entries = given.get(name)
    if not isinstance(entries, list):
        return None
    if len(entries) > ENTRIES_MAX:
        words = f"The input array size of {len(entries)} is greater than the maximum allowed"
        return GraphQLError(words, extensions={"code": "MAX_INPUT_SIZE_EXCEEDED"})
    if any("changeFromQuantity" not in entry for entry in entries):
        kind = "InventoryQuantityInput" if name == "quantities" else "InventoryChangeInput"
        words = f"{kind} must include the following argument: changeFromQuantity."
        return GraphQLError(words, extensions={"code": "INVALID_FIELD_ARGUMENTS"})
    return None


def _input_of(node: FieldNode, variables: Mapping[str, Any]) -> Mapping[str, Any]:
    for argument in node.arguments or ():
        if argument.name.value == "input" and isinstance(argument.value, VariableNode):
            given = variables.get(argument.value.name.value)
            return given if isinstance(given, Mapping) else {}
    return {}


class Execution:
    """The root of the schema."""

    def __init__(
        self, world: World, ledger: Ledger, scopes: set[str], versions: Sequence[str]
    ) -> None:
        self._world = world
        self._ledger = ledger
        self._scopes = scopes
        self._versions = versions

    def run(self, call: Call) -> ExecutionResult:
        """Execute one operation."""
        return execute_sync(
            SCHEMA,
            call.document,
            root_value=_Root(self, call),
            variable_values=dict(call.variables),
            field_resolver=_resolve,
            type_resolver=lambda value, _info, _type: value.graphql_type,
        )

    def require(self, field: str) -> None:
        """Refuse a field whose access scope was not granted."""
        scope = SCOPE_OF.get(field)
        if scope is not None and scope not in self._scopes:
            words = f"Access denied for {field} field. Required access: `{scope}` access scope."
            raise GraphQLError(words, extensions={"code": "ACCESS_DENIED"})

    # ------------------------------------------------------------------ queries

    def node(self, id: str) -> object | None:  # noqa: A002 - the schema's own name
        """Anything by id."""
        return node_of(self._world, id)

    def nodes(self, ids: Sequence[str]) -> list[object | None]:
        """Several things by id."""
        return [node_of(self._world, one) for one in ids]

    def shop(self) -> Mapping[str, Any]:
        """The shop."""
        return {
            "id": global_id("Shop", 1),
            "name": "A simulated shop",
            "myshopify_domain": self._world.shop,
        }

    def current_app_installation(self) -> Mapping[str, Any]:
        """The app."""
        scopes = [{"handle": one, "description": one} for one in sorted(self._scopes)]
        return {"id": global_id("AppInstallation", 1), "access_scopes": scopes}

    def public_api_versions(self) -> list[Mapping[str, Any]]:
        """The versions served."""
        return [{"handle": one, "display_name": one, "supported": True} for one in self._versions]

    def locations(
        self,
        first: int | None = None,
        after: str | None = None,
        *,
        include_inactive: bool = False,
        **_more: object,
    ) -> Mapping[str, Any]:
        """Places."""
        return connection(
            [one for one in self._world.locations.values() if one.active or include_inactive],
            first=first,
            after=after,
            key=lambda location: (location.number,),
            node=LocationNode,
        )

    def product_variants(
        self, first: int | None = None, after: str | None = None, **_more: object
    ) -> Mapping[str, Any]:
        """Offers."""
        pairs = [(item, one) for item in self._world.items.values() for one in item.variants]
        return connection(
            pairs,
            first=first,
            after=after,
            key=lambda pair: (pair[1].number,),
            node=lambda pair: ProductVariantNode(self._world, pair[0], pair[1]),
        )

    def orders(
        self,
        first: int | None = None,
        after: str | None = None,
        query: str | None = None,
        **_more: object,
    ) -> Mapping[str, Any]:
        """Orders by their last change, as far as the search index knows them."""
        world = self._world
        limit = world.now() - world.search_lag_seconds
        visible = [one for one in world.orders.values() if one.updated_at <= limit]
        return connection(
            [one for one in visible if matches(one, query or "")],
            first=first,
            after=after,
            key=lambda order: (order.updated_at, order.number),
            node=lambda order: OrderNode(world, order),
        )

    def webhook_subscriptions(
        self, first: int | None = None, after: str | None = None
    ) -> Mapping[str, Any]:
        """Subscriptions."""
        return connection(
            self._world.subscriptions.values(),
            first=first,
            after=after,
            key=lambda one: (one.number,),
            node=SubscriptionNode,
        )

    # ------------------------------------------------------------------ mutations

    def inventory_set_quantities(self, given: Mapping[str, Any], call: Call) -> Mapping[str, Any]:
        """Set."""
        return self._ledger.set_quantities(given, _key_of(call), call.body)

    def inventory_adjust_quantities(
        self, given: Mapping[str, Any], call: Call
    ) -> Mapping[str, Any]:
        """Adjust."""
        return self._ledger.adjust_quantities(given, _key_of(call), call.body)

    def webhook_subscription_create(
        self, topic: str, webhook_subscription: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Subscribe."""
        uri = webhook_subscription.get("uri") or ""
        known = self._world.subscriptions.values()
        complaint = ""
        if not HOPELESS_URI.fullmatch(uri):
            complaint = "Address is invalid"
        elif any(one.topic == topic and one.uri == uri for one in known):
            complaint = "Address for this topic has already been taken"
        if complaint:
            error = {"field": ["webhookSubscription", "uri"], "message": complaint}
            return {"webhook_subscription": None, "user_errors": [error]}
        world = self._world
        name = webhook_subscription.get("name")
        made = Subscription(world.number(), topic, uri, name, world.now())
        world.subscriptions[made.number] = made
        return {"webhook_subscription": SubscriptionNode(made), "user_errors": []}

    def webhook_subscription_delete(self, id: str) -> Mapping[str, Any]:  # noqa: A002 - as above
        """Unsubscribe."""
        gone = self._world.subscriptions.pop(int(id.rsplit("/", 1)[-1]), None)
        if gone is None:
            error = {"field": ["id"], "message": "Webhook subscription does not exist"}
            return {"deleted_webhook_subscription_id": None, "user_errors": [error]}
        return {"deleted_webhook_subscription_id": id, "user_errors": []}


@dataclass(frozen=True, slots=True)
class _Root:
    """The root value of one call."""

    execution: Execution
    call: Call


def _key_of(call: Call) -> str:
    """The key of the one directive; `preflight` saw to it that there is one."""
    for node in call.operation.selection_set.selections:
        directives = node.directives if isinstance(node, FieldNode) else None
        for argument in (one for each in directives or () for one in each.arguments or ()):
            if isinstance(argument.value, VariableNode):
                return str(call.variables[argument.value.name.value])
            return str(getattr(argument.value, "value", ""))
    return ""


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _resolve(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    """Fields are attributes, entries or methods, named as in the schema but in snake case."""
    name = _snake(info.field_name)
    if isinstance(source, _Root):
        source.execution.require(info.field_name)
        method: Callable[..., Any] = getattr(source.execution, name)
        if info.field_name in KEYED:
            return method(arguments["input"], source.call)
        return method(**{_snake(key): value for key, value in arguments.items()})
    value = source.get(name) if isinstance(source, Mapping) else getattr(source, name)
    if callable(value):
        return value(**{_snake(key): one for key, one in arguments.items()})
    return value
