"""Every GraphQL document that we send. No field of any holds personal data.

Field names, arguments and nullability: Admin API 2026-10, valid back to 2026-04.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = [
    "ADJUST",
    "ALL",
    "FULFILLMENT_UNITS",
    "HEALTH",
    "HOOK",
    "HOOKS",
    "LEVELS",
    "LEVELS_EVERYWHERE",
    "ORDERS",
    "ORDERS_CHANGED",
    "ORDER_CHANGES",
    "ORDER_LINES",
    "PLACES",
    "REFUND_UNITS",
    "SET",
    "UNHOOK",
    "VARIANTS",
    "Document",
]


@dataclass(frozen=True, slots=True)
class Document:
    """One operation, by the name it has in its text."""

    name: str
    text: str


def _document(text: str) -> Document:
    squeezed = " ".join(text.split())
    name = squeezed.split(" ", 1)[1].split("(", 1)[0].split(" ", 1)[0]
    return Document(name, squeezed)


_PAGE = "pageInfo { hasNextPage endCursor }"

SET: Final = _document("""
mutation CsSet($input: InventorySetQuantitiesInput!, $key: String!) {
  inventorySetQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id createdAt }
    userErrors { code field message }
  }
}
""")

ADJUST: Final = _document("""
mutation CsAdjust($input: InventoryAdjustQuantitiesInput!, $key: String!) {
  inventoryAdjustQuantities(input: $input) @idempotent(key: $key) {
    inventoryAdjustmentGroup { id createdAt }
    userErrors { code field message }
  }
}
""")

_LEVEL = """
  id sku tracked
  inventoryLevel(locationId: $loc, includeInactive: true) {
    id isActive quantities(names: ["available"]) { name quantity }
  }
  variants(first: 5) { nodes { id inventoryPolicy requiresComponents } }
"""

LEVELS: Final = _document(f"""
query CsLevels($items: [ID!]!, $loc: ID!) {{
  nodes(ids: $items) {{ ... on InventoryItem {{ {_LEVEL} }} }}
}}
""")

LEVELS_EVERYWHERE: Final = _document(f"""
query CsLevelsEverywhere($items: [ID!]!, $loc: ID!) {{
  nodes(ids: $items) {{ ... on InventoryItem {{ {_LEVEL}
    inventoryLevels(first: 5) {{
      nodes {{ id location {{ id }} quantities(names: ["available"]) {{ name quantity }} }}
    }}
  }} }}
}}
""")

VARIANTS: Final = _document(f"""
query CsVariants($loc: ID!, $first: Int!, $after: String) {{
  productVariants(first: $first, after: $after, sortKey: ID) {{
    nodes {{
      id sku inventoryPolicy requiresComponents product {{ id title }}
      inventoryItem {{
        id tracked
        inventoryLevel(locationId: $loc, includeInactive: true) {{
          id isActive quantities(names: ["available"]) {{ name quantity }}
        }}
      }}
    }}
    {_PAGE}
  }}
}}
""")

PLACES: Final = _document(f"""
query CsPlaces($after: String) {{
  locations(first: 50, after: $after, includeInactive: true, includeLegacy: true) {{
    nodes {{ id name isActive fulfillsOnlineOrders }}
    {_PAGE}
  }}
}}
""")

HEALTH: Final = _document("""
query CsHealth {
  shop { myshopifyDomain }
  currentAppInstallation { id accessScopes { handle } }
  publicApiVersions { handle supported }
}
""")

ORDERS_CHANGED: Final = _document(f"""
query CsOrdersChanged($q: String!, $first: Int!, $after: String) {{
  orders(first: $first, after: $after, query: $q, sortKey: UPDATED_AT) {{
    nodes {{ id updatedAt }}
    {_PAGE}
  }}
}}
""")

_LINES = f"""
  lineItems(first: $lines, after: $after) {{
    nodes {{
      id sku quantity currentQuantity unfulfilledQuantity isGiftCard
      variant {{ id inventoryItem {{ id tracked }} }}
    }}
    {_PAGE}
  }}
"""

ORDERS: Final = _document(f"""
query CsOrders($ids: [ID!]!, $lines: Int!, $after: String) {{
  nodes(ids: $ids) {{
    ... on Order {{
      id test confirmed createdAt updatedAt cancelledAt sourceName displayFinancialStatus
      retailLocation {{ id }}
      fulfillments(first: 20) {{ id status createdAt }}
      refunds(first: 1) {{ id }}
      {_LINES}
    }}
  }}
}}
""")

ORDER_LINES: Final = _document(f"""
query CsOrderLines($id: ID!, $lines: Int!, $after: String) {{
  node(id: $id) {{ ... on Order {{ id updatedAt {_LINES} }} }}
}}
""")

_FULFILLMENT_UNITS = f"""
  fulfillmentLineItems(first: $units, after: $after) {{
    nodes {{ id quantity lineItem {{ id }} }}
    {_PAGE}
  }}
"""

_REFUND_UNITS = f"""
  refundLineItems(first: $units, after: $after) {{
    nodes {{ id quantity restockType restocked location {{ id }} lineItem {{ id }} }}
    {_PAGE}
  }}
"""

ORDER_CHANGES: Final = _document(f"""
query CsOrderChanges($id: ID!, $many: Int!, $units: Int!, $after: String) {{
  node(id: $id) {{
    ... on Order {{
      id updatedAt
      refunds(first: $many) {{ id createdAt {_REFUND_UNITS} }}
      fulfillments(first: $many) {{ id status createdAt {_FULFILLMENT_UNITS} }}
    }}
  }}
}}
""")

REFUND_UNITS: Final = _document(f"""
query CsRefundUnits($id: ID!, $units: Int!, $after: String) {{
  node(id: $id) {{ ... on Refund {{ id {_REFUND_UNITS} }} }}
}}
""")

FULFILLMENT_UNITS: Final = _document(f"""
query CsFulfillmentUnits($id: ID!, $units: Int!, $after: String) {{
  node(id: $id) {{ ... on Fulfillment {{ id {_FULFILLMENT_UNITS} }} }}
}}
""")

HOOKS: Final = _document(f"""
query CsHooks($after: String) {{
  webhookSubscriptions(first: 100, after: $after) {{
    nodes {{ id topic uri name }}
    {_PAGE}
  }}
}}
""")

HOOK: Final = _document("""
mutation CsHook($topic: WebhookSubscriptionTopic!, $sub: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $sub) {
    webhookSubscription { id topic uri name }
    userErrors { field message }
  }
}
""")

UNHOOK: Final = _document("""
mutation CsUnhook($id: ID!) {
  webhookSubscriptionDelete(id: $id) {
    deletedWebhookSubscriptionId
    userErrors { field message }
  }
}
""")

ALL: Final = (
    SET,
    ADJUST,
    LEVELS,
    LEVELS_EVERYWHERE,
    VARIANTS,
    PLACES,
    HEALTH,
    ORDERS_CHANGED,
    ORDERS,
    ORDER_LINES,
    ORDER_CHANGES,
    REFUND_UNITS,
    FULFILLMENT_UNITS,
    HOOKS,
    HOOK,
    UNHOOK,
)
"""Every document, for the checks against Shopify's schema."""
