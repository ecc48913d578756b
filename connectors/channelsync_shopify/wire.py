"""Shopify's GraphQL answers, as far as we ask for them."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from channelsync.sdk.errors import Retryable
from channelsync_shopify.api import Answer
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
    "Wire",
    "understood",
]

Time = Annotated[
    float, BeforeValidator(lambda value: instant(value) if isinstance(value, str) else value)
]
"""An ISO 8601 time on the wire, an instant here."""


class Wire(BaseModel):
    """Names in camelCase on the wire; what we did not ask for is ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore"
    )


Node = TypeVar("Node", bound=Wire)
Shape = TypeVar("Shape", bound=Wire)


class PageInfo(Wire):
    """Whether a connection goes on, and from where."""

    has_next_page: bool
    end_cursor: str | None = None


class Page(Wire, Generic[Node]):
    """One page of a connection."""

    nodes: tuple[Node, ...]
    page_info: PageInfo


class Nodes(Wire, Generic[Node]):
    """The first nodes of a connection whose rest does not matter."""

    nodes: tuple[Node, ...]


class Ref(Wire):
    """A reference to something."""

    id: str


class Place(Wire):
    """A location."""

    id: str
    name: str
    is_active: bool
    fulfills_online_orders: bool


class PlacesAnswer(Wire):
    """Answer of CsPlaces."""

    locations: Page[Place]


class Quantity(Wire):
    """One named quantity of a level."""

    name: str
    quantity: int


class Level(Wire):
    """An inventory level at our location."""

    id: str
    is_active: bool
    quantities: tuple[Quantity, ...]

    @property
    def available(self) -> int | None:
        """The counter that shoppers decrement."""
        return next((one.quantity for one in self.quantities if one.name == "available"), None)


class PlacedLevel(Wire):
    """An inventory level anywhere."""

    location: Ref
    quantities: tuple[Quantity, ...]


class Selling(Wire):
    """How a variant sells."""

    id: str
    inventory_policy: str
    requires_components: bool


class LevelItem(Wire):
    """An inventory item with its level. Empty where the node is of another type."""

    id: str | None = None
    tracked: bool = False
    inventory_level: Level | None = None
    variants: Nodes[Selling] | None = None
    inventory_levels: Nodes[PlacedLevel] | None = None


class LevelsAnswer(Wire):
    """Answer of CsLevels and CsLevelsEverywhere."""

    nodes: tuple[LevelItem | None, ...]


class Product(Wire):
    """What a variant belongs to."""

    title: str


class CatalogueItem(Wire):
    """A variant's inventory item."""

    id: str
    tracked: bool
    inventory_level: Level | None = None


class Variant(Wire):
    """One offer."""

    id: str
    sku: str | None = None
    inventory_policy: str
    requires_components: bool
    product: Product
    inventory_item: CatalogueItem


class Catalogue(Wire):
    """Answer of CsVariants."""

    product_variants: Page[Variant]


class Shop(Wire):
    """The shop itself."""

    myshopify_domain: str


class Scope(Wire):
    """A right that the app was granted."""

    handle: str


class Installation(Wire):
    """The app in the shop."""

    access_scopes: tuple[Scope, ...]


class ApiVersion(Wire):
    """A version of the Admin API."""

    handle: str
    supported: bool


class Health(Wire):
    """Answer of CsHealth."""

    shop: Shop
    current_app_installation: Installation
    public_api_versions: tuple[ApiVersion, ...]


class Hook(Wire):
    """A webhook subscription."""

    id: str
    topic: str
    uri: str
    name: str | None = None


class HooksAnswer(Wire):
    """Answer of CsHooks."""

    webhook_subscriptions: Page[Hook]


class Complaint(Wire):
    """A plain user error."""

    message: str


class _Created(Wire):
    user_errors: tuple[Complaint, ...]


class CreatedHook(Wire):
    """Answer of CsHook."""

    webhook_subscription_create: _Created


class DeletedHook(Wire):
    """Answer of CsUnhook."""

    webhook_subscription_delete: _Created


def understood(shape: type[Shape], answer: Answer) -> Shape:
    """The answer's `data` in its documented shape.

    Raises:
        Retryable: it has another shape; which field is said, what it holds is not.
    """
    try:
        return shape.model_validate((answer.body or {}).get("data"))
    except ValidationError as error:
        where = ".".join(str(step) for step in error.errors(include_input=False)[0]["loc"])
        raise Retryable(
            f"{shape.__name__}: Shopify's answer is not of the documented shape at {where or 'top'}"
        ) from error
