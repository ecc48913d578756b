"""Second factors as the web half needs them: over an engine, with its options."""

from __future__ import annotations

from channelsync.engine.core import Engine
from channelsync.engine.second_factors import SecondFactors
from channelsync.engine.vault import Vault
from channelsync.web.options import WebOptions

__all__ = ["factors_of"]


def factors_of(engine: Engine, options: WebOptions) -> SecondFactors:
    """Everybody's second factors, in the engine's transaction if it is joined to one."""
    return SecondFactors(
        database=engine.database,
        now=engine.now,
        vault=Vault(engine.database, engine.now, options.master_keys),
        passwords=options.passwords,
        required=options.second_factor_of,
    )
