"""Amazon's regions: where each answers, and which marketplaces it holds.

Source: "SP-API endpoints" and "Marketplace IDs" of developer-docs.amazon.com.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["MARKETPLACES", "ORIGINS", "TOKEN_URL", "region_of"]

TOKEN_URL: Final = "https://api.amazon.com/auth/o2/token"  # noqa: S105 - an address
ORIGINS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "na": "https://sellingpartnerapi-na.amazon.com",
        "eu": "https://sellingpartnerapi-eu.amazon.com",
        "fe": "https://sellingpartnerapi-fe.amazon.com",
    }
)

MARKETPLACES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "na": MappingProxyType(
            {
                "ATVPDKIKX0DER": "US",
                "A2EUQ1WTGCTBG2": "CA",
                "A1AM78C64UM0Y8": "MX",
                "A2Q3Y263D00KWC": "BR",
            }
        ),
        "eu": MappingProxyType(
            {
                "A1F83G8C2ARO7P": "UK",
                "A1PA6795UKMFR9": "DE",
                "A13V1IB3VIYZZH": "FR",
                "APJ6JRA9NG5V4": "IT",
                "A1RKKUPIHCS9HS": "ES",
                "A1805IZSGTT6HS": "NL",
                "A2NODRKZP88ZB9": "SE",
                "A1C3SOZRARQ6R3": "PL",
                "AMEN7PMS3EDWL": "BE",
                "A28R8C7NBKEWEA": "IE",
                "A33AVAJ2PDY3EV": "TR",
                "A2VIGQ35RCS4UG": "AE",
                "A17E79C6D8DWNP": "SA",
                "ARBP9OOSHTCHU": "EG",
                "A21TJRUUN4KGV": "IN",
                "AE08WJ6YKNBMC": "ZA",
            }
        ),
        "fe": MappingProxyType(
            {"A1VC38T7YXB528": "JP", "A39IBJ37TRP1C6": "AU", "A19VAU5U5O7RUS": "SG"}
        ),
    }
)


def region_of(marketplace_id: str) -> str | None:
    """The region of a marketplace that we know; None: a new one, perhaps."""
    return next((name for name, held in MARKETPLACES.items() if marketplace_id in held), None)
