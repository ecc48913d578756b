"""The four scenarios: naive policies as published, and strict escrow never oversells."""

from __future__ import annotations

import pytest

from channelsync.simulate.outcome import run

NAIVE = {
    # scenario: mirror oversold, percent oversold, fixed refused (shares of 1)
    "steady": (0.0021, 0.0003, 0.22),
    "busy": (0.058, 0.044, 0.18),
    "flash": (0.41, 0.40, 0.12),
    "deep": (0.0, 0.0, 0.068),
}
TRIALS = {"steady": 100, "busy": 100, "flash": 60, "deep": 8}
PUSHES_A_SALE = {"steady": 0.20, "busy": 0.084, "flash": 0.080, "deep": 0.005}


@pytest.mark.parametrize("scenario", NAIVE)
def test_naive_policies_do_as_badly_as_published(scenario: str) -> None:
    mirror, percent, fixed = NAIVE[scenario]
    trials = TRIALS[scenario]
    assert run(scenario, "mirror", trials).oversold_share == pytest.approx(mirror, abs=0.02)
    assert run(scenario, "percent", trials).oversold_share == pytest.approx(percent, abs=0.02)
    slices = run(scenario, "fixed", trials)
    assert slices.oversold == 0
    assert slices.refused_share == pytest.approx(fixed, abs=0.03)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("scenario", NAIVE)
def test_strict_escrow_never_oversells_and_pushes_little(scenario: str, seed: int) -> None:
    outcome = run(scenario, "escrow", TRIALS[scenario], seed)
    assert outcome.worst_oversold == 0
    assert outcome.oversold == 0
    assert outcome.pushes_per_sale <= PUSHES_A_SALE[scenario]
    assert outcome.refused_share < NAIVE[scenario][2]
