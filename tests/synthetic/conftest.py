"""Countries that the tests of this folder read: drawn once per run."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthetic.country import make_country


@pytest.fixture(scope="session")
def town_of_a_thousand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 persons, clean, seed 1."""
    out = tmp_path_factory.mktemp("small") / "country"
    make_country(out, persons=1000, seed=1)
    return out


@pytest.fixture(scope="session")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50,000 persons, clean, seed 2."""
    out = tmp_path_factory.mktemp("clean") / "country"
    make_country(out, persons=50_000, seed=2)
    return out


@pytest.fixture(scope="session")
def dirty_country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same country with defects in its deliveries."""
    out = tmp_path_factory.mktemp("dirty") / "country"
    make_country(out, persons=50_000, seed=2, dirty=True)
    return out
