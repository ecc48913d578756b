"""A batch proves that it is the till's own by its key, or by a signature like a webhook's."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from channelsync.sdk.errors import Unauthentic
from tests.support.till import OLD_SECRET, heard_till, sale, signed

KEY = "key-of-the-till"
SIGNED = signed({"sales": [sale()]})


@pytest.mark.parametrize("api_key", [None, KEY])
async def test_a_signed_batch_is_the_tills_own(api_key: str | None) -> None:
    (await heard_till(api_key=api_key)).authenticate(SIGNED)


async def test_the_key_suffices_without_a_signature() -> None:
    till = await heard_till(api_key=KEY)
    till.authenticate(replace(SIGNED, headers={"authorization": f"Bearer {KEY}"}))


@pytest.mark.parametrize(
    "given",
    ["", "Bearer ", "Bearer wrong", KEY, f"bearer {KEY}", f"Bearer {KEY} ", "Bearer \udcff"],
)
async def test_another_key_is_refused_even_beside_a_good_signature(given: str) -> None:
    till = await heard_till(api_key=KEY)
    with pytest.raises(Unauthentic, match="api_key"):
        till.authenticate(replace(SIGNED, headers={**SIGNED.headers, "authorization": given}))


async def test_without_a_key_set_a_bearer_token_proves_nothing() -> None:
    till = await heard_till()
    with pytest.raises(Unauthentic):
        till.authenticate(replace(SIGNED, headers={"authorization": "Bearer "}))


async def test_nothing_at_all_and_a_foreign_signature_are_refused() -> None:
    till = await heard_till(api_key=KEY)
    with pytest.raises(Unauthentic):
        till.authenticate(replace(SIGNED, headers={}))
    with pytest.raises(Unauthentic):
        till.authenticate(signed({"sales": [sale()]}, secret=OLD_SECRET))
