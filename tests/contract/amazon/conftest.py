"""Amazon's own models with their checker, where the contracts folder is at hand."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.support.contracts import load_checker


@pytest.fixture(scope="session")
def amazon_contract(contracts_folder: Path) -> ModuleType:
    return load_checker(contracts_folder, "amazon")


@pytest.fixture(scope="session")
def validator(amazon_contract: ModuleType) -> Any:
    return amazon_contract.Validator()
