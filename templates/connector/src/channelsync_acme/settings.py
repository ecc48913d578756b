"""What a merchant writes below `settings:` of an Acme channel."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, SecretStr

__all__ = ["AcmeSettings"]

API_URL = "https://api.acme.example"


class AcmeSettings(BaseModel):
    """One selling account."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    api_token: SecretStr
    """The token of an API client made in the account's settings, with rights on offers, orders
    and hooks."""
    webhook_secret: SecretStr
    """The secret that signs the account's webhooks."""
    base_url: str = API_URL
    """Where the API answers, if not at Acme's own address: a sandbox, a proxy or the simulator."""
