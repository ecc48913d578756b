"""Amazon's own models with their checker, where the contracts folder is at hand."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="session")
def amazon_contract(contracts_folder: Path) -> ModuleType:
    place = contracts_folder / "amazon" / "validate.py"
    spec = importlib.util.spec_from_file_location("amazon_contract", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def validator(amazon_contract: ModuleType) -> Any:
    return amazon_contract.Validator()
