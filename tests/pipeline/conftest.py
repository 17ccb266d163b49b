"""The main job, made once per test run for each size, whichever worker asks first."""

from __future__ import annotations

import pytest

from tests.pipeline.job import Job, made_once


@pytest.fixture(scope="session", params=[25_000, pytest.param(50_000, marks=pytest.mark.sweep)])
def main_job(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Job:
    """What ``make run`` does, of half its size (enough for both analyses) and, in the sweep, of its own."""
    return made_once(tmp_path_factory, f"main_job_{request.param}", persons=request.param)


@pytest.fixture(scope="session")
def small_job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """1,000 persons: enough for V3; the gate refuses D2 for want of events. Never change it: see `copied_job`."""
    return made_once(tmp_path_factory, "small_job", persons=1000)
