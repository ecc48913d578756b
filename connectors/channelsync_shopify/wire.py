"""Shopify's GraphQL answers, as far as we ask for them."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from pydantic import BeforeValidator

from channelsync.sdk.wire import CamelWire, JsonAnswer, Shape, shaped
from channelsync_shopify.times import instant

__all__ = [
    "Catalogue",
    "CreatedHook",
    "DeletedHook",
    "Health",
    "HooksAnswer",
    "Level",
    "LevelItem",
    "LevelsAnswer",
    "Page",
    "PageInfo",
    "Place",
    "PlacesAnswer",
    "Ref",
    "Time",
    "Variant",
    "understood",
]

Time = Annotated[
    float, BeforeValidator(lambda value: instant(value) if isinstance(value, str) else value)
]
"""An ISO 8601 time on the wire, an instant here."""


Node = TypeVar("Node", bound=CamelWire)


class PageInfo(CamelWire):
    """Whether a connection goes on, and from where."""

    has_next_page: bool
    end_cursor: str | None = None


class Page(CamelWire, Generic[Node]):
    """One page of a connection."""

    nodes: tuple[Node, ...]
    page_info: PageInfo


class Nodes(CamelWire, Generic[Node]):
    """The first nodes of a connection whose rest does not matter."""

    nodes: tuple[Node, ...]


class Ref(CamelWire):
    """A reference to something."""

    id: str


class Place(CamelWire):
    """A location."""

    id: str
    name: str
    is_active: bool
    fulfills_online_orders: bool


class PlacesAnswer(CamelWire):
    """Answer of CsPlaces."""

    locations: Page[Place]


class Quantity(CamelWire):
    """One named quantity of a level."""

    name: str
    quantity: int


class Level(CamelWire):
    """An inventory level at our location."""

    id: str
    is_active: bool
    quantities: tuple[Quantity, ...]

    @property
    def available(self) -> int | None:
        """The counter that shoppers decrement."""
        return next((one.quantity for one in self.quantities if one.name == "available"), None)


class PlacedLevel(CamelWire):
    """An inventory level anywhere."""

    location: Ref
    quantities: tuple[Quantity, ...]


class Selling(CamelWire):
    """How a variant sells."""

    id: str
    inventory_policy: str
    requires_components: bool


class LevelItem(CamelWire):
    """An inventory item with its level. Empty where the node is of another type."""

    id: str | None = None
    tracked: bool = False
    inventory_level: Level | None = None
    variants: Nodes[Selling] | None = None
    inventory_levels: Nodes[PlacedLevel] | None = None


class LevelsAnswer(CamelWire):
    """Answer of CsLevels and CsLevelsEverywhere."""

    nodes: tuple[LevelItem | None, ...]


class Product(CamelWire):
    """What a variant belongs to."""

    title: str


class CatalogueItem(CamelWire):
    """A variant's inventory item."""

    id: str
    tracked: bool
    inventory_level: Level | None = None


class Variant(CamelWire):
    """One offer."""

    id: str
    sku: str | None = None
    inventory_policy: str
    requires_components: bool
    product: Product
    inventory_item: CatalogueItem


class Catalogue(CamelWire):
    """Answer of CsVariants."""

    product_variants: Page[Variant]


class Shop(CamelWire):
    """The shop itself."""

    myshopify_domain: str


class Scope(CamelWire):
    """A right that the app was granted."""

    handle: str


class Installation(CamelWire):
    """The app in the shop."""

    access_scopes: tuple[Scope, ...]


class ApiVersion(CamelWire):
    """A version of the Admin API."""

    handle: str
    supported: bool


class Health(CamelWire):
    """Answer of CsHealth."""

    shop: Shop
    current_app_installation: Installation
    public_api_versions: tuple[ApiVersion, ...]


class Hook(CamelWire):
    """A webhook subscription."""

    id: str
    topic: str
    uri: str
    name: str | None = None


class HooksAnswer(CamelWire):
    """Answer of CsHooks."""

    webhook_subscriptions: Page[Hook]


class Complaint(CamelWire):
    """A plain user error."""

    message: str


class _Created(CamelWire):
    user_errors: tuple[Complaint, ...]


class CreatedHook(CamelWire):
    """Answer of CsHook."""

    webhook_subscription_create: _Created


class DeletedHook(CamelWire):
    """Answer of CsUnhook."""

    webhook_subscription_delete: _Created


def understood(shape: type[Shape], answer: JsonAnswer) -> Shape:
    """The answer's `data` in its documented shape.

    Raises:
        Retryable: it has another shape; which field is said, what it holds is not.
    """
    return shaped(shape, (answer.body or {}).get("data"), of="Shopify")
