"""Second factors on both engines, where several ask at once."""

from __future__ import annotations

import asyncio

import pytest

from channelsync.domain.permissions import Role
from channelsync.engine.identity import Identity
from channelsync.engine.second_factors import SecondFactors
from channelsync.engine.sign_ins import SignIns
from channelsync.engine.users_desk import UsersDesk
from channelsync.engine.vault import Vault
from channelsync.security.sealing import MasterKeys
from channelsync.store.database import Database
from tests.support.factors import App
from tests.support.house import Clock
from tests.support.signed_in import PASSWORD, cheap_passwords


@pytest.fixture
async def factors(any_database: Database) -> SecondFactors:
    clock, passwords = Clock(), cheap_passwords()
    users = UsersDesk(any_database, clock, passwords)
    await users.add("ada", PASSWORD, Role.ADMIN, actor="test")
    vault = Vault(any_database, clock, MasterKeys(b"the key of the operator, long enough"))
    return SecondFactors(any_database, clock, vault, passwords, frozenset(Role))


async def test_item_10_of_many_at_once_one_lets_in_with_the_same_code(
    factors: SecondFactors,
) -> None:
    identity, sign_ins = Identity(factors.database, factors.now, factors), SignIns(factors)

    async def begun() -> str:
        found = await identity.sign_in("ada", PASSWORD, request=None)
        assert found is not None
        return found.token

    first = [await begun() for _ in range(3)]
    pending = await sign_ins.pending(first[-1])
    assert pending is not None
    secret = await sign_ins.prepared(pending)
    assert secret is not None
    app = App(secret, factors.now)
    sets_up = [sign_ins.set_up(token, app.code(), request=None) for token in first]
    done = [one for one in await asyncio.gather(*sets_up) if one is not None]
    assert len(done) == 1
    session, codes = done[0]
    assert await identity.of_session(session) is not None
    for code in (app.fresh(), codes[4]):
        tokens = [await begun() for _ in range(4)]
        proving = (sign_ins.prove(token, code, request=None) for token in tokens)
        inside = [one for one in await asyncio.gather(*proving) if one is not None]
        assert len(inside) == 1
        assert await identity.of_session(inside[0]) is not None
    token = await begun()
    tried = [sign_ins.prove(token, f"00000{number}", request=None) for number in range(6)]
    assert set(await asyncio.gather(*tried)) == {None}
    assert await sign_ins.pending(token) is None
