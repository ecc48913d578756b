"""The page of an item: why its numbers are what they are, and what happened last."""

from __future__ import annotations

import re

import httpx
import pytest

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_page_says_why_and_what_happened(client: httpx.AsyncClient) -> None:
    page = (await client.get("/items/MUG")).text
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))
    assert "Why is it 95, and who may sell it?" in words
    assert "50 % of 95 is 48, it may sell 47, shows 47" in words
    assert "the till is being repaired" in words
    assert "sale amazon-us: exposure −2" in words
    assert "push opened amazon-us: set 49" in words
    assert (await client.get("/items/PLATE/XL")).status_code == 200
    missing = await client.get("/items/MUGG", headers={"accept": "text/html"})
    assert "did you mean" in missing.text
