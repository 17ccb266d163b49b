"""A country of 2,000 persons and its linked data, made once per run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.analyses.linked_country import LinkedCountry, link_country


@pytest.fixture(scope="session")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from synthetic.country import make_country

    out = tmp_path_factory.mktemp("analyses") / "country"
    make_country(out, persons=2000, seed=11)
    return out


@pytest.fixture(scope="session")
def linked(country: Path, tmp_path_factory: pytest.TempPathFactory) -> LinkedCountry:
    return link_country(country, tmp_path_factory.mktemp("linked"))
