"""The scenarios of allocation.md: naive policies as published, strict escrow never oversells."""

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
NAIVE_TRIALS = {"steady": 100, "busy": 100, "flash": 60, "deep": 8}
ESCROW = {
    # scenario: trials, refused of all demand, pushes a sale; at most what a plain strict escrow
    # reached, which for `deep` is 0 but for a rare trial whose last buyers came faster than a push
    "steady": (200, 0.055, 0.20),
    "busy": (200, 0.044, 0.084),
    "flash": (200, 0.029, 0.080),
    "deep": (20, 0.001, 0.0005),
}


@pytest.mark.parametrize("scenario", NAIVE)
def test_naive_policies_do_as_badly_as_published(scenario: str) -> None:
    mirror, percent, fixed = NAIVE[scenario]
    trials = NAIVE_TRIALS[scenario]
    assert run(scenario, "mirror", trials).oversold_share == pytest.approx(mirror, abs=0.02)
    assert run(scenario, "percent", trials).oversold_share == pytest.approx(percent, abs=0.02)
    slices = run(scenario, "fixed", trials)
    assert slices.oversold == 0
    assert slices.refused_share == pytest.approx(fixed, abs=0.03)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("scenario", ESCROW)
def test_strict_escrow_never_oversells_and_keeps_refusals_and_pushes_low(
    scenario: str, seed: int
) -> None:
    trials, refused, pushes = ESCROW[scenario]
    outcome = run(scenario, "escrow", trials, seed)
    assert outcome.worst_oversold == 0
    assert outcome.oversold == 0
    assert outcome.refused_share <= refused
    assert outcome.pushes_per_sale <= pushes
